//! The line of one call: the agent's voice, the caller, and how each affects the other.
//!
//! A value that takes time as an argument. It advances from event to event in the order of the
//! call's time, so a late timer changes nothing.

mod types;

use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) use self::types::{LineEvent, Rules, SpeechRecognition};

use self::types::{Utterance, Waiting};
use super::media::CallerSound;
use super::speech::{Flags, Input, Pace, Speaker, SpeechEvent};

use crate::callers::{Action, Caller, Driver, Due, LiveAction, Observation, spoken_words};
use crate::sound;
use crate::speak::Speak;

/// Pace of a caller whose step gives no duration.
const CALLER_CHARS_PER_SECOND: u64 = 15;
const PARTIAL_EVERY_MS: u64 = 250;
const KEY_EVERY_MS: u64 = 250;
const KEY_PAUSE_MS: u64 = 500;
/// How much a scripted caller remembers of what it heard since its last step, in bytes.
const LONGEST_MEMORY: usize = 64 * 1024;

/// The line of one call.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) speaker: Speaker,
    /// The sound of both sides, while the line carries sound.
    sound: CallerSound,
    recognition: SpeechRecognition,
    rules: Rules,
    driver: Driver,
    utterance: Option<Utterance>,
    waiting: Option<Waiting>,
    /// Keys still to press, with their times.
    keys: VecDeque<(u64, char)>,
    /// Actions of a live caller that wait for the present one to end.
    queued: VecDeque<LiveAction>,
    heard: String,
    hung_up: bool,
    /// The time up to which events have been handled.
    at_ms: u64,
}

impl Line {
    pub(crate) fn new(
        caller: &Caller,
        pace: Pace,
        recognition: SpeechRecognition,
        now_ms: u64,
    ) -> Self {
        Self {
            speaker: Speaker::new(pace, now_ms),
            sound: CallerSound::default(),
            recognition,
            rules: Rules::default(),
            driver: Driver::new(caller.steps(), now_ms),
            utterance: None,
            waiting: None,
            keys: VecDeque::new(),
            queued: VecDeque::new(),
            heard: String::new(),
            hung_up: false,
            at_ms: now_ms,
        }
    }

    /// Sets the rules of the TwiML verb that takes over.
    pub(crate) fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Speaks a token of the agent's text.
    pub(crate) fn text(
        &mut self,
        now_ms: u64,
        token: &str,
        last: bool,
        flags: Flags,
        out: &mut Vec<(u64, LineEvent)>,
    ) {
        self.advance(now_ms, out);
        let session = (self.rules.interruptible, self.rules.preemptible);
        self.voice(now_ms, out, |speaker, out| {
            speaker.text(now_ms, token, last, session, flags, out);
        });
    }

    /// Presses keys on the agent's side.
    pub(crate) fn digits(&mut self, now_ms: u64, digits: String, out: &mut Vec<(u64, LineEvent)>) {
        self.advance(now_ms, out);
        let caller_speaks = self.utterance.is_some();
        let session = self.rules.interruptible;
        self.voice(now_ms, out, |speaker, out| {
            speaker.digits(now_ms, digits, session, caller_speaks, out);
        });
    }

    /// Plays a recording on the agent's side.
    pub(crate) fn recording(
        &mut self,
        now_ms: u64,
        source: String,
        times: u32,
        flags: Flags,
        out: &mut Vec<(u64, LineEvent)>,
    ) {
        self.advance(now_ms, out);
        let session = (self.rules.interruptible, self.rules.preemptible);
        self.voice(now_ms, out, |speaker, out| {
            speaker.recording(now_ms, source, times, session, flags, out);
        });
    }

    /// Silences the agent, as its session is over.
    pub(crate) fn silence_agent(&mut self, now_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        self.voice(now_ms, out, |speaker, out| speaker.stop(now_ms, out));
    }

    /// Carries sound from now on: the caller's words are spoken by this voice.
    pub(crate) fn open_sound(&mut self, voice: Arc<dyn Speak>) {
        self.rules = Rules { carries_sound: true, ..Rules::default() };
        self.sound.open(voice);
    }

    /// Carries text again.
    pub(crate) fn close_sound(&mut self, now_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        self.rules = Rules::default();
        let stopped = self.sound.close(now_ms);
        out.extend(stopped.map(|event| (now_ms, LineEvent::Speech(event))));
    }

    /// The caller's sound of one frame, which began at `from_ms`.
    pub(crate) fn caller_frame(&mut self, from_ms: u64) -> [u8; sound::FRAME_BYTES] {
        self.sound.frame(from_ms)
    }

    /// Lets the caller hear one frame of the agent's sound, which begins at `at_ms` and has this
    /// much more behind it.
    pub(crate) fn hear(
        &mut self,
        at_ms: u64,
        frame: &[u8],
        queued_ms: u64,
        out: &mut Vec<(u64, LineEvent)>,
    ) {
        let event = self.sound.hear(at_ms, frame, queued_ms);
        out.extend(event.map(|event| (at_ms, LineEvent::Speech(event))));
    }

    /// Takes an action of a live caller. It waits for the present one to end, except hanging up.
    pub(crate) fn act(&mut self, now_ms: u64, act: LiveAction, out: &mut Vec<(u64, LineEvent)>) {
        if act == LiveAction::HangUp {
            self.hang_up(now_ms, out);
            return;
        }
        self.advance(now_ms, out);
        self.queued.push_back(act);
        self.step(now_ms, out);
    }

    /// The next moment at which [`Line::advance`] has something to do.
    pub(crate) fn next_ms(&self, now_ms: u64) -> Option<u64> {
        if self.hung_up {
            return self.speaker.next_ms();
        }
        let utterance = self.utterance.as_ref().map(|utterance| utterance.until_ms);
        [
            self.speaker.next_ms(),
            self.barge_ms(),
            self.partial_ms(),
            utterance,
            self.waiting.as_ref().map(|waiting| waiting.at_ms),
            self.keys.front().map(|(at_ms, _)| *at_ms),
            self.driver_ms(now_ms),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Lets time pass up to `now_ms`.
    pub(crate) fn advance(&mut self, now_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        while let Some(next_ms) = self.next_ms(self.at_ms).filter(|t| *t <= now_ms) {
            // An event may turn out to have been due in the past.
            self.at_ms = self.at_ms.max(next_ms);
            self.step(self.at_ms, out);
        }
        self.at_ms = self.at_ms.max(now_ms);
        self.voice(now_ms, out, |speaker, out| speaker.advance(now_ms, out));
    }

    fn step(&mut self, at_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        self.voice(at_ms, out, |speaker, out| speaker.advance(at_ms, out));
        if self.hung_up {
            return;
        }
        if self.barge_ms().is_some_and(|t| t <= at_ms) {
            self.interrupt(at_ms, Input::Speech, out);
        }
        if self.partial_ms().is_some_and(|t| t <= at_ms) {
            self.partial(at_ms, out);
        }
        if self.utterance.as_ref().is_some_and(|utterance| utterance.until_ms <= at_ms) {
            self.stop_speaking(at_ms, out);
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.at_ms <= at_ms) {
            self.report(at_ms, out);
        }
        if let Some((_, digit)) = self.keys.pop_front_if(|(t, _)| *t <= at_ms) {
            self.key(at_ms, digit, out);
        }
        if !self.busy()
            && self.queued.is_empty()
            && self.driver_ms(at_ms).is_some_and(|t| t <= at_ms)
        {
            self.follow_script(at_ms, out);
        }
        while !self.busy()
            && let Some(act) = self.queued.pop_front()
        {
            match act {
                LiveAction::Say(text) => self.say(at_ms, &text, None, out),
                LiveAction::Relay(text) => {
                    let chars = spoken_words(&text).chars().count() as u64;
                    let for_ms = chars * 1000 / CALLER_CHARS_PER_SECOND / 4;
                    self.say(at_ms, &text, Some(for_ms), out);
                }
                LiveAction::Sound { text, sound } => self.say_sound(at_ms, &text, &sound, out),
                LiveAction::Press(digits) => self.press(at_ms, &digits),
                LiveAction::HangUp => self.hang_up(at_ms, out),
            }
        }
    }

    fn busy(&self) -> bool {
        self.utterance.is_some() || !self.keys.is_empty()
    }

    /// When the caller's speech interrupts the agent, if both go on speaking.
    fn barge_ms(&self) -> Option<u64> {
        let utterance = self.utterance.as_ref()?;
        let cuts = !utterance.words.is_empty() || self.recognition.noise_interrupts;
        let may = cuts && self.rules.listens && self.speaker.may_be_cut(Input::Speech);
        let both_since_ms = utterance.from_ms.max(self.speaker.sounding_since_ms());
        may.then(|| (both_since_ms + self.recognition.barge_in_ms).min(utterance.until_ms))
    }

    fn partial_ms(&self) -> Option<u64> {
        let utterance = self.utterance.as_ref()?;
        let wanted = self.rules.listens && self.rules.partial_prompts;
        let speaks = !utterance.words.is_empty() && utterance.next_partial_ms < utterance.until_ms;
        (wanted && speaks).then_some(utterance.next_partial_ms)
    }

    fn driver_ms(&self, now_ms: u64) -> Option<u64> {
        if self.busy() {
            return None;
        }
        let observation = Observation {
            now_ms,
            agent_sounding: self.speaker.sounding() || self.sound.sounding(),
            agent_sounding_since_ms: self
                .speaker
                .sounding_since_ms()
                .max(self.sound.sounding_since_ms()),
            agent_pending: self.speaker.pending() || self.sound.sounding(),
            agent_quiet_since_ms: self.speaker.quiet_since_ms().max(self.sound.quiet_since_ms()),
            spoken: self.spoken(now_ms),
            received: self.received(),
            heard: (!self.rules.carries_sound).then_some(self.heard.as_str()),
        };
        match self.driver.due(&observation) {
            Due::At(at_ms) => Some(at_ms),
            Due::Spoken { chars, .. } if observation.spoken >= chars => Some(now_ms),
            Due::Spoken { chars, latest_ms } => {
                Some(self.speaker.when_spoken(chars).map_or(latest_ms, |t| t.min(latest_ms)))
            }
            Due::Never => None,
        }
    }

    fn follow_script(&mut self, at_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        match self.driver.take(at_ms) {
            Some(Action::Say { text, for_ms }) => self.say(at_ms, &text, for_ms, out),
            Some(Action::Sound { text, sound }) => self.say_sound(at_ms, &text, &sound, out),
            Some(Action::Press { digits }) => self.press(at_ms, &digits),
            Some(Action::Wait) => self.step_done(at_ms),
            Some(Action::HangUp) => self.hang_up(at_ms, out),
            None => {}
        }
    }

    fn say(
        &mut self,
        at_ms: u64,
        text: &str,
        for_ms: Option<u64>,
        out: &mut Vec<(u64, LineEvent)>,
    ) {
        if let Some(sounds_ms) = self.sound.say(at_ms, text, for_ms) {
            self.utter(at_ms, text, sounds_ms, out);
            return;
        }
        let chars = spoken_words(text).chars().count() as u64;
        let for_ms = for_ms.unwrap_or(chars * 1000 / CALLER_CHARS_PER_SECOND);
        self.utter(at_ms, text, for_ms, out);
    }

    fn say_sound(&mut self, at_ms: u64, text: &str, sound: &[u8], out: &mut Vec<(u64, LineEvent)>) {
        self.sound.play(at_ms, sound);
        self.utter(at_ms, text, sound::duration_ms(sound), out);
    }

    fn utter(&mut self, at_ms: u64, text: &str, for_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        let words = spoken_words(text);
        let for_ms = for_ms.max(1);
        // Words that follow before the last ones were reported belong to the same prompt.
        let before = if words.is_empty() { None } else { self.waiting.take() };
        self.utterance = Some(Utterance {
            began_over_agent: before
                .as_ref()
                .map_or_else(|| self.speaker.sounding(), |before| before.began_over_agent),
            utterances: before.as_ref().map_or(0, |before| before.utterances)
                + usize::from(!words.is_empty()),
            before: before.map(|before| before.words).unwrap_or_default(),
            words,
            from_ms: at_ms,
            until_ms: at_ms + for_ms,
            next_partial_ms: at_ms + PARTIAL_EVERY_MS,
        });
        out.push((at_ms, LineEvent::CallerBegan { text: text.to_owned(), for_ms }));
        if self.barge_ms().is_some_and(|t| t <= at_ms) {
            self.interrupt(at_ms, Input::Speech, out);
        }
    }

    fn press(&mut self, at_ms: u64, digits: &str) {
        let mut key_ms = at_ms;
        for digit in digits.chars() {
            match digit {
                'w' => key_ms += KEY_PAUSE_MS,
                '0'..='9' | '*' | '#' => {
                    self.keys.push_back((key_ms, digit));
                    key_ms += KEY_EVERY_MS;
                }
                _ => {}
            }
        }
        if self.keys.is_empty() {
            self.step_done(at_ms);
        }
    }

    fn hang_up(&mut self, at_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        self.hung_up = true;
        self.keys.clear();
        self.queued.clear();
        if let Some(utterance) = self.utterance.take() {
            out.push((at_ms, LineEvent::CallerStopped));
            let text = utterance.all_words(utterance.words_until(at_ms));
            let utterances = utterance.utterances;
            if self.rules.listens && self.rules.partial_on_hangup && !text.is_empty() {
                out.push((at_ms, LineEvent::Prompt { text, utterances }));
            } else if utterances > 0 {
                out.push((at_ms, LineEvent::Lost { utterances }));
            }
        } else if let Some(waiting) = self.waiting.take() {
            out.push((at_ms, LineEvent::Lost { utterances: waiting.utterances }));
        }
        out.push((at_ms, LineEvent::HungUp));
    }

    fn interrupt(&mut self, at_ms: u64, by: Input, out: &mut Vec<(u64, LineEvent)>) {
        let mut cut = None;
        self.voice(at_ms, out, |speaker, out| cut = speaker.interrupt(at_ms, by, out));
        if let Some(cut) = cut {
            // From here on the caller no longer speaks during the agent's speech.
            if let Some(utterance) = &mut self.utterance {
                utterance.began_over_agent = false;
            }
            out.push((at_ms, LineEvent::Interrupted(cut)));
        }
    }

    fn partial(&mut self, at_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        let Some(utterance) = &mut self.utterance else { return };
        utterance.next_partial_ms = at_ms + PARTIAL_EVERY_MS;
        let text = utterance.all_words(utterance.words_until(at_ms));
        if !text.is_empty() {
            out.push((at_ms, LineEvent::Partial(text)));
        }
    }

    fn stop_speaking(&mut self, at_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        let Some(utterance) = self.utterance.take() else { return };
        out.push((at_ms, LineEvent::CallerStopped));
        if !utterance.words.is_empty() {
            self.waiting = Some(Waiting {
                words: utterance.all_words(&utterance.words),
                utterances: utterance.utterances,
                at_ms: at_ms
                    + self.rules.prompt_after_ms.unwrap_or(self.recognition.prompt_after_ms),
                began_over_agent: utterance.began_over_agent,
            });
        }
        self.step_done(at_ms);
    }

    /// Reports the utterance as a prompt, unless it was spoken during agent speech in which nothing
    /// is reported.
    fn report(&mut self, at_ms: u64, out: &mut Vec<(u64, LineEvent)>) {
        let Some(waiting) = self.waiting.take() else { return };
        let utterances = waiting.utterances;
        let over_agent = waiting.began_over_agent && self.speaker.sounding();
        let heard = !over_agent || self.rules.report.has(Input::Speech);
        let reported = self.rules.carries_sound || self.rules.listens && heard;
        out.push((
            at_ms,
            if reported {
                LineEvent::Prompt { text: waiting.words, utterances }
            } else {
                LineEvent::Lost { utterances }
            },
        ));
    }

    fn key(&mut self, at_ms: u64, digit: char, out: &mut Vec<(u64, LineEvent)>) {
        let over_agent = self.speaker.sounding();
        let before = out.len();
        if self.rules.listens {
            self.interrupt(at_ms, Input::Dtmf, out);
        }
        let cut = out[before..].iter().any(|(_, what)| matches!(what, LineEvent::Interrupted(_)));
        let heard = !over_agent || cut || self.rules.report.has(Input::Dtmf);
        let reported = self.rules.listens && self.rules.dtmf && heard;
        out.push((at_ms, LineEvent::Key { digit, reported }));
        if self.keys.is_empty() {
            self.step_done(at_ms);
        }
    }

    fn step_done(&mut self, at_ms: u64) {
        self.driver.done(at_ms, self.spoken(at_ms));
        self.heard.clear();
    }

    /// Characters that the agent has spoken in all, in text and in sound.
    fn spoken(&self, at_ms: u64) -> usize {
        self.speaker.spoken(at_ms) + self.sound.heard_chars()
    }

    /// Characters that the agent has been given to speak in all, and whether its reply is complete,
    /// which nobody can tell of sound.
    fn received(&self) -> (usize, bool) {
        let (chars, complete) = self.speaker.received();
        (chars + self.sound.known_chars(), complete && !self.rules.carries_sound)
    }

    /// Runs the voice, and keeps its events and what the caller heard.
    fn voice(
        &mut self,
        at_ms: u64,
        out: &mut Vec<(u64, LineEvent)>,
        what: impl FnOnce(&mut Speaker, &mut Vec<SpeechEvent>),
    ) {
        let mut sounded = Vec::new();
        what(&mut self.speaker, &mut sounded);
        for sound in sounded {
            if let SpeechEvent::Played(piece) = &sound
                && self.heard.len() + piece.text.len() < LONGEST_MEMORY
            {
                self.heard.push_str(&piece.text);
                self.heard.push(' ');
            }
            out.push((at_ms, LineEvent::Speech(sound)));
        }
    }
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test names the events that it expects")]
mod tests;
