//! A session that hears and speaks: what it adds to the turns.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use phony_call::{Clip, FromModel, ToModel, TurnId, Usage};
use phony_wire::openai::realtime::{
    ClientBody, ClientEvent, Delta, ItemInfo, ResponseInfo, ServerEvent, Severity, of_error,
};
use tokio::time::Instant;

use super::Turns;
use super::failure::is_conflict;
use super::hearing::Hearing;
use super::output::Output;
use super::parts::Parts;
use super::phase::Phase;
use super::words::{self, Words};
use crate::models::realtime::conversation::{Name, Origin};
use crate::models::realtime::settings::SpeechSettings;
use crate::models::realtime::setup::without_transcription;
use crate::models::realtime::translate::tokens;

/// What a call's sessions hear and speak. Outlives the connections of the call, except for the
/// parts.
#[derive(Debug)]
pub(crate) struct Speech {
    hearing: Hearing,
    words: Words,
    parts: Parts,
    /// What words cost, which the next reply's usage includes.
    owed: Usage,
}

impl Speech {
    pub(crate) fn new(settings: &SpeechSettings) -> Self {
        let transcribes = settings.turns.transcription.is_some();
        Self {
            hearing: Hearing::new(transcribes),
            words: Words::default(),
            parts: Parts::default(),
            owed: Usage::default(),
        }
    }

    /// Whether the server is asked for transcripts.
    pub(crate) fn transcribes(&self) -> bool {
        self.hearing.transcribes()
    }

    /// A session is open.
    pub(crate) fn opened(&mut self, transcribes: bool) {
        self.hearing.opened(transcribes);
    }

    /// Takes a command while no session is open.
    pub(crate) fn wait(&mut self, command: ToModel) {
        match command {
            ToModel::Hear(audio) => self.hearing.keep(audio),
            ToModel::Speak { words, text } => self.words.speak(words, &text),
            ToModel::Hush { words } => drop(self.words.hush(words)),
            // A new session is told the conversation as it is.
            ToModel::Respond { .. }
            | ToModel::Cancel { .. }
            | ToModel::Truncate { .. }
            | ToModel::Forget { .. } => {}
        }
    }

    /// The numbers of the words that wait, in order.
    pub(crate) fn into_unspoken(self) -> Vec<u32> {
        self.words.into_waiting()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.hearing.is_quiet() && self.words.is_quiet()
    }

    pub(super) fn words(&self) -> &Words {
        &self.words
    }

    pub(super) fn restart_timeout(&mut self, now: Instant) {
        self.words.restart_timeout(now);
    }

    pub(super) fn is_part(&self, turn: TurnId, item: &Name) -> bool {
        self.parts.has(turn, item, u32::MAX)
    }

    /// The usage of a reply and of the words before it.
    pub(super) fn add_owed(&mut self, usage: Option<Usage>) -> Option<Usage> {
        let mut sum = std::mem::take(&mut self.owed);
        sum += usage.unwrap_or_default();
        (sum != Usage::default()).then_some(sum)
    }
}

impl Turns {
    /// The same for a connection whose session hears and speaks.
    pub(crate) fn with_speech(mut self, speech: Option<Box<Speech>>) -> Self {
        self.speech = speech;
        self
    }

    /// Sends what waited for the session.
    pub(crate) fn begin(&mut self, now: Instant, out: &mut Output) {
        if let Some(audio) = self.speech.as_mut().and_then(|speech| speech.hearing.take_kept()) {
            self.hear(&audio, out);
        }
        self.send_waiting(now, out);
        self.send_words(now, out);
    }

    /// Ends what is under way, and returns what the next connection continues with.
    pub(crate) fn take_speech(&mut self, out: &mut Output) -> Option<Box<Speech>> {
        let mut speech = self.speech.take()?;
        speech.words.closed(out);
        speech.hearing.closed(out);
        speech.parts = Parts::default();
        Some(speech)
    }

    /// Whether the server is asked for transcripts.
    pub(crate) fn transcribes(&self) -> bool {
        self.speech.as_ref().is_some_and(|speech| speech.transcribes())
    }

    /// The caller says something.
    pub(crate) fn hear(&mut self, audio: &Bytes, out: &mut Output) {
        if self.speech.is_some() {
            let body = ClientBody::InputAudioAppend { audio: STANDARD.encode(audio).into() };
            self.send('a', body, out);
        }
    }

    /// The call wants words spoken.
    pub(crate) fn speak(&mut self, now: Instant, words: u32, text: &str, out: &mut Output) {
        if let Some(speech) = &mut self.speech {
            speech.words.speak(words, text);
            self.send_words(now, out);
        }
    }

    /// The call no longer wants words spoken.
    pub(crate) fn hush(&mut self, now: Instant, words: u32, out: &mut Output) {
        if let Some(speech) = &mut self.speech {
            if let Some(response_id) = speech.words.hush(words) {
                self.send_cancel(&response_id, out);
            }
            self.send_words(now, out);
        }
    }

    /// The caller has heard a part of a reply up to here, and nothing after it.
    pub(crate) fn truncate(&mut self, turn: TurnId, part: u32, heard: Duration, out: &mut Output) {
        let Some(speech) = &self.speech else { return };
        let Some((item, length)) = speech.parts.find(turn, part) else { return };
        // The server refuses to cut where nothing is to be cut.
        let heard = usize::try_from(heard.as_millis()).unwrap_or(usize::MAX);
        let end = heard.min(length.saturating_sub(1));
        if end == 0 || !self.remote.holds(item) {
            return;
        }
        let body = ClientBody::ItemTruncate {
            item_id: item.to_string().into(),
            content_index: 0,
            audio_end_ms: u32::try_from(end).unwrap_or(u32::MAX),
        };
        self.remote.discard_reply(turn, |item| speech.parts.has(turn, item, part));
        self.send('t', body, out);
    }

    /// The caller has heard nothing of a part of a reply.
    pub(crate) fn forget(&mut self, turn: TurnId, part: u32, out: &mut Output) {
        let Some(speech) = &self.speech else { return };
        let Some((item, _)) = speech.parts.find(turn, part) else { return };
        if self.remote.remove(item) {
            let body = ClientBody::ItemDelete { item_id: item.to_string().into() };
            self.send('d', body, out);
        }
    }

    /// Takes an event that only a session with speech has, or that is about words. Returns any
    /// other.
    pub(super) fn handle_speech<'a>(
        &mut self,
        now: Instant,
        event: ServerEvent<'a>,
        out: &mut Output,
    ) -> Option<ServerEvent<'a>> {
        let Some(speech) = &mut self.speech else { return Some(event) };
        let words = &mut speech.words;
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are as in a text session")]
        match event {
            ServerEvent::AudioDelta(delta) => self.audio(now, &delta, out),
            ServerEvent::AudioDone(place) => {
                self.part_done(&place.response_id, &place.item_id, out);
            }
            ServerEvent::TranscriptDelta(delta) if words.has(&delta.place.response_id) => {
                words.transcript(now, &delta.place.response_id, &delta.text);
            }
            ServerEvent::TranscriptDone(whole) if words.has(&whole.place.response_id) => {}
            ServerEvent::TextDelta(delta) | ServerEvent::TextDone(delta) => {
                self.written(&delta.place.response_id);
            }
            ServerEvent::ResponseCreated(response) => {
                let is_awaited = matches!(self.phase, Phase::Requested { .. });
                let Some(is_hushed) = words.created(now, &response, is_awaited) else {
                    return Some(ServerEvent::ResponseCreated(response));
                };
                if is_hushed {
                    self.send_cancel(&response.id, out);
                }
            }
            ServerEvent::ResponseDone(response) => {
                if !words.done(&response, out) {
                    return Some(ServerEvent::ResponseDone(response));
                }
                self.words_done(&response);
            }
            ServerEvent::OutputItemAdded { response_id, .. } if words.has(&response_id) => {}
            ServerEvent::OutputItemDone { response_id, .. } if words.has(&response_id) => {}
            ServerEvent::OutputItemDone { response_id, output_index, item } => {
                self.part_done(&response_id, &item.id, out);
                return Some(ServerEvent::OutputItemDone { response_id, output_index, item });
            }
            ServerEvent::ItemAdded { item, previous_item_id } if is_callers(&item) => {
                if !self.remote.has_had(&item.id) {
                    self.remote.heard(&item.id, previous_item_id.as_deref(), None);
                }
            }
            ServerEvent::Error(error)
                if !matches!(of_error(&error), Severity::Fatal | Severity::SessionOver)
                    && words.refused(&error.event_id, &error.code, is_conflict(&error), out) => {}
            ServerEvent::SpeechStarted { .. } => speech.hearing.speaking(true, out),
            ServerEvent::SpeechStopped { .. } => speech.hearing.speaking(false, out),
            ServerEvent::InputCommitted { item_id, previous_item_id } => {
                if let Some(utterance) = speech.hearing.committed(&item_id, out) {
                    self.remote.heard(&item_id, previous_item_id.as_deref(), Some(utterance));
                }
            }
            ServerEvent::InputTranscriptDelta { item_id, delta } => {
                speech.hearing.transcript_delta(&item_id, &delta, out);
            }
            ServerEvent::InputTranscriptDone { item_id, transcript } => {
                speech.hearing.transcript_done(&item_id, &transcript, out);
            }
            ServerEvent::InputTranscriptFailed { item_id, error } => {
                if speech.hearing.transcript_failed(&item_id, &error, out) {
                    self.send('s', ClientBody::session(without_transcription()), out);
                }
            }
            // It was asked never to do that.
            ServerEvent::InputTimeout { .. } => {
                metrics::counter!("phony_model_input_timeouts_total").increment(1);
            }
            other => return Some(other),
        }
        None
    }

    /// Requests the next words that wait, if none are being spoken.
    pub(super) fn send_words(&mut self, now: Instant, out: &mut Output) {
        let is_idle = matches!(self.phase, Phase::Idle);
        while let Some((number, text)) =
            self.speech.as_mut().and_then(|speech| speech.words.next(is_idle))
        {
            if text.is_empty() {
                let said = Some(String::new());
                out.event(FromModel::AudioDone { clip: Clip::Words(number), said });
                continue;
            }
            let event_id = self.event_id('w');
            let body = words::request(number, &text);
            out.messages.push(ClientEvent::new(&*event_id, body).to_json());
            if let Some(speech) = &mut self.speech {
                speech.words.requested(now, number, text, event_id);
            }
        }
    }

    /// The sound of a reply is complete.
    pub(super) fn parts_done(&mut self, turn: TurnId, out: &mut Output) {
        let Some(speech) = &mut self.speech else { return };
        for clip in speech.parts.finish_all(turn) {
            out.event(FromModel::AudioDone { clip, said: None });
        }
    }

    /// Sound of a reply or of words. Late sound of a cancelled one is dropped.
    fn audio(&mut self, now: Instant, delta: &Delta<'_>, out: &mut Output) {
        let Some(speech) = &mut self.speech else { return };
        let (response_id, item) = (&delta.place.response_id, &delta.place.item_id);
        let Ok(audio) = STANDARD.decode(delta.text.as_bytes()) else {
            return crate::models::realtime::bad_frame();
        };
        let clip = if speech.words.has(response_id) {
            speech.words.audio(now, response_id)
        } else if let Phase::Active(reply) = &mut self.phase
            && reply.is(response_id)
            && !audio.is_empty()
        {
            reply.audio(now);
            if !self.remote.has_had(item) {
                self.remote.appended(item, Origin::Said(reply.turn));
            }
            Some(speech.parts.add(reply.turn, item, audio.len()))
        } else {
            None
        };
        if let (Some(clip), false) = (clip, audio.is_empty()) {
            out.event(FromModel::Audio { clip, audio: audio.into() });
        }
    }

    /// The sound of an item is complete. Words are complete with their response.
    fn part_done(&mut self, response_id: &str, item: &str, out: &mut Output) {
        let Some(speech) = &mut self.speech else { return };
        if let Phase::Active(reply) = &self.phase
            && reply.is(response_id)
            && !speech.words.has(response_id)
            && let Some(clip) = speech.parts.finish(reply.turn, item)
        {
            out.event(FromModel::AudioDone { clip, said: None });
        }
    }

    /// Text came where sound was asked for. Nobody hears it, so it is not passed on.
    fn written(&mut self, response_id: &str) {
        if let Phase::Active(reply) = &mut self.phase
            && reply.is(response_id)
            && !std::mem::replace(&mut reply.is_written, true)
        {
            metrics::counter!("phony_model_errors_total", "kind" => "text_for_audio").increment(1);
            tracing::warn!(event = "model_text_for_audio", turn = %reply.turn);
        }
    }

    /// The response to words is over.
    fn words_done(&mut self, response: &ResponseInfo) {
        if let (Some(speech), Some(usage)) = (&mut self.speech, response.usage) {
            speech.owed += tokens(usage);
        }
        self.is_proven = true;
    }

    fn send(&mut self, kind: char, body: ClientBody<'_>, out: &mut Output) {
        let event_id = self.event_id(kind);
        out.messages.push(ClientEvent::new(event_id, body).to_json());
    }
}

/// Whether an item is what the caller said, as the server heard it.
fn is_callers(item: &ItemInfo) -> bool {
    item.role == "user" && item.content.iter().any(|part| part.kind == "input_audio")
}
