//! Events that are in the store and stay in memory for who wants to see them, made small.
//!
//! Nearly all of a call's events is the same few words: the names of fields, the call's own id.
//! Packed some at a time they take a quarter of the room, so that a call of an hour is not sixty
//! times as large as one of a minute.

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};

use crate::store::Entry;

/// Events of one pack. Larger packs shrink more, but more events wait for a pack to be full.
pub(super) const EVENTS: usize = 16;

/// Some events, numbered without gaps.
#[derive(Debug, Clone)]
pub(super) struct Pack {
    pub(super) first: u64,
    pub(super) last: u64,
    /// Their JSON, a line each, compressed. Shared, so that it is unpacked outside of locks.
    lines: Bytes,
}

impl Pack {
    /// Packs events; `None` if numbers are missing.
    pub(super) fn of(entries: &[Entry]) -> Option<Self> {
        let (first, last) = (entries.first()?.seq, entries.last()?.seq);
        if last.checked_sub(first)? + 1 != entries.len() as u64 {
            return None;
        }
        let lines: Vec<_> = entries.iter().map(|entry| entry.json.as_str()).collect();
        let lines = compress_prepend_size(lines.join("\n").as_bytes());
        // Copied: to shrink what is kept for long would leave a hole behind it each time.
        Some(Self { first, last, lines: Bytes::copy_from_slice(&lines) })
    }

    /// The events as they were.
    pub(super) fn unpack(&self) -> Vec<Entry> {
        let lines = decompress_size_prepended(&self.lines).map(String::from_utf8);
        let Ok(Ok(lines)) = lines else {
            tracing::error!(first = self.first, last = self.last, "events cannot be unpacked");
            return Vec::new();
        };
        let entry =
            |(seq, line): (u64, &str)| Entry { seq, json: Utf8Bytes::from(line.to_owned()) };
        (self.first..).zip(lines.split('\n')).map(entry).collect()
    }
}

/// The events of a record after one of them, oldest first, as they were when they were taken. They
/// are unpacked by whoever has let go of the record.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) after: u64,
    pub(super) packs: Vec<Pack>,
    pub(super) rest: Vec<Utf8Bytes>,
}

impl Lines {
    pub(super) fn unpack(self) -> Vec<Utf8Bytes> {
        let packed = self.packs.iter().flat_map(Pack::unpack);
        let packed = packed.filter(|entry| entry.seq > self.after).map(|entry| entry.json);
        packed.chain(self.rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_smaller_and_comes_out_as_it_went_in() {
        let entry = |seq: u64| {
            let text = "\u{e9}\n".repeat(usize::try_from(seq % 7).unwrap());
            let event = serde_json::json!({ "type": "transcript", "callSid": "CA1", "text": text });
            Entry { seq, json: event.to_string().into() }
        };
        let entries: Vec<_> = (5..40).map(entry).collect();
        let pack = Pack::of(&entries).unwrap();
        assert_eq!((pack.first, pack.last), (5, 39));
        assert_eq!(pack.unpack(), entries);
        let before: usize = entries.iter().map(|entry| entry.json.len()).sum();
        assert!(pack.lines.len() * 4 < before, "{} of {before} bytes", pack.lines.len());
        assert!(Pack::of(&[entry(5), entry(7)]).is_none());
        assert!(Pack::of(&[]).is_none());
    }
}
