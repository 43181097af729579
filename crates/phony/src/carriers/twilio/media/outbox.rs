//! What waits to be sent over a stream's socket, bounded for a peer that reads slowly.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, SinkExt as _};
use phony_wire::twilio::media::{BYTES_PER_MS, ToTwilio, write_audio};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

/// How much sound may wait, in bytes: 2 s. Whatever is older is too late to be heard.
const MAX_SOUND: usize = 2000 * BYTES_PER_MS;
/// The most sound of one frame, in bytes: 1 s. Longer sound is divided.
const MAX_FRAME: usize = 1000 * BYTES_PER_MS;

/// The frames that wait, in the order of their commands.
#[derive(Debug)]
pub(super) struct Outbox {
    stream_sid: String,
    waiting: VecDeque<Unsent>,
    /// Bytes of sound among what waits.
    sound: usize,
    /// The socket may hold bytes that it has not sent.
    is_unflushed: bool,
}

#[derive(Debug)]
enum Unsent {
    Sound(Bytes),
    Mark(u64),
    Clear,
    Ping,
}

impl Outbox {
    /// Nothing waits yet for the stream of this id.
    pub(super) fn new(stream_sid: String) -> Self {
        Self { stream_sid, waiting: VecDeque::new(), sound: 0, is_unflushed: false }
    }

    /// Queues sound.
    pub(super) fn play(&mut self, mut audio: Bytes) {
        self.sound += audio.len();
        while audio.len() > MAX_FRAME {
            self.waiting.push_back(Unsent::Sound(audio.split_to(MAX_FRAME)));
        }
        if !audio.is_empty() {
            self.waiting.push_back(Unsent::Sound(audio));
        }
    }

    /// Queues a mark.
    pub(super) fn mark(&mut self, mark: u64) {
        self.waiting.push_back(Unsent::Mark(mark));
    }

    /// Drops the sound that waits, and queues the order to drop what was sent. Marks stay, since
    /// the peer returns them after it.
    pub(super) fn clear(&mut self) {
        self.waiting.retain(|unsent| !matches!(unsent, Unsent::Sound(_)));
        self.sound = 0;
        self.waiting.push_back(Unsent::Clear);
    }

    /// Queues a ping; false if the last one still waits.
    pub(super) fn ping(&mut self) -> bool {
        let waits = self.waiting.iter().any(|unsent| matches!(unsent, Unsent::Ping));
        self.waiting.push_back(Unsent::Ping);
        !waits
    }

    /// Whether more sound waits than may wait.
    pub(super) fn is_full(&self) -> bool {
        self.sound > MAX_SOUND
    }

    /// Drops the oldest sound, until no more waits than may wait. Of marks that then follow each
    /// other only the last remains, so that they are bounded too.
    pub(super) fn drop_excess(&mut self) {
        while self.is_full() {
            let is_sound = |unsent: &Unsent| matches!(unsent, Unsent::Sound(_));
            let Some(at) = self.waiting.iter().position(is_sound) else { return };
            let Some(Unsent::Sound(audio)) = self.waiting.remove(at) else { return };
            self.sound -= audio.len();
            metrics::counter!("phony_media_frames_dropped_total").increment(1);
            let is_mark = |at: usize| matches!(self.waiting.get(at), Some(Unsent::Mark(_)));
            if at > 0 && is_mark(at - 1) && is_mark(at) {
                self.waiting.remove(at - 1);
            }
        }
    }

    /// Sends what waits: ready once the peer's end of the connection has taken all of it.
    pub(super) fn poll_send(
        &mut self,
        socket: &mut (impl Sink<Message, Error = Error> + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while !self.waiting.is_empty() {
            ready!(socket.poll_ready_unpin(context))?;
            let Some(unsent) = self.waiting.pop_front() else { break };
            if let Unsent::Sound(audio) = &unsent {
                self.sound -= audio.len();
            }
            self.is_unflushed = true;
            socket.start_send_unpin(self.message(&unsent))?;
        }
        if self.is_unflushed {
            ready!(socket.poll_flush_unpin(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn message(&self, unsent: &Unsent) -> Message {
        let mut frame = String::new();
        match unsent {
            Unsent::Sound(audio) => write_audio(&self.stream_sid, audio, &mut frame),
            Unsent::Mark(mark) => {
                let name = mark.to_string().into();
                ToTwilio::Mark { name }.write(&self.stream_sid, &mut frame);
            }
            Unsent::Clear => ToTwilio::Clear.write(&self.stream_sid, &mut frame),
            Unsent::Ping => return Message::Ping(Bytes::new()),
        }
        Message::text(frame)
    }
}
