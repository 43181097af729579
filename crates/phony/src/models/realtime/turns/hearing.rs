//! What the caller says: the sound on its way to the server, the utterances and their transcripts.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use phony_call::{FromModel, UtteranceId};
use phony_wire::openai::realtime::ApiError;

use super::output::Output;
use crate::models::realtime::setup::transcription_refused;

/// How much sound is kept while there is no session: 3 seconds at 8,000 bytes a second.
const KEPT: usize = 3 * 8_000;

/// How many transcripts in a row may fail for want of their model.
const REFUSALS: u32 = 2;

/// How many utterances of a session are remembered, for transcripts that come late.
const REMEMBERED: usize = 64;

/// What the caller says. Outlives the connections of a call.
#[derive(Debug)]
pub(crate) struct Hearing {
    /// Sound for the next session, oldest first.
    kept: VecDeque<Bytes>,
    kept_bytes: usize,
    last: UtteranceId,
    transcribes: bool,
    refusals: u32,
    is_speaking: bool,
    /// Those of this session, oldest first.
    utterances: VecDeque<Utterance>,
}

/// An utterance, as the server's item.
#[derive(Debug)]
struct Utterance {
    item: Box<str>,
    /// `None` until the server has made an item of it: a transcript may come before.
    id: Option<UtteranceId>,
    text: String,
    /// The whole transcript has come, or none will.
    is_over: bool,
}

impl Hearing {
    pub(crate) fn new(transcribes: bool) -> Self {
        Self {
            kept: VecDeque::new(),
            kept_bytes: 0,
            last: UtteranceId::default(),
            transcribes,
            refusals: 0,
            is_speaking: false,
            utterances: VecDeque::new(),
        }
    }

    /// Whether the server is asked for transcripts.
    pub(crate) fn transcribes(&self) -> bool {
        self.transcribes
    }

    /// A session is open.
    pub(crate) fn opened(&mut self, transcribes: bool) {
        self.transcribes = transcribes;
    }

    /// The session is over, with everything that was under way.
    pub(crate) fn closed(&mut self, out: &mut Output) {
        self.speaking(false, out);
        self.utterances.make_contiguous().sort_by_key(|utterance| utterance.id);
        for utterance in self.utterances.drain(..) {
            utterance.give_up(out);
        }
    }

    /// Keeps sound for the next session.
    pub(crate) fn keep(&mut self, audio: Bytes) {
        self.kept_bytes += audio.len();
        self.kept.push_back(audio);
        while self.kept_bytes > KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.kept_bytes -= oldest.len();
            metrics::counter!("phony_media_caller_audio_dropped_total").increment(1);
        }
    }

    /// The sound that was kept, as one piece.
    pub(crate) fn take_kept(&mut self) -> Option<Bytes> {
        let mut whole = BytesMut::with_capacity(self.kept_bytes);
        self.kept.drain(..).for_each(|audio| whole.extend_from_slice(&audio));
        self.kept_bytes = 0;
        (!whole.is_empty()).then(|| whole.freeze())
    }

    /// The caller has begun to speak, or has stopped.
    pub(crate) fn speaking(&mut self, is_speaking: bool, out: &mut Output) {
        if std::mem::replace(&mut self.is_speaking, is_speaking) != is_speaking {
            out.event(FromModel::CallerSpeaking(is_speaking));
        }
    }

    /// The server has made an item of what it heard. Returns the number of the utterance; `None` if
    /// it has one.
    pub(crate) fn committed(&mut self, item: &str, out: &mut Output) -> Option<UtteranceId> {
        let transcribes = self.transcribes;
        let next = UtteranceId(self.last.0 + 1);
        let utterance = self.utterance(item);
        if utterance.id.is_some() {
            return None;
        }
        utterance.id = Some(next);
        out.event(FromModel::CallerSaid { utterance: next });
        utterance.is_over |= !transcribes;
        if utterance.is_over || !utterance.text.is_empty() {
            utterance.tell(out);
        }
        self.last = next;
        Some(next)
    }

    /// More of a transcript.
    pub(crate) fn transcript_delta(&mut self, item: &str, delta: &str, out: &mut Output) {
        let utterance = self.utterance(item);
        if !utterance.is_over && !delta.is_empty() {
            utterance.text += delta;
            utterance.tell(out);
        }
    }

    /// The whole transcript.
    pub(crate) fn transcript_done(&mut self, item: &str, transcript: &str, out: &mut Output) {
        self.refusals = 0;
        let utterance = self.utterance(item);
        if !utterance.is_over {
            utterance.is_over = true;
            transcript.trim().clone_into(&mut utterance.text);
            utterance.tell(out);
        }
    }

    /// There is no transcript. True if none is to be asked for any more.
    pub(crate) fn transcript_failed(
        &mut self,
        item: &str,
        error: &ApiError,
        out: &mut Output,
    ) -> bool {
        metrics::counter!("phony_model_errors_total", "kind" => "transcription").increment(1);
        tracing::debug!(event = "model_transcript_failed", code = error.code);
        let utterance = self.utterance(item);
        if !utterance.is_over {
            utterance.is_over = true;
            utterance.text.clear();
            utterance.tell(out);
        }
        self.refusals = if error.code == "model_not_found" { self.refusals + 1 } else { 0 };
        if !self.transcribes || self.refusals < REFUSALS {
            return false;
        }
        transcription_refused(&error.code);
        self.transcribes = false;
        for utterance in &mut self.utterances {
            if !utterance.is_over && utterance.id.is_some() {
                utterance.is_over = true;
                utterance.tell(out);
            }
        }
        true
    }

    /// Whether the session can be replaced and nothing is missed: the caller is silent, and what
    /// was said last is known.
    pub(crate) fn is_quiet(&self) -> bool {
        let last = self.utterances.iter().max_by_key(|utterance| utterance.id);
        !self.is_speaking && last.is_none_or(|last| last.is_over || last.id.is_none())
    }

    /// The utterance of this item, new if need be.
    fn utterance(&mut self, item: &str) -> &mut Utterance {
        let known = self.utterances.iter().rposition(|known| *known.item == *item);
        let index = known.unwrap_or_else(|| {
            if self.utterances.len() == REMEMBERED {
                self.utterances.pop_front();
            }
            let new =
                Utterance { item: item.into(), id: None, text: String::new(), is_over: false };
            self.utterances.push_back(new);
            self.utterances.len() - 1
        });
        &mut self.utterances[index]
    }
}

impl Utterance {
    /// Tells the call what was said, as far as it is known.
    fn tell(&mut self, out: &mut Output) {
        let Some(utterance) = self.id else { return };
        let last = self.is_over;
        let text = if last { std::mem::take(&mut self.text) } else { self.text.clone() };
        let text = Some(text).filter(|text| !text.trim().is_empty());
        if last || text.is_some() {
            out.event(FromModel::Understood { utterance, text, last });
        }
    }

    /// Tells the call that no more will be known.
    fn give_up(mut self, out: &mut Output) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.tell(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::realtime::turns::OutputEvent;

    /// Events in short: `said 1`, `1 so far "Hel"`, `1 is "Hello"`, `1 is nothing`, `speaks`.
    fn short(out: &mut Output) -> Vec<String> {
        let one = |event: OutputEvent| match event {
            OutputEvent::Plain(FromModel::CallerSaid { utterance }) => {
                format!("said {}", utterance.0)
            }
            OutputEvent::Plain(FromModel::Understood { utterance, text, last }) => {
                let text = text.map_or_else(|| "nothing".into(), |text| format!("{text:?}"));
                format!("{} {} {text}", utterance.0, if last { "is" } else { "so far" })
            }
            OutputEvent::Plain(FromModel::CallerSpeaking(speaks)) => {
                if speaks { "speaks" } else { "is silent" }.into()
            }
            other @ (OutputEvent::Plain(_) | OutputEvent::Failed(..)) => panic!("{other:?}"),
        };
        out.events.drain(..).map(one).collect()
    }

    fn error(code: &str) -> ApiError {
        ApiError { code: code.into(), ..ApiError::default() }
    }

    #[test]
    fn three_seconds_of_sound_are_kept_the_latest() {
        let mut hearing = Hearing::new(true);
        assert_eq!(hearing.take_kept(), None);
        for frame in 0..200_u8 {
            hearing.keep(Bytes::from(vec![frame; 160]));
        }
        let kept = hearing.take_kept().unwrap();
        assert_eq!((kept.len(), kept[0], kept[KEPT - 1]), (KEPT, 50, 199));
        assert_eq!(hearing.take_kept(), None);
    }

    #[test]
    fn transcripts_are_told_in_whatever_order_they_come() {
        let (mut hearing, mut out) = (Hearing::new(true), Output::default());
        hearing.transcript_delta("item_B", "Too ", &mut out);
        hearing.committed("item_A", &mut out);
        hearing.committed("item_B", &mut out);
        hearing.committed("item_B", &mut out);
        assert_eq!(short(&mut out), ["said 1", "said 2", "2 so far \"Too \""]);
        hearing.transcript_delta("item_B", "early", &mut out);
        hearing.transcript_done("item_B", "Too early. ", &mut out);
        hearing.transcript_delta("item_B", "late", &mut out);
        assert_eq!(short(&mut out), ["2 so far \"Too early\"", "2 is \"Too early.\""]);
        assert!(hearing.is_quiet());
        hearing.transcript_done("item_A", " ", &mut out);
        hearing.transcript_done("item_C", "Before its item", &mut out);
        hearing.committed("item_C", &mut out);
        let expected = ["1 is nothing", "said 3", "3 is \"Before its item\""];
        assert_eq!(short(&mut out), expected);
    }

    #[test]
    fn a_session_that_ends_leaves_nothing_open() {
        let (mut hearing, mut out) = (Hearing::new(true), Output::default());
        hearing.committed("item_A", &mut out);
        hearing.committed("item_B", &mut out);
        hearing.transcript_delta("item_B", "Half a", &mut out);
        hearing.speaking(true, &mut out);
        hearing.speaking(true, &mut out);
        assert!(!hearing.is_quiet());
        short(&mut out);
        hearing.closed(&mut out);
        assert_eq!(short(&mut out), ["is silent", "1 is nothing", "2 is \"Half a\""]);
        assert!(hearing.is_quiet());
        // The number goes on.
        hearing.committed("item_A", &mut out);
        assert_eq!(short(&mut out), ["said 3"]);
    }

    #[test]
    fn a_transcriber_that_is_refused_twice_is_not_asked_again() {
        let (mut hearing, mut out) = (Hearing::new(true), Output::default());
        for item in ["item_A", "item_B", "item_C"] {
            hearing.committed(item, &mut out);
        }
        assert!(!hearing.transcript_failed("item_A", &error("model_not_found"), &mut out));
        assert!(hearing.transcript_failed("item_B", &error("model_not_found"), &mut out));
        let over = ["said 1", "said 2", "said 3", "1 is nothing", "2 is nothing", "3 is nothing"];
        assert_eq!(short(&mut out), over);
        assert!(!hearing.transcribes());
        hearing.committed("item_D", &mut out);
        assert_eq!(short(&mut out), ["said 4", "4 is nothing"]);

        let mut hearing = Hearing::new(true);
        for _ in 0..3 {
            for code in ["model_not_found", "audio_unintelligible"] {
                assert!(!hearing.transcript_failed("item_A", &error(code), &mut out));
            }
        }
    }
}
