//! The log of one call: which events viewers get, which are written, and which are dropped.

use phony_call::{CallSid, Event, EventBody};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::pack::{self, Pack, PackedEvents};
use crate::store::{CallSummary, Chunk, Entry, FIRST_TERM};

/// The log of one call.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states of one machine")]
pub(super) struct CallLog {
    pub(super) call: CallSid,
    /// Ascending in the order in which logs were opened.
    pub(super) number: u64,
    pub(super) summary: Option<CallSummary>,
    /// The oldest events, which are in the store, compressed.
    packs: Vec<Pack>,
    /// The events after those.
    stored: Vec<Entry>,
    pub(super) viewers: Vec<Viewer>,
    /// The term under which it is written; `None` if the call has another owner or was deleted, so
    /// that nothing is written any more.
    term: Option<u64>,
    /// The last event that is in the store.
    written: u64,
    /// It is in the writer's queue.
    pub(super) queued: bool,
    status_changed: bool,
    /// The call was moved to another node.
    pub(super) departed: bool,
    over: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Viewer {
    pub(super) queue: mpsc::Sender<Utf8Bytes>,
    /// Cancelled if the viewer is too slow.
    pub(super) cut: CancellationToken,
}

impl CallLog {
    pub(super) fn new(call: CallSid, viewers: Vec<Viewer>) -> Self {
        Self {
            call,
            number: 0,
            summary: None,
            packs: Vec::new(),
            stored: Vec::new(),
            viewers,
            term: Some(FIRST_TERM),
            written: 0,
            queued: false,
            status_changed: false,
            departed: false,
            over: false,
        }
    }

    /// The log of a call that is resumed, with its events in the store.
    pub(super) fn resumed(
        call: CallSid,
        viewers: Vec<Viewer>,
        stored: Vec<Entry>,
        term: u64,
    ) -> Self {
        let written = stored.last().map_or(0, |entry| entry.seq);
        let mut log = Self { term: Some(term), written, ..Self::new(call, viewers) };
        for entry in stored {
            if let Some(event) = entry.event() {
                log.fold(&event);
            }
            log.stored.push(entry);
        }
        if let Some(summary) = &mut log.summary {
            summary.last_seq = written;
        }
        log
    }

    pub(super) fn push(&mut self, event: &Event, json: Utf8Bytes) {
        self.fold(event);
        self.status_changed |=
            matches!(event.body, EventBody::Status { .. } | EventBody::SessionEnd { .. });
        self.stored.push(Entry { seq: event.seq.unwrap_or_default(), json });
    }

    fn fold(&mut self, event: &Event) {
        self.over |= matches!(event.body, EventBody::SessionEnd { .. });
        match &mut self.summary {
            Some(summary) => summary.apply(event),
            None => self.summary = CallSummary::begin(event),
        }
    }

    /// The carrier's status of the call, if known.
    pub(super) fn status(&self) -> Option<&str> {
        self.summary.as_ref()?.status.as_deref()
    }

    /// Whether the call has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn last_seq(&self) -> u64 {
        let packed = self.packs.last().map_or(0, |pack| pack.last);
        self.stored.last().map_or(packed, |entry| entry.seq)
    }

    /// The events after number `seq`.
    pub(super) fn events_after(&self, seq: u64) -> PackedEvents {
        let from = self.packs.partition_point(|pack| pack.last <= seq);
        let rest = self.unpacked_after(seq).iter().map(|entry| entry.json.clone());
        PackedEvents { after: seq, packs: self.packs[from..].to_vec(), rest: rest.collect() }
    }

    /// The events that are not in the store yet, oldest first.
    pub(super) fn unwritten(&self) -> &[Entry] {
        // Packed events are written.
        self.unpacked_after(self.written)
    }

    fn unpacked_after(&self, seq: u64) -> &[Entry] {
        let from = self.stored.partition_point(|entry| entry.seq <= seq);
        &self.stored[from..]
    }

    /// The events to pack next, if enough are written.
    pub(super) fn to_pack(&self) -> Option<Vec<Entry>> {
        let next = self.stored.get(..pack::EVENTS)?;
        next.last().is_some_and(|entry| entry.seq <= self.written).then(|| next.to_vec())
    }

    /// Replaces events by the pack that was made of them.
    pub(super) fn pack(&mut self, pack: Pack) {
        if pack.last > self.written || self.stored.first().is_none_or(|own| own.seq != pack.first) {
            return;
        }
        let packed = self.stored.partition_point(|entry| entry.seq <= pack.last);
        self.stored.drain(..packed);
        if self.stored.len() < pack::EVENTS {
            self.stored.shrink_to(pack::EVENTS * 2);
        }
        self.packs.push(pack);
    }

    /// The packs to join next, if there are enough of one size.
    pub(super) fn to_join(&self) -> Option<Vec<Pack>> {
        let (_, last) = self.packs.split_last_chunk::<{ pack::JOINED }>()?;
        Pack::should_join(last).then(|| last.to_vec())
    }

    /// Replaces packs by the one that was made of them.
    pub(super) fn join(&mut self, joined: Pack) {
        let from = self.packs.partition_point(|pack| pack.last < joined.first);
        let to = self.packs.partition_point(|pack| pack.last <= joined.last);
        let of = &self.packs[from..to];
        let ends = (of.first().map(|pack| pack.first), of.last().map(|pack| pack.last));
        // They may have been unpacked meanwhile, to be written again.
        if ends == (Some(joined.first), Some(joined.last)) {
            self.packs.splice(from..to, [joined]);
        }
    }

    /// Whether anything is not written yet.
    pub(super) fn is_behind(&self) -> bool {
        self.term.is_some() && (self.status_changed || self.last_seq() > self.written)
    }

    /// The term under which it is written; `None` if this node does not own the call.
    pub(super) fn term(&self) -> Option<u64> {
        self.term.filter(|_| !self.departed)
    }

    /// What is to be written next, at most `most` events; `None` if there is nothing.
    pub(super) fn chunk(&mut self, most: usize) -> Option<Chunk> {
        self.queued = false;
        if !self.is_behind() {
            return None;
        }
        let unwritten = self.unwritten();
        let entries = unwritten[..most.min(unwritten.len())].to_vec();
        let status = self.summary.as_ref().filter(|_| self.status_changed);
        let status = status.and_then(|summary| summary.status.clone());
        let (call, term, after) = (self.call.clone(), self.term?, self.written);
        Some(Chunk { call, term, after, entries, status })
    }

    /// Notes that what was taken under a term is in the store up to event `last`.
    pub(super) fn written(&mut self, term: u64, last: u64, status: Option<&str>) {
        if Some(term) != self.term {
            return;
        }
        self.written = self.written.max(last);
        let is = self.summary.as_ref().and_then(|summary| summary.status.as_deref());
        self.status_changed &= is != status;
    }

    /// Notes that the store has lost everything after event `last`.
    pub(super) fn rewind(&mut self, last: u64) {
        self.written = self.written.min(last);
        let from = self.packs.partition_point(|pack| pack.last <= last);
        let mut again: Vec<_> = self.packs.drain(from..).flat_map(|pack| pack.unpack()).collect();
        again.append(&mut self.stored);
        self.stored = again;
    }

    pub(super) fn disown(&mut self, term: u64) {
        self.term = self.term.filter(|own| *own >= term);
    }

    pub(super) fn set_status(&mut self, status: &str) {
        if let Some(summary) = &mut self.summary
            && summary.status.as_deref() != Some(status)
        {
            summary.status = Some(status.to_owned());
            self.status_changed = true;
        }
    }

    /// How many bytes would be lost if the log were forgotten now.
    pub(super) fn unwritten_bytes(&self) -> usize {
        self.unwritten().iter().map(|entry| entry.json.len()).sum()
    }

    /// Drops unwritten events that weigh no more than `most`; returns the number of bytes dropped.
    pub(super) fn give_up(&mut self, most: Weight) -> usize {
        let (written, before) = (self.written, self.unwritten_bytes());
        self.stored.retain(|entry| entry.seq <= written || Weight::of(&entry.json) > most);
        before - self.unwritten_bytes()
    }
}

/// How much the loss of an event matters, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// A measurement.
    Measure,
    /// Something that was done.
    Action,
    /// Something that was said.
    Words,
    /// The start or end of the call.
    Boundary,
}

impl Weight {
    fn of(json: &str) -> Self {
        // The type is serialized first.
        let rest = json.strip_prefix(r#"{"type":""#).unwrap_or_default();
        match rest.split('"').next().unwrap_or_default() {
            "latency" | "usage" | "interrupt" | "assistant_heard" => Self::Measure,
            "transcript" | "assistant_response" | "assistant_override" => Self::Words,
            "session_start" | "session_end" => Self::Boundary,
            _ => Self::Action,
        }
    }
}

impl Viewer {
    /// A viewer for whom so many events may be queued.
    pub(super) fn new(queue: usize) -> (Self, mpsc::Receiver<Utf8Bytes>) {
        let (queue, live) = mpsc::channel(queue);
        (Self { queue, cut: CancellationToken::new() }, live)
    }

    /// Queues an event; false if the viewer is gone or too slow.
    pub(super) fn send(&self, json: &Utf8Bytes) -> bool {
        match self.queue.try_send(json.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                metrics::counter!("phony_viewers_cut_total").increment(1);
                self.cut.cancel();
                false
            }
        }
    }
}
