//! The events of a server's socket, resumed after the last one seen when the socket is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use futures_util::StreamExt as _;
use phony_call::CallSid;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::screen::Screen;
use crate::cli::api::Api;

/// How long a server may take to open the socket.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a socket may be silent; the server pings it every 10 s.
const SILENCE: Duration = Duration::from_secs(15);
/// The first and the longest wait before a lost socket is opened again; waits double.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// The most attempts in a row; they take about a minute and a half.
const TRIES: u32 = 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The fields that every event has, of known or unknown kind.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    #[serde(rename = "type")]
    kind: String,
    /// The call.
    #[serde(rename = "callSid")]
    pub(super) call: String,
    seq: Option<u64>,
}

/// Events of one call or of all, each of them once.
pub(super) struct EventStream<'a, Show> {
    api: &'a Api,
    screen: &'a Screen,
    call: Option<&'a CallSid>,
    show: Show,
    /// The last event of each call, and whether it was its end.
    seen: BTreeMap<String, (u64, bool)>,
    tries: u32,
}

/// Why the socket could not be opened.
enum Closed {
    /// It may be worth another try.
    ForNow,
    ForGood(anyhow::Error),
}

impl<'a, Show: FnMut(&Head, &str)> EventStream<'a, Show> {
    pub(super) fn new(
        api: &'a Api,
        screen: &'a Screen,
        call: Option<&'a CallSid>,
        show: Show,
    ) -> Self {
        Self { api, screen, call, show, seen: BTreeMap::new(), tries: 0 }
    }

    /// Shows events until the call has ended; those of all calls, for ever.
    pub(super) async fn follow(mut self) -> anyhow::Result<()> {
        let mut lost = false;
        loop {
            match self.open(self.call).await {
                Ok(socket) => {
                    if std::mem::take(&mut lost) {
                        self.screen.note("the server is back");
                        self.catch_up().await;
                    }
                    if self.read(socket, self.call).await {
                        return Ok(());
                    }
                }
                Err(Closed::ForGood(error)) => return Err(error),
                // Only a server that has answered before is waited for.
                Err(Closed::ForNow) if !lost => bail!(self.api.nobody()),
                Err(Closed::ForNow) => {}
            }
            if !std::mem::replace(&mut lost, true) {
                self.screen.note("the server is gone; trying to reach it again");
            }
            self.tries += 1;
            if self.tries > TRIES {
                bail!(self.api.nobody());
            }
            sleep(WAITS.0.saturating_mul(1 << self.tries.min(8)).min(WAITS.1)).await;
        }
    }

    /// Shows the rest of calls that ended while the server was out of reach: the socket of all
    /// calls has live ones alone.
    async fn catch_up(&mut self) {
        if self.call.is_some() {
            return;
        }
        let Ok(live) = self.api.live().await else { return };
        let open = self.seen.iter().filter(|(_, (_, over))| !over);
        let calls: Vec<_> = open.filter_map(|(call, _)| CallSid::parse(call).ok()).collect();
        for call in calls.iter().filter(|call| !live.contains(call)) {
            if let Ok(socket) = self.open(Some(call)).await {
                self.read(socket, Some(call)).await;
            }
        }
    }

    async fn open(&self, call: Option<&CallSid>) -> Result<Socket, Closed> {
        let seen = call.and_then(|call| self.seen.get(call.as_str()));
        let request = self.api.events(call, seen.map_or(0, |(seq, _)| *seq));
        let request = request.map_err(Closed::ForGood)?;
        match timeout(OPEN_TIMEOUT, tokio_tungstenite::connect_async(request)).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(Error::Http(answer))) => {
                let status = answer.status().as_u16();
                if status == 429 || answer.status().is_server_error() {
                    return Err(Closed::ForNow);
                }
                let body = answer.body().as_deref().unwrap_or_default();
                Err(Closed::ForGood(self.api.refusal(status, body).into()))
            }
            Ok(Err(_)) | Err(_) => Err(Closed::ForNow),
        }
    }

    /// Reads until the socket closes. True if it is of one call and that call has ended.
    async fn read(&mut self, mut socket: Socket, call: Option<&CallSid>) -> bool {
        while let Ok(Some(Ok(message))) = timeout(SILENCE, socket.next()).await {
            match message {
                Message::Text(line) => {
                    if self.take(&line) && call.is_some() {
                        return true;
                    }
                }
                Message::Close(frame) => {
                    let whole = frame.is_some_and(|frame| frame.code == CloseCode::Normal);
                    return whole && call.is_some();
                }
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        false
    }

    /// Shows an event that has not been shown yet. True if it ends its call.
    fn take(&mut self, line: &str) -> bool {
        let Ok(head) = serde_json::from_str::<Head>(line) else { return false };
        self.tries = 0;
        let over = head.kind == "session_end";
        if let Some(seq) = head.seq {
            let (last, ended) = self.seen.entry(head.call.clone()).or_default();
            if seq <= *last {
                return false;
            }
            (*last, *ended) = (seq, over);
        }
        (self.show)(&head, line);
        over
    }
}
