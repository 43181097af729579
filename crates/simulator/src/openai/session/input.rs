//! Input audio: the buffer, turns, commits and transcriptions (OpenAI Realtime guide,
//! conversations and voice activity detection).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Session, text};
use crate::{
    openai::{
        error::ApiError,
        hearing::Heard,
        item::{Body, Item, Part, Role},
        respond::Request,
        transcription::Transcription,
        turn_detection::TurnDetection,
    },
    sound::BYTES_PER_MS,
};

/// Less audio than this cannot be committed.
const LEAST_COMMIT_MS: usize = 100;

impl Session {
    pub(super) fn append(&mut self, now: Instant, event: &Value) -> Result<(), ApiError> {
        let sound = STANDARD
            .decode(text(event, "audio"))
            .map_err(|_| ApiError::invalid("audio", "Invalid 'audio': not base64.".to_owned()))?;
        self.hearing.append(&sound, self.config.input_format());
        let settings = self.config.turn_detection();
        while !self.ended
            && let Some(heard) = self.hearing.next(settings.as_ref())
        {
            if let Some(settings) = &settings {
                self.turn(now, heard, settings);
            }
            // What the edge causes is sent before the next edge.
            self.tick(now);
        }
        Ok(())
    }

    /// Commits the audio so far for the client.
    pub(super) fn commit(&mut self, now: Instant) -> Result<(), ApiError> {
        let ms = self.hearing.ms();
        if ms < LEAST_COMMIT_MS {
            return Err(ApiError::request(
                "input_audio_buffer_commit_empty",
                None,
                format!(
                    "Error committing input audio buffer: buffer too small. Expected at least \
                     {LEAST_COMMIT_MS}ms of audio, but buffer only has {ms}ms of audio."
                ),
            ));
        }
        let sound = self.hearing.take();
        self.add_heard(now, &sound);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.hearing.take();
        self.speaking = None;
        self.event("input_audio_buffer.cleared", json!({}));
    }

    /// Sends the transcriptions that are due; false if there are none.
    pub(super) fn transcribe(&mut self, now: Instant) -> bool {
        let due = self.transcriptions.iter().position(|pending| pending.due <= now);
        let Some(done) = due.map(|place| self.transcriptions.remove(place)) else { return false };
        if let Some(transcript) = &done.text {
            self.conversation.transcribe(&done.item_id, transcript);
        }
        for event in done.events(&mut self.ids) {
            self.send(event);
        }
        true
    }

    fn turn(&mut self, now: Instant, heard: Heard, settings: &TurnDetection) {
        match heard {
            Heard::Began { ms } => {
                let id = self.ids.item();
                let fields = json!({"audio_start_ms": ms, "item_id": id});
                self.speaking = Some(id);
                self.event("input_audio_buffer.speech_started", fields);
                if settings.interrupts_response {
                    self.interrupt(now);
                }
            }
            Heard::Ended { ms, sound } => {
                let fields = json!({"audio_end_ms": ms, "item_id": self.speaking});
                self.event("input_audio_buffer.speech_stopped", fields);
                self.add_heard(now, &sound);
                if settings.creates_response
                    && let Err(error) = self.respond(now, &Request::read(None))
                {
                    self.error(&error, None);
                }
            }
        }
    }

    /// Cancels the response that writes to the conversation, as the caller speaks.
    fn interrupt(&mut self, now: Instant) {
        let mut active = self.responses.iter_mut();
        if let Some(active) = active.find(|a| a.in_conversation && a.can_be_cancelled()) {
            active.cancel(now, "turn_detected");
        }
    }

    /// Makes an item of what was heard, and begins its transcription.
    fn add_heard(&mut self, now: Instant, sound: &[u8]) {
        let id = self.speaking.take().unwrap_or_else(|| self.ids.item());
        let previous = self.conversation.items().last().map(|item| item.id.clone());
        let fields = json!({"previous_item_id": previous, "item_id": id});
        self.event("input_audio_buffer.committed", fields);
        let understood = self.shared.audio.ears.describe(sound);
        let ms = (sound.len() / BYTES_PER_MS) as u64;
        let parts = vec![Part::InputAudio { understood: understood.clone(), transcript: None, ms }];
        let body = Body::Message { role: Role::User, parts };
        self.conversation.push(Item { id: id.clone(), body, status: "completed" });
        self.announce(&id);
        let Some(settings) = self.config.transcription() else { return };
        let fails = self.shared.faults.transcription_fails(self.connection);
        self.transcriptions.push(Transcription {
            due: now + self.shared.audio.transcription,
            item_id: id,
            model: settings["model"].as_str().map(str::to_owned),
            ms,
            text: (!fails).then_some(understood),
        });
    }
}
