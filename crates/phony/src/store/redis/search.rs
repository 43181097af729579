//! Search: in the segments of the index, newest first, and in the calls that are not indexed.
//!
//! The status of a call in the index may be out of date, and short segments of names are not
//! indexed; so every call that is found is checked against the whole filter.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Pipeline, RedisError, Value, cmd};

use super::index::{part_key, parts_key};
use super::segment::{
    self, DIRECTORY, Directory, GRAM, Kind, Posting, Row, TABLE, Term, block_field, grams, rows,
    table_field,
};
use super::{
    BATCH, Redis, bounds, entries, events_key, fresh_key, is_wanted, restated_key, words_key,
};
use crate::store::summary::searchable_words;
use crate::store::{CallFilter, CallSummary, Cursor, Entry, ListQuery, Match, Page, Query};

/// Segments that are read at a time: few at first, since the newest calls mostly suffice.
const SEGMENTS: [usize; 3] = [4, 16, 64];
/// In how many of the newest calls a segment of a name is searched for that is too short for the
/// index.
const NEWEST: usize = 5000;
/// The most terms of a name that are looked up; the whole name is checked later.
const GRAMS: usize = 6;

/// The calls that were found, oldest first, each with the event that has the words.
type Found = BTreeMap<Cursor, (CallSummary, Option<u64>)>;

/// What is looked up in a segment.
struct Lookup {
    /// Words, all of which an utterance must have.
    words: Vec<Term>,
    /// Whether some of them form a phrase.
    has_phrases: bool,
    /// Grams of a name, all of which a call must have; `None` if the name is too short.
    name: Option<Vec<Term>>,
    /// Terms that a call must have in any case.
    filters: Vec<Term>,
}

/// The segments of a segment that were read.
struct SegmentReader {
    id: String,
    directory: Directory,
    blocks: BTreeMap<usize, Vec<u8>>,
}

/// Calls of one segment that may match: their index in its table, and the utterances with the
/// words.
type Candidates = BTreeMap<usize, Vec<u64>>;

impl Redis {
    pub(super) async fn search(&self, wanted: &ListQuery) -> Result<Page, RedisError> {
        let mut found = Found::new();
        for set in [fresh_key(), restated_key()] {
            self.search_set(&set, wanted, &mut found).await?;
        }
        self.search_segments(wanted, &mut found).await?;
        let more = found.len() > wanted.limit;
        let found: Vec<_> = found.into_values().rev().take(wanted.limit).collect();
        let matches = self.matches(&found, wanted.filter.query.as_ref()).await?;
        let calls = found.into_iter().zip(matches).map(|((summary, _), place)| (summary, place));
        Ok(Page { calls: calls.collect(), more })
    }

    /// Scans the calls of a sorted set, newest first.
    async fn search_set(
        &self,
        set: &str,
        wanted: &ListQuery,
        found: &mut Found,
    ) -> Result<(), RedisError> {
        let (from, to) = bounds(wanted);
        let mut range = cmd("ZREVRANGEBYSCORE");
        range.arg(set).arg(from).arg(to);
        let calls: Vec<String> = self.one(range).await?;
        let mut of_set = 0;
        for calls in calls.chunks(BATCH) {
            let summaries = self.summaries(calls).await?;
            let summaries: Vec<_> =
                summaries.into_iter().filter(|summary| is_wanted(summary, wanted)).collect();
            let places = match &wanted.filter.query {
                None => vec![Some(None); summaries.len()],
                Some(query) => self.scan(&summaries, query).await?,
            };
            for (summary, place) in summaries.into_iter().zip(places) {
                if let Some(seq) = place {
                    of_set += usize::from(keep(found, wanted.limit, summary, seq));
                }
            }
            if of_set > wanted.limit {
                break;
            }
        }
        Ok(())
    }

    /// Which calls match a query, and the first event with the words.
    async fn scan(
        &self,
        summaries: &[CallSummary],
        query: &Query,
    ) -> Result<Vec<Option<Option<u64>>>, RedisError> {
        if summaries.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = cmd("MGET");
        for summary in summaries {
            get.arg(words_key(summary.sid.as_str()));
        }
        let texts: Vec<Option<String>> = self.one(get).await?;
        let mut matched = Vec::new();
        for (summary, text) in summaries.iter().zip(texts) {
            let seq = match text {
                Some(text) => first_with(&text, query),
                // Its words are indexed, or it has none.
                None => self.first_of_events(summary, query).await?,
            };
            matched.push((seq.is_some() || query.matches_names(summary)).then_some(seq));
        }
        Ok(matched)
    }

    /// The first event of a call that matches a query.
    async fn first_of_events(
        &self,
        summary: &CallSummary,
        query: &Query,
    ) -> Result<Option<u64>, RedisError> {
        if summary.turns == 0 || query.phrases().is_empty() {
            return Ok(None);
        }
        let mut range = cmd("XRANGE");
        range.arg(events_key(summary.sid.as_str())).arg("-").arg("+");
        let has = |entry: &Entry| {
            let event = entry.event();
            event.as_ref().and_then(|event| query.find(searchable_words(&event.body)?)).is_some()
        };
        let events = entries(self.one(range).await?);
        Ok(events.iter().find(|entry| has(entry)).map(|entry| entry.seq))
    }

    async fn search_segments(
        &self,
        wanted: &ListQuery,
        found: &mut Found,
    ) -> Result<(), RedisError> {
        let filter = &wanted.filter;
        if filter.live == Some(true) || filter.status.as_deref() == Some("live") {
            return Ok(());
        }
        let Some(lookup) = Lookup::of(filter) else { return Ok(()) };
        let mut range = cmd("ZREVRANGEBYSCORE");
        let oldest = bounds(wanted).1;
        range.arg(parts_key()).arg("+inf").arg(oldest).arg("WITHSCORES");
        let segments: Vec<(String, i64)> = self.one(range).await?;
        let mut segments = segments.as_slice();
        let mut short_names = NEWEST;
        let mut sizes = SEGMENTS.iter().copied();
        let mut size = SEGMENTS[0];
        while let Some((_, newest_ms)) = segments.first() {
            if is_enough(found, wanted.limit, *newest_ms) {
                break;
            }
            size = sizes.next().unwrap_or(size);
            let (now, later) = segments.split_at(size.min(segments.len()));
            segments = later;
            let now: Vec<_> = now.iter().map(|(id, _)| id.clone()).collect();
            let read = self.read_segments(&now, wanted, &lookup).await?;
            for segment in read {
                let short = lookup.name.is_none() && short_names > 0;
                short_names = short_names.saturating_sub(segment.directory.calls);
                let candidates = lookup.candidates(&segment, short);
                self.take_candidates(&segment, candidates, wanted, &lookup, found).await?;
            }
        }
        Ok(())
    }

    /// Reads the blocks of segments that a lookup needs.
    async fn read_segments(
        &self,
        ids: &[String],
        wanted: &ListQuery,
        lookup: &Lookup,
    ) -> Result<Vec<SegmentReader>, RedisError> {
        let mut pipeline = Pipeline::new();
        for id in ids {
            pipeline.cmd("HGET").arg(part_key(id)).arg(DIRECTORY);
        }
        let directories = self.run(&pipeline).await?;
        let latest = match (&wanted.after, wanted.filter.until) {
            (Some(cursor), _) => cursor.started_ms,
            (None, Some(until)) => until.as_millisecond(),
            (None, None) => i64::MAX,
        };
        let (mut segments, mut needed) = (Vec::new(), Vec::new());
        let mut pipeline = Pipeline::new();
        for (id, directory) in ids.iter().zip(directories) {
            let bytes: Option<Vec<u8>> = redis::from_redis_value(directory)?;
            let Some(bytes) = bytes else {
                // The segment has expired with its calls.
                let mut forget = cmd("ZREM");
                forget.arg(parts_key()).arg(id);
                self.one::<Value>(forget).await?;
                continue;
            };
            let Some(directory) = Directory::read(&bytes) else { continue };
            if directory.oldest_ms > latest {
                continue;
            }
            let blocks: BTreeSet<_> =
                lookup.terms().flat_map(|term| directory.blocks(term)).collect();
            if !blocks.is_empty() {
                let command = pipeline.cmd("HMGET").arg(part_key(id));
                for block in &blocks {
                    command.arg(block_field(*block));
                }
            }
            needed.push(blocks);
            segments.push(SegmentReader { id: id.clone(), directory, blocks: BTreeMap::new() });
        }
        let mut read = self.run(&pipeline).await?.into_iter();
        for (segment, blocks) in segments.iter_mut().zip(needed) {
            if blocks.is_empty() {
                continue;
            }
            let bytes: Vec<Option<Vec<u8>>> =
                redis::from_redis_value(read.next().unwrap_or(Value::Nil))?;
            let bytes = blocks.into_iter().zip(bytes);
            segment.blocks = bytes.filter_map(|(block, bytes)| Some((block, bytes?))).collect();
        }
        Ok(segments)
    }

    /// Checks candidates of a segment against the whole filter, newest first, until there are
    /// enough.
    async fn take_candidates(
        &self,
        segment: &SegmentReader,
        candidates: Candidates,
        wanted: &ListQuery,
        lookup: &Lookup,
        found: &mut Found,
    ) -> Result<(), RedisError> {
        let pieces: BTreeSet<_> = candidates.keys().map(|call| call / TABLE).collect();
        if pieces.is_empty() {
            return Ok(());
        }
        let mut get = cmd("HMGET");
        get.arg(part_key(&segment.id));
        for piece in &pieces {
            get.arg(table_field(*piece));
        }
        let tables: Vec<Option<Vec<u8>>> = self.one(get).await?;
        let tables: BTreeMap<usize, Vec<Option<Row>>> = pieces
            .iter()
            .zip(tables)
            .filter_map(|(piece, bytes)| Some((*piece, rows(&bytes?)?)))
            .collect();
        let row = |call: usize| tables.get(&(call / TABLE))?.get(call % TABLE)?.as_ref();
        let mut calls: Vec<(&Row, Vec<u64>)> = candidates
            .into_iter()
            .filter_map(|(call, seqs)| Some((row(call)?, seqs)))
            .filter(|(row, seqs)| may_match(row, wanted, !seqs.is_empty()))
            .collect();
        calls.sort_by(|(a, _), (b, _)| (b.started_ms, &b.sid).cmp(&(a.started_ms, &a.sid)));
        for some in calls.chunks(BATCH.min(wanted.limit.max(8))) {
            if is_enough(found, wanted.limit, some[0].0.started_ms) {
                break;
            }
            let sids: Vec<_> = some.iter().map(|(row, _)| row.sid.clone()).collect();
            let summaries = self.summaries(&sids).await?;
            let mut summaries: BTreeMap<_, _> =
                summaries.into_iter().map(|summary| (summary.sid.to_string(), summary)).collect();
            let seqs = match &wanted.filter.query {
                Some(query) if lookup.has_phrases => self.with_phrases(some, query).await?,
                _ => some.iter().map(|(_, seqs)| seqs.first().copied()).collect(),
            };
            for ((row, _), seq) in some.iter().zip(seqs) {
                let Some(summary) = summaries.remove(&row.sid) else { continue };
                let query = wanted.filter.query.as_ref();
                let has = query.is_none_or(|query| seq.is_some() || query.matches_names(&summary));
                if has && is_wanted(&summary, wanted) {
                    keep(found, wanted.limit, summary, seq);
                }
            }
        }
        Ok(())
    }

    /// For each call, the first of the utterances with the words that also has the phrases.
    async fn with_phrases(
        &self,
        calls: &[(&Row, Vec<u64>)],
        query: &Query,
    ) -> Result<Vec<Option<u64>>, RedisError> {
        let mut pipeline = Pipeline::new();
        for (row, seqs) in calls {
            for seq in seqs {
                event_at(&mut pipeline, &row.sid, *seq);
            }
        }
        let mut events = self.run(&pipeline).await?.into_iter();
        let mut first = Vec::new();
        for (_, seqs) in calls {
            let mut place = None;
            for (seq, event) in seqs.iter().zip(events.by_ref().take(seqs.len())) {
                if place.is_none() && excerpt(event, *seq, query).is_some() {
                    place = Some(*seq);
                }
            }
            first.push(place);
        }
        Ok(first)
    }

    /// The excerpts around the words that were found.
    async fn matches(
        &self,
        found: &[(CallSummary, Option<u64>)],
        query: Option<&Query>,
    ) -> Result<Vec<Option<Match>>, RedisError> {
        let mut pipeline = Pipeline::new();
        for (summary, seq) in found {
            if let Some(seq) = seq {
                event_at(&mut pipeline, summary.sid.as_str(), *seq);
            }
        }
        let mut events = self.run(&pipeline).await?.into_iter();
        let matches = found.iter().map(|(_, seq)| {
            let (seq, query) = ((*seq)?, query?);
            let text = excerpt(events.next()?, seq, query).unwrap_or_default();
            Some(Match { seq, text })
        });
        Ok(matches.collect())
    }
}

impl Lookup {
    /// The lookup of a filter; `None` if no ended call can pass it.
    fn of(filter: &CallFilter) -> Option<Self> {
        let mut filters = Vec::new();
        if let Some(agent) = &filter.agent {
            filters.push(Term::new(Kind::Agent, agent));
        }
        if let Some(direction) = filter.direction {
            filters.push(Term::new(Kind::Direction, segment::direction(direction)));
        }
        match filter.status.as_deref() {
            None | Some("ended") => {}
            Some("live") => return None,
            Some(status) => filters.push(Term::new(Kind::Status, status)),
        }
        if let Some(number) = &filter.number {
            filters.extend(name_terms(number));
        }
        let (mut words, mut has_phrases, mut name) = (Vec::new(), false, Some(Vec::new()));
        if let Some(query) = &filter.query {
            has_phrases = query.phrases().iter().any(|phrase| phrase.len() > 1);
            let all: Vec<_> = query.phrases().iter().flatten().collect();
            for (at, word) in all.iter().enumerate() {
                let is_prefix = at + 1 == all.len() && query.ends_in_prefix();
                words.push(if is_prefix {
                    Term::prefix(Kind::Word, word)
                } else {
                    Term::new(Kind::Word, word)
                });
            }
            let is_long = query.as_str().chars().count() >= GRAM;
            name = is_long.then(|| name_terms(query.as_str()));
        }
        Some(Self { words, has_phrases, name, filters })
    }

    fn terms(&self) -> impl Iterator<Item = &Term> {
        self.words.iter().chain(self.name.iter().flatten()).chain(&self.filters)
    }

    /// The calls of a segment that may match. `short`: the name is too short to look up, so that
    /// every call of the segment is a candidate.
    fn candidates(&self, segment: &SegmentReader, short: bool) -> Candidates {
        let all = || (0..segment.directory.calls).map(|call| (call, Vec::new()));
        let mut candidates = Candidates::new();
        match &self.name {
            Some(name) if !name.is_empty() => {
                let named = segment.with_all(name, Posting::call);
                candidates.extend(named.into_iter().map(|call| (call, Vec::new())));
            }
            // No query: whatever passes the filters.
            Some(_) if self.words.is_empty() => candidates.extend(all()),
            None if short => candidates.extend(all()),
            Some(_) | None => {}
        }
        if !self.words.is_empty() {
            for place in segment.with_all(&self.words, |place| place) {
                candidates.entry(place.call()).or_default().push(place.seq());
            }
        }
        if !self.filters.is_empty() {
            let left = segment.with_all(&self.filters, Posting::call);
            candidates.retain(|call, _| left.contains(call));
        }
        candidates
    }
}

impl SegmentReader {
    /// The calls or utterances that have all of these terms.
    fn with_all<T: Ord>(&self, terms: &[Term], of: impl Fn(Posting) -> T) -> BTreeSet<T> {
        let mut left: Option<BTreeSet<T>> = None;
        for term in terms {
            let mut places = Vec::new();
            for block in self.directory.blocks(term) {
                if let Some(bytes) = self.blocks.get(&block) {
                    // Nothing is found in a torn block.
                    let _ = segment::postings(bytes, term, &mut places);
                }
            }
            let have: BTreeSet<T> = places.into_iter().map(&of).collect();
            let both = match left {
                None => have,
                Some(left) => left.into_iter().filter(|place| have.contains(place)).collect(),
            };
            if both.is_empty() {
                return both;
            }
            left = Some(both);
        }
        left.unwrap_or_default()
    }
}

/// Some grams of a name, all of which a call with that name has.
fn name_terms(name: &str) -> Vec<Term> {
    let grams: Vec<_> = grams(name).into_iter().collect();
    let step = grams.len().div_ceil(GRAMS).max(1);
    grams.iter().step_by(step).map(|gram| Term::new(Kind::Gram, gram)).collect()
}

/// Whether an indexed call may match, as far as its row tells.
fn may_match(row: &Row, wanted: &ListQuery, has_words: bool) -> bool {
    let filter = &wanted.filter;
    let is_older = wanted.after.as_ref().is_none_or(|after| {
        (row.started_ms, row.sid.as_str()) < (after.started_ms, after.sid.as_str())
    });
    let has = |name: &str, text: &str| name.to_lowercase().contains(text);
    is_older
        && filter.from.is_none_or(|from| row.started_ms >= from.as_millisecond())
        && filter.until.is_none_or(|until| row.started_ms <= until.as_millisecond())
        && filter.number.as_deref().is_none_or(|n| row.from.contains(n) || row.to.contains(n))
        && (has_words
            || filter.query.as_ref().is_none_or(|query| {
                let names = [&row.sid, &row.from, &row.to, &row.agent];
                names.iter().any(|name| has(name, query.as_str()))
            }))
}

/// Keeps a call if it belongs on the page or is the first after it; false if it is older.
fn keep(found: &mut Found, limit: usize, summary: CallSummary, seq: Option<u64>) -> bool {
    let cursor = summary.cursor();
    let is_older = found.len() > limit && found.keys().next().is_some_and(|last| cursor < *last);
    if is_older {
        return false;
    }
    let (_, place) = found.entry(cursor).or_insert((summary, seq));
    *place = place.or(seq);
    if found.len() > limit + 1 {
        found.pop_first();
    }
    true
}

/// Whether no call that started at this time or before can belong on the page any more.
fn is_enough(found: &Found, limit: usize, newest_ms: i64) -> bool {
    found.len() > limit && found.keys().next().is_some_and(|last| newest_ms < last.started_ms)
}

/// The first event that matches, in the words of a call: one event per line, its number first.
fn first_with(text: &str, query: &Query) -> Option<u64> {
    let first = query.phrases().first()?.first()?;
    text.lines().find_map(|line| {
        let (seq, words) = line.split_once(' ')?;
        // A cheap test that rules out most lines.
        (words.contains(first.as_str()) && query.find(words).is_some()).then(|| seq.parse().ok())?
    })
}

fn event_at(pipeline: &mut Pipeline, sid: &str, seq: u64) {
    let at = format!("{seq}-0");
    pipeline.cmd("XRANGE").arg(events_key(sid)).arg(&at).arg(&at);
}

/// The excerpt of an event that matches.
fn excerpt(event: Value, seq: u64, query: &Query) -> Option<String> {
    let entry: Entry = entries(event).into_iter().find(|entry| entry.seq == seq)?;
    query.find(searchable_words(&entry.event()?.body)?)
}
