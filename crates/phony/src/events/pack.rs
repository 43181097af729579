//! Compression of events that are in the store and stay in memory for viewers.
//!
//! The events of a call consist mostly of the same few words: the names of fields, the call's id.
//! Compressed a few at a time they shrink to a quarter, and many at a time to a fifth or less, so
//! that a call of an hour is not sixty times as large as one of a minute.

use std::sync::Arc;

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::store::Entry;

/// Events in the smallest pack. Larger ones compress better, but leave more events uncompressed
/// until one is full.
pub(super) const EVENTS: usize = 8;

/// How many packs of one size are joined into one.
pub(super) const JOINED: usize = 4;

/// Packs of this many events are not joined any more.
const LARGEST: u64 = 512;

/// The compression dictionary: typical events, with the most frequent parts last. It affects
/// nothing but the size of packs, which exist in memory only.
const USUAL: &[u8] = br#"
{"type":"command_executed","command":"press","value":"1","by":"ai"
{"type":"interrupt","heard":"
{"type":"latency","turn":1,"stage":"first_token","ms":1","callSid":"CA
{"type":"latency","turn":1,"stage":"first_spoken","ms":1","callSid":"CA
{"type":"latency","turn":1,"stage":"first_played","ms":1","callSid":"CA
,"inputAudioTokens":0,"cachedTextTokens":0,"cachedAudioTokens":0,"outputTextTokens":
,"outputAudioTokens":0,"costUsd":0.00
{"type":"usage","turn":1,"inputTextTokens":
{"type":"assistant_heard","text":"I You The We Yes No ,"source":"model","turn":1,"callSid":"CA
{"type":"transcript","speaker":"caller","text":" ? .","final":true,"callSid":"CA
{"type":"assistant_response","text":" ! ? .","interrupted":false,"source":"model","turn":1
,"verbatim":true,"callSid":"CA","timestamp":"2026-"#;

/// Consecutive events, compressed.
#[derive(Debug, Clone)]
pub(super) struct Pack {
    pub(super) first: u64,
    pub(super) last: u64,
    /// Their JSON, one per line, compressed. Shared, so that it can be unpacked outside of locks.
    lines: Arc<[u8]>,
}

impl Pack {
    /// Packs events; `None` if their numbers have gaps.
    pub(super) fn of(entries: &[Entry]) -> Option<Self> {
        let (first, last) = (entries.first()?.seq, entries.last()?.seq);
        if last.checked_sub(first)? + 1 != entries.len() as u64 {
            return None;
        }
        let lines: Vec<_> = entries.iter().map(|entry| entry.json.as_str()).collect();
        Some(Self::new(first, last, &lines.join("\n")))
    }

    /// Joins consecutive packs; `None` if they are not consecutive.
    pub(super) fn joined(packs: &[Self]) -> Option<Self> {
        let (first, last) = (packs.first()?.first, packs.last()?.last);
        if packs.windows(2).any(|two| two[0].last + 1 != two[1].first) {
            return None;
        }
        let lines: Option<Vec<_>> = packs.iter().map(Self::lines).collect();
        Some(Self::new(first, last, &lines?.join("\n")))
    }

    fn new(first: u64, last: u64, lines: &str) -> Self {
        let lines = compress_prepend_size_with_dict(lines.as_bytes(), USUAL);
        // Copied rather than shrunk in place, which would fragment the heap.
        Self { first, last, lines: Arc::from(&*lines) }
    }

    /// Whether these packs are to be joined.
    pub(super) fn should_join(packs: &[Self]) -> bool {
        let size = |pack: &Self| pack.last - pack.first + 1;
        packs.len() == JOINED
            && size(&packs[0]) < LARGEST
            && packs.iter().all(|pack| size(pack) == size(&packs[0]))
    }

    /// The original events.
    pub(super) fn unpack(&self) -> Vec<Entry> {
        let Some(lines) = self.lines() else { return Vec::new() };
        let entry =
            |(seq, line): (u64, &str)| Entry { seq, json: Utf8Bytes::from(line.to_owned()) };
        (self.first..).zip(lines.split('\n')).map(entry).collect()
    }

    fn lines(&self) -> Option<String> {
        let lines = decompress_size_prepended_with_dict(&self.lines, USUAL);
        let lines = lines.ok().and_then(|lines| String::from_utf8(lines).ok());
        if lines.is_none() {
            tracing::error!(first = self.first, last = self.last, "events cannot be unpacked");
        }
        lines
    }
}

/// A snapshot of the events of a log after number `after`, oldest first, to be unpacked after the
/// log's lock is released.
#[derive(Debug)]
pub(super) struct PackedEvents {
    pub(super) after: u64,
    pub(super) packs: Vec<Pack>,
    pub(super) rest: Vec<Utf8Bytes>,
}

impl PackedEvents {
    pub(super) fn unpack(self) -> Vec<Utf8Bytes> {
        let packed = self.packs.iter().flat_map(Pack::unpack);
        let packed = packed.filter(|entry| entry.seq > self.after).map(|entry| entry.json);
        packed.chain(self.rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use phony_call::{CallSid, Event, EventBody, Source, Speaker, Stage, TurnId, Usage};

    use super::*;

    #[test]
    fn a_pack_is_smaller_than_its_events_and_unpacks_to_them() {
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
        let parts: Vec<_> = entries.chunks(7).map(|part| Pack::of(part).unwrap()).collect();
        assert_eq!(Pack::joined(&parts).unwrap().unpack(), entries);
        assert!(Pack::joined(&[parts[0].clone(), parts[2].clone()]).is_none());
        assert!(Pack::joined(&[]).is_none());
    }

    /// The events of a call in which caller and model alternate.
    fn conversation(turns: u32) -> Vec<Entry> {
        let said = "We are open from nine to one on Saturdays, and from eight to six on all other \
                    days of the week. Would you like me to book an appointment for you?";
        let mut bodies = Vec::new();
        for n in 1..=turns {
            let (turn, words) = (TurnId(n), format!("{n}. {said}"));
            let asked = format!("And what about {n} o'clock, is the doctor in?");
            let latency = |stage, ms| EventBody::Latency { turn, stage, ms };
            let part = |end| EventBody::AssistantHeard {
                text: words[..end].to_owned(),
                source: Source::Model,
                turn: Some(turn),
            };
            let usage = Usage { input_text_tokens: 90 * u64::from(n), ..Usage::default() };
            bodies.extend([
                EventBody::Transcript { speaker: Speaker::Caller, text: asked, r#final: true },
                latency(Stage::FirstToken, 300 + u64::from(n) * 7),
                latency(Stage::FirstPlayed, 900 + u64::from(n) * 3),
                part(40),
                part(80),
                EventBody::Usage { turn: Some(turn), usage, cost_usd: 0.0012 * f64::from(n) },
                EventBody::AssistantResponse {
                    text: words.clone(),
                    interrupted: false,
                    source: Source::Model,
                    turn: Some(turn),
                    generated: None,
                    verbatim: true,
                },
            ]);
        }
        let call = CallSid::parse("CA3d10e77704434c0b846a86cc62d69dcc").unwrap();
        let begin: Timestamp = "2026-11-26T06:21:20.256501847Z".parse().unwrap();
        let entry = |(seq, body): (u32, EventBody)| {
            let at = begin + SignedDuration::from_nanos(1_234_567_891 * i64::from(seq));
            let event = Event { body, call: call.clone(), at, seq: Some(seq.into()) };
            let json = serde_json::to_string(&event).unwrap().into();
            Entry { seq: seq.into(), json }
        };
        (1_u32..).zip(bodies).map(entry).collect()
    }

    #[test]
    fn a_conversation_compresses_well_and_better_the_longer_it_is() {
        let entries = conversation(40);
        let tenths = |events: usize| {
            let entries = &entries[100..100 + events];
            let before: usize = entries.iter().map(|entry| entry.json.len()).sum();
            before * 10 / Pack::of(entries).unwrap().lines.len()
        };
        let ratios = [EVENTS, EVENTS * JOINED, EVENTS * JOINED * JOINED].map(tenths);
        assert!(ratios[0] > 30 && ratios[1] > 40 && ratios[2] > 50, "{ratios:?}");
    }
}
