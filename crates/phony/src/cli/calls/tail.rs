//! `phony calls tail`: a call as it happens.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::pin::pin;
use std::time::Duration;

use phony_call::{CallSid, Event, EventBody};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::actions::{self, Actions};
use super::event_stream::{EventStream, Head};
use super::screen::Screen;
use super::waiting::Waiting;
use crate::cli::api::{Api, short};
use crate::cli::console::PROMPT;
use crate::cli::converse::InputLines;
use crate::cli::printer::Printer;
use crate::cli::ui::Style;
use crate::cli::until_stopped;
use crate::sandbox::read_event;

/// How long to wait for the answer to an action once the call is over.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// Why a call is no longer shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Followed {
    /// It has ended.
    ToItsEnd,
    /// The user quit, and the call goes on.
    Left,
    /// The command was stopped.
    Stopped,
}

/// Shows a call until it ends; without a name, the only live call or all of them.
pub(super) async fn tail(api: &Api, wanted: Option<&str>, json: bool) -> anyhow::Result<()> {
    let screen = Screen::new(json);
    let call = match wanted {
        Some(wanted) => Some(api.find(wanted).await?),
        None => only_one(api, &screen).await?,
    };
    Box::pin(watch(api, &screen, call.as_ref(), json, None)).await.map(drop)
}

/// Shows a call until it ends. `typed` is the input of a command that has read some of it before.
pub(in crate::cli) async fn follow(
    api: &Api,
    call: &CallSid,
    json: bool,
    typed: Option<InputLines>,
) -> anyhow::Result<Followed> {
    Box::pin(watch(api, &Screen::new(json), Some(call), json, typed)).await
}

async fn watch(
    api: &Api,
    screen: &Screen,
    call: Option<&CallSid>,
    json: bool,
    typed: Option<InputLines>,
) -> anyhow::Result<Followed> {
    let waiting = Waiting::default();
    let by_hand = std::io::stdin().is_terminal();
    if by_hand {
        screen.note("type /help for what you can do here, /quit to leave the call alone");
    }
    let typed = typed.map_or_else(|| InputLines::start(by_hand), Ok)?;
    screen.ui().set_prompt(PROMPT);
    let mut printers = CallPrinters::new(screen, call.is_none(), by_hand);
    let show = |head: &Head, line: &str| {
        // None for a kind of event that is newer than this program.
        let event = read_event(line);
        if let Some(event) = &event {
            waiting.shown(event);
        }
        match event {
            _ if json => screen.line(line),
            Some(event) => printers.print(head, &event),
            None => {}
        }
    };
    let busy = Mutex::default();
    let actions = Actions { api, screen, waiting: &waiting, call, busy: &busy };
    let stream = EventStream::new(api, screen, call, show);
    let mut acting = pin!(actions::run(actions, typed));
    let ended = tokio::select! {
        done = stream.follow() => done,
        () = &mut acting => return Ok(Followed::Left),
        () = until_stopped() => return Ok(Followed::Stopped),
    };
    // The result of an action given just before the end is still shown.
    tokio::select! {
        () = acting => {}
        _ = busy.lock() => {}
        () = sleep(LAST_ANSWER) => {}
        () = until_stopped() => {}
    }
    ended.map(|()| Followed::ToItsEnd)
}

/// The live call, if there is exactly one.
async fn only_one(api: &Api, screen: &Screen) -> anyhow::Result<Option<CallSid>> {
    let mut live = api.live().await?;
    let call = if live.len() == 1 { live.pop() } else { None };
    match (&call, live.len()) {
        (Some(call), _) => screen.note(&format!("call {call}")),
        (None, 0) => screen.note("no call is live; those that come will be shown"),
        (None, count) => screen.note(&format!("{count} calls are live; all are shown")),
    }
    Ok(call)
}

/// Prints calls as lines.
struct CallPrinters<'a> {
    screen: &'a Screen,
    /// Whether lines name their call.
    several: bool,
    /// Whether hints are shown, as for somebody at a terminal.
    hints: bool,
    calls: BTreeMap<String, PrintedCall>,
}

/// A call that is printed.
struct PrintedCall {
    printer: Printer,
    /// What the agent has said of the current reply.
    words: String,
}

impl<'a> CallPrinters<'a> {
    fn new(screen: &'a Screen, several: bool, hints: bool) -> Self {
        Self { screen, several, hints, calls: BTreeMap::new() }
    }

    fn print(&mut self, head: &Head, event: &Event) {
        let front = if self.several { format!("{} ", short(&head.call)) } else { String::new() };
        let ui = self.screen.ui();
        let printed = self.calls.entry(head.call.clone());
        let printed = printed
            .or_insert_with(|| PrintedCall { printer: Printer::new(ui), words: String::new() });
        let Some(lines) = printed.lines(self.screen, &front, event) else { return };
        for line in lines {
            self.screen.line(&format!("{}{line}", ui.paint(Style::Strong, &front)));
        }
        if self.hints
            && let Some(hint) = hint(&event.body)
        {
            self.screen.note(&format!("{front}{hint}"));
        }
        if matches!(event.body, EventBody::SessionEnd { .. }) {
            self.calls.remove(&head.call);
        }
    }
}

impl PrintedCall {
    /// The lines of an event; none if it only adds words to the line in progress.
    fn lines(&mut self, screen: &Screen, front: &str, event: &Event) -> Option<Vec<String>> {
        if let EventBody::AssistantDelta { text } = &event.body {
            if screen.is_live() {
                self.words.push_str(text);
                screen.draft(&format!("{front}agent"), &self.words);
            }
            return None;
        }
        if let EventBody::Transcript { text, r#final: false, .. } = &event.body {
            screen.draft(&format!("{front}caller"), text);
            return None;
        }
        let lines = self.printer.lines(event);
        if !lines.is_empty() {
            self.words.clear();
        }
        Some(lines)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only what waits for a supervisor needs a hint")]
fn hint(body: &EventBody) -> Option<&'static str> {
    match body {
        EventBody::Query { .. } => Some("type the answer, or /answer TEXT"),
        EventBody::PendingResponse { .. } => Some("/approve [TEXT] sends it, /reject drops it"),
        _ => None,
    }
}
