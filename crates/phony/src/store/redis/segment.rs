//! A segment of the index: some hundred ended calls, and the terms by which they are found.
//!
//! It is built once, of calls that do not change any more, and is a hash of small fields: the table
//! of its calls in pieces of [`TABLE`] calls, its terms with their postings in sorted blocks of
//! about [`BLOCK`] bytes, and a directory with the first term of each block. A lookup reads the
//! directory and the blocks that it needs. Numbers are varints of seven bits per byte, lists are
//! delta-encoded.
//!
//! A term is a kind and a text. The postings of words are utterances, those of all others calls.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use phony_call::Direction;

use crate::store::search::fold;
use crate::store::summary::searchable_words;
use crate::store::{CallSummary, Entry, LAST_SEQ};

/// Calls in a piece of the table.
pub(super) const TABLE: usize = 32;
/// The approximate size of a block in bytes.
const BLOCK: usize = 2048;
/// How many bits of a posting hold the number of the event.
const SEQ_BITS: u32 = 20;
/// The length of a gram in characters.
pub(super) const GRAM: usize = 3;

/// The kind of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A word that was said.
    Word = b'w',
    /// Three consecutive characters of the call's id, a party or the agent's id.
    Gram = b'g',
    /// An agent's id.
    Agent = b'a',
    /// Inbound or outbound.
    Direction = b'd',
    /// The carrier's status when the call was indexed.
    Status = b's',
}

/// A term, or a prefix of terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    bytes: Vec<u8>,
    is_prefix: bool,
}

impl Term {
    pub(super) fn new(kind: Kind, text: &str) -> Self {
        let mut bytes = vec![kind as u8];
        bytes.extend_from_slice(text.as_bytes());
        Self { bytes, is_prefix: false }
    }

    /// All terms of this kind with this prefix.
    pub(super) fn prefix(kind: Kind, text: &str) -> Self {
        Self { is_prefix: true, ..Self::new(kind, text) }
    }

    fn matches(&self, term: &[u8]) -> bool {
        if self.is_prefix { term.starts_with(&self.bytes) } else { term == self.bytes }
    }
}

/// A posting: a call of the segment, and for a word an event of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting(u64);

impl Posting {
    fn new(call: usize, seq: u64) -> Self {
        Self(((call as u64) << SEQ_BITS) | seq.min(LAST_SEQ))
    }

    /// The call's index in the table.
    pub(super) fn call(self) -> usize {
        usize::try_from(self.0 >> SEQ_BITS).unwrap_or(usize::MAX)
    }

    /// The number of the event.
    pub(super) fn seq(self) -> u64 {
        self.0 & LAST_SEQ
    }
}

/// A call in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) sid: String,
    /// Milliseconds since 1970.
    pub(super) started_ms: i64,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) agent: String,
}

/// A segment to be written or changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// `None` for a call that was deleted.
    rows: Vec<Option<Row>>,
    terms: BTreeMap<Vec<u8>, Vec<Posting>>,
}

/// The directory of a segment's blocks.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The start of the oldest call, in milliseconds since 1970.
    pub(super) oldest_ms: i64,
    /// The number of calls.
    pub(super) calls: usize,
    /// The first term of each block.
    firsts: Vec<Vec<u8>>,
}

/// The grams of a name.
pub(super) fn grams(name: &str) -> BTreeSet<String> {
    let chars: Vec<char> = name.to_lowercase().chars().collect();
    chars.windows(GRAM).map(|three| three.iter().collect()).collect()
}

impl Segment {
    /// Adds a call with its events.
    pub(super) fn add(&mut self, summary: &CallSummary, events: &[Entry]) {
        let call = self.rows.len();
        let whole = Posting::new(call, 0);
        for name in [summary.sid.as_str(), &summary.from, &summary.to, &summary.agent] {
            for gram in grams(name) {
                self.put(Kind::Gram, &gram, whole);
            }
        }
        self.put(Kind::Agent, &summary.agent, whole);
        self.put(Kind::Direction, direction(summary.direction), whole);
        if let Some(status) = &summary.status {
            self.put(Kind::Status, status, whole);
        }
        for entry in events {
            let event = entry.event();
            if let Some(words) = event.as_ref().and_then(|event| searchable_words(&event.body)) {
                for word in fold(words).split(' ').filter(|word| !word.is_empty()) {
                    self.put(Kind::Word, word, Posting::new(call, entry.seq));
                }
            }
        }
        self.rows.push(Some(Row {
            sid: summary.sid.to_string(),
            started_ms: summary.started.as_millisecond(),
            from: summary.from.clone(),
            to: summary.to.clone(),
            agent: summary.agent.clone(),
        }));
    }

    fn put(&mut self, kind: Kind, text: &str, posting: Posting) {
        let postings = self.terms.entry(Term::new(kind, text).bytes).or_default();
        if postings.last() != Some(&posting) {
            postings.push(posting);
        }
    }

    /// Removes calls, with every term that only they have.
    pub(super) fn remove(&mut self, sids: &BTreeSet<&str>) {
        let mut gone = BTreeSet::new();
        for (call, row) in self.rows.iter_mut().enumerate() {
            if row.as_ref().is_some_and(|row| sids.contains(row.sid.as_str())) {
                *row = None;
                gone.insert(call);
            }
        }
        self.terms.retain(|_, postings| {
            postings.retain(|posting| !gone.contains(&posting.call()));
            !postings.is_empty()
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.iter().all(Option::is_none)
    }

    /// The start of the newest call, in milliseconds since 1970.
    pub(super) fn newest_ms(&self) -> i64 {
        self.rows.iter().flatten().map(|row| row.started_ms).max().unwrap_or(0)
    }

    /// The fields of the hash and their values.
    pub(super) fn fields(&self) -> Vec<(String, Vec<u8>)> {
        let mut fields = Vec::new();
        for (piece, rows) in self.rows.chunks(TABLE).enumerate() {
            let mut out = Vec::new();
            for row in rows {
                put_row(&mut out, row.as_ref());
            }
            fields.push((table_field(piece), out));
        }
        let oldest = self.rows.iter().flatten().map(|row| row.started_ms).min().unwrap_or(0);
        let mut directory = Vec::new();
        put(&mut directory, u64::try_from(oldest).unwrap_or(0));
        put(&mut directory, self.rows.len() as u64);
        let (mut block, mut number) = (Vec::new(), 0);
        for (term, postings) in &self.terms {
            if block.is_empty() {
                put_bytes(&mut directory, term);
            }
            put_bytes(&mut block, term);
            put_bytes(&mut block, &encoded(term, postings));
            if block.len() >= BLOCK {
                fields.push((block_field(number), std::mem::take(&mut block)));
                number += 1;
            }
        }
        if !block.is_empty() {
            fields.push((block_field(number), block));
        }
        fields.push((DIRECTORY.to_owned(), directory));
        fields
    }

    /// Parses the fields of the hash; `None` if they are torn.
    pub(super) fn read(fields: &BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let directory = Directory::read(fields.get(DIRECTORY)?)?;
        let mut segment = Self::default();
        for piece in 0..directory.calls.div_ceil(TABLE) {
            segment.rows.extend(rows(fields.get(&table_field(piece))?)?);
        }
        for number in 0..directory.firsts.len() {
            let mut block = fields.get(&block_field(number))?.as_slice();
            while !block.is_empty() {
                let term = take_bytes(&mut block)?;
                let postings = decoded(term, take_bytes(&mut block)?)?;
                segment.terms.insert(term.to_vec(), postings);
            }
        }
        Some(segment)
    }
}

/// The field with the directory.
pub(super) const DIRECTORY: &str = "d";

/// The field with a piece of the table.
pub(super) fn table_field(piece: usize) -> String {
    format!("t{piece}")
}

/// The field with a block of terms.
pub(super) fn block_field(number: usize) -> String {
    format!("b{number}")
}

/// The term of a direction.
pub(super) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
    }
}

impl Directory {
    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        let oldest_ms = i64::try_from(take(&mut bytes)?).ok()?;
        let calls = usize::try_from(take(&mut bytes)?).ok()?;
        let mut firsts = Vec::new();
        while !bytes.is_empty() {
            firsts.push(take_bytes(&mut bytes)?.to_vec());
        }
        Some(Self { oldest_ms, calls, firsts })
    }

    /// The blocks that may have a term.
    pub(super) fn blocks(&self, term: &Term) -> Range<usize> {
        let bytes = &term.bytes;
        let end = self.firsts.partition_point(|first| first <= bytes || term.matches(first));
        let at = self.firsts.partition_point(|first| first < bytes);
        let is_first = self.firsts.get(at).is_some_and(|first| first == bytes);
        (if is_first { at } else { at.saturating_sub(1) })..end
    }
}

/// Adds the postings of a term in a block.
pub(super) fn postings(mut block: &[u8], wanted: &Term, into: &mut Vec<Posting>) -> Option<()> {
    while !block.is_empty() {
        let term = take_bytes(&mut block)?;
        let packed = take_bytes(&mut block)?;
        if wanted.matches(term) {
            into.extend(decoded(term, packed)?);
        }
    }
    Some(())
}

/// Parses a piece of the table.
pub(super) fn rows(mut piece: &[u8]) -> Option<Vec<Option<Row>>> {
    let mut rows = Vec::new();
    while !piece.is_empty() {
        let mut text = || Some(std::str::from_utf8(take_bytes(&mut piece)?).ok()?.to_owned());
        let sid = text()?;
        if sid.is_empty() {
            rows.push(None);
            continue;
        }
        let (from, to, agent) = (text()?, text()?, text()?);
        let started_ms = i64::try_from(take(&mut piece)?).ok()?;
        rows.push(Some(Row { sid, started_ms, from, to, agent }));
    }
    Some(rows)
}

fn put_row(out: &mut Vec<u8>, row: Option<&Row>) {
    let Some(Row { sid, started_ms, from, to, agent }) = row else { return put_bytes(out, b"") };
    for text in [sid, from, to, agent] {
        put_bytes(out, text.as_bytes());
    }
    put(out, u64::try_from(*started_ms).unwrap_or(0));
}

fn is_word(term: &[u8]) -> bool {
    term.first() == Some(&(Kind::Word as u8))
}

/// Encodes ascending postings: each call as the difference to the one before; for words shifted
/// left by one bit, which is 1 if a single event follows, else the number of events follows, then
/// their differences.
fn encoded(term: &[u8], postings: &[Posting]) -> Vec<u8> {
    let (mut out, mut before) = (Vec::new(), 0);
    if !is_word(term) {
        for posting in postings {
            put(&mut out, (posting.call() - before) as u64);
            before = posting.call();
        }
        return out;
    }
    for of_call in postings.chunk_by(|a, b| a.call() == b.call()) {
        let call = of_call[0].call();
        let step = ((call - before) as u64) << 1;
        before = call;
        if of_call.len() == 1 {
            put(&mut out, step | 1);
        } else {
            put(&mut out, step);
            put(&mut out, of_call.len() as u64);
        }
        let mut last = 0;
        for posting in of_call {
            put(&mut out, posting.seq() - last);
            last = posting.seq();
        }
    }
    out
}

fn decoded(term: &[u8], mut packed: &[u8]) -> Option<Vec<Posting>> {
    let (mut postings, mut call) = (Vec::new(), 0_usize);
    while !packed.is_empty() {
        let step = take(&mut packed)?;
        if !is_word(term) {
            call += usize::try_from(step).ok()?;
            postings.push(Posting::new(call, 0));
            continue;
        }
        call += usize::try_from(step >> 1).ok()?;
        let count = if step & 1 == 1 { 1 } else { take(&mut packed)? };
        let mut seq = 0;
        for _ in 0..count {
            seq += take(&mut packed)?;
            postings.push(Posting::new(call, seq));
        }
    }
    Some(postings)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> Segment {
        let mut segment = Segment::default();
        for call in 0..70_i64 {
            let sid = format!("CA{call:032x}");
            let start = format!(
                r#"{{"type":"session_start","from":"+1500555{call:04}","to":"client:Zoë",
                "direction":"outbound","agent":"survey","carrier":"twilio","callSid":"{sid}",
                "timestamp":"2026-01-15T12:00:{:02}Z","seq":1}}"#,
                call % 60
            );
            let says = |seq: u64, text: &str| Entry {
                seq,
                json: format!(
                    r#"{{"type":"transcript","speaker":"caller","text":"{text}","final":true,
                    "callSid":"{sid}","timestamp":"2026-01-15T12:00:00Z","seq":{seq}}}"#
                )
                .into(),
            };
            let start = Entry { seq: 1, json: start.into() };
            let summary = CallSummary::begin(&start.event().unwrap()).unwrap();
            let own = format!("the word{call} café");
            let events = [start, says(2, &own), says(300, "the last the"), says(90_000, "Own")];
            segment.add(&summary, &events);
        }
        segment
    }

    fn find(segment: &Segment, term: &Term) -> Vec<(usize, u64)> {
        let fields: BTreeMap<_, _> = segment.fields().into_iter().collect();
        let directory = Directory::read(&fields[DIRECTORY]).unwrap();
        let mut found = Vec::new();
        for block in directory.blocks(term) {
            postings(&fields[&block_field(block)], term, &mut found).unwrap();
        }
        found.sort_unstable();
        found.iter().map(|posting| (posting.call(), posting.seq())).collect()
    }

    #[test]
    fn a_segment_round_trips() {
        let segment = segment();
        let fields: BTreeMap<_, _> = segment.fields().into_iter().collect();
        assert!(fields.len() > 6, "several blocks: {}", fields.len());
        assert_eq!(Segment::read(&fields), Some(segment));
        for (name, value) in &fields {
            let mut torn = fields.clone();
            torn.insert(name.clone(), value[..value.len() - 1].to_vec());
            // Torn or not, it does not panic.
            let _ = Segment::read(&torn);
        }
    }

    #[test]
    fn every_term_is_found_in_its_blocks() {
        let segment = segment();
        for call in 0..70 {
            let word = Term::new(Kind::Word, &format!("word{call}"));
            assert_eq!(find(&segment, &word), [(call, 2)]);
        }
        assert_eq!(find(&segment, &Term::new(Kind::Word, "the")).len(), 140);
        assert_eq!(find(&segment, &Term::prefix(Kind::Word, "word6")).len(), 11);
        assert_eq!(find(&segment, &Term::prefix(Kind::Word, "o")).len(), 70);
        assert_eq!(find(&segment, &Term::new(Kind::Word, "own"))[3], (3, 90_000));
        assert_eq!(find(&segment, &Term::new(Kind::Gram, "zoë")).len(), 70);
        assert_eq!(find(&segment, &Term::new(Kind::Agent, "survey")).len(), 70);
        assert!(find(&segment, &Term::new(Kind::Word, "zzz")).is_empty());
        assert!(find(&segment, &Term::prefix(Kind::Agent, "a")).is_empty());
    }

    #[test]
    fn a_removed_call_leaves_no_trace() {
        let mut segment = segment();
        let sid = format!("CA{:032x}", 7);
        segment.remove(&BTreeSet::from([sid.as_str()]));
        let bytes: Vec<u8> = segment.fields().into_iter().flat_map(|(_, value)| value).collect();
        let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!has("word7") && !has(&sid) && !has("+15005550007"));
        assert!(find(&segment, &Term::new(Kind::Word, "word7")).is_empty());
        assert_eq!(find(&segment, &Term::new(Kind::Word, "word8")), [(8, 2)]);
        assert!(!segment.is_empty());
    }
}
