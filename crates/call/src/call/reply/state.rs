//! The state of one reply.

use crate::command::{Command, Piece, Scanner};
use crate::dialing::PhoneNumber;
use crate::event::{HeldCommand, ToolRef};
use crate::ids::TurnId;
use crate::speakable::{Speakable, is_audible};

/// One reply of the model, across the attempts that it takes.
#[derive(Debug, Clone)]
pub(in crate::call) struct Reply {
    /// The turn of the attempt that was asked for last.
    pub(super) turn: TurnId,
    pub(in crate::call) phase: ReplyPhase,
    pub(super) delivery: Delivery,
    pub(super) reached: Milestone,
    /// Separates the commands of this attempt from its text.
    pub(super) scanner: Scanner,
    /// Removes what cannot be spoken from the text of this attempt.
    pub(super) speech: Speakable,
    /// What the model wrote in this attempt, commands included.
    pub(super) written: String,
    /// Notes to the model for this reply only.
    pub(super) hints: Vec<String>,
    /// The caller has heard a filler.
    pub(super) filler: bool,
    pub(super) attempts: Attempts,
    /// The model's own memory holds the words as one reply, as written.
    pub(in crate::call) verbatim: bool,
    /// The command to leave the call, which is carried out once the reply has been heard.
    pub(super) exit: Option<Exit>,
    /// The commands that count, whether carried out, pending or kept back; each once.
    pub(super) given: Vec<Command>,
    /// The model must speak again: a tool or a refusal waits for its reaction.
    pub(super) again: bool,
}

/// What the model is doing about a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::call) enum ReplyPhase {
    /// It was asked and has not finished.
    Writing,
    /// The attempt failed; the reply is asked for again, or given up.
    Failed,
    /// It has finished; the caller may still be listening.
    Done,
}

/// The furthest that a reply has come, across its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Milestone {
    /// The model was asked.
    Asked,
    /// The model has written something.
    Begun,
    /// Words have been sent to the line.
    Spoken,
}

/// How the words of a reply reach the caller.
#[derive(Debug, Clone)]
pub(super) enum Delivery {
    /// They are kept back until they are approved, or need no approval.
    KeptBack(KeptBack),
    /// They are sent as they come.
    Direct(Sent),
}

/// What is kept back of a reply.
#[derive(Debug, Clone, Default)]
pub(in crate::call) struct KeptBack {
    pub(in crate::call) words: String,
    /// In the order in which they were given.
    pub(super) commands: Vec<HeldCommand>,
}

/// What of a reply was sent to the line.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    /// The words of all attempts.
    words: String,
    /// The words of the attempts that failed.
    earlier: String,
    follows: Follows,
    /// Punctuation and spaces before the first word, which alone would be silence.
    lead: String,
}

/// How an attempt continues those that failed before it.
#[derive(Debug, Clone, Default)]
enum Follows {
    /// It is the first to be heard, or repeats everything that they said.
    #[default]
    Whole,
    /// It repeats them so far; this is what it has said.
    Repeating(String),
    /// It continues them.
    On,
    /// It continues them after a space.
    Apart,
}

/// How often a reply was asked for again, by the reason.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempts {
    /// The attempt failed.
    pub(super) failures: u32,
    /// The connection to the model was lost.
    pub(super) losses: u32,
    /// The model was busy.
    pub(super) pauses: u32,
    /// A supervisor gave guidance.
    pub(super) rethinks: u32,
}

/// A command of the model to leave the call.
#[derive(Debug, Clone)]
pub(in crate::call) enum Exit {
    EndCall { tool: Option<ToolRef> },
    Transfer { target: PhoneNumber, tool: Option<ToolRef> },
}

impl Exit {
    pub(in crate::call) fn is_transfer(&self) -> bool {
        matches!(self, Self::Transfer { .. })
    }
}

/// What the model wrote in one turn.
#[derive(Debug, Clone)]
pub(in crate::call) struct Written {
    pub(super) turn: TurnId,
    pub(in crate::call) text: String,
    pub(in crate::call) completion: Completion,
}

/// Whether the model came to the end of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::call) enum Completion {
    /// It did not, or has not yet.
    Unfinished,
    /// It did, but its own memory holds other words, or holds them in pieces.
    Finished,
    /// It did, and its own memory holds the text as it is.
    Verbatim,
}

impl Reply {
    /// A reply that the model is asked for.
    pub(super) fn new(turn: TurnId, delivery: Delivery, hints: &[&str]) -> Self {
        Self {
            turn,
            phase: ReplyPhase::Writing,
            delivery,
            reached: Milestone::Asked,
            scanner: Scanner::default(),
            speech: Speakable::default(),
            written: String::new(),
            hints: hints.iter().map(|hint| (*hint).to_owned()).collect(),
            filler: false,
            attempts: Attempts::default(),
            verbatim: true,
            exit: None,
            given: Vec::new(),
            again: false,
        }
    }

    /// A reply that was held, and that a supervisor has approved.
    pub(super) fn approved(turn: TurnId, verbatim: bool, text: &str) -> Self {
        Self {
            phase: ReplyPhase::Done,
            reached: Milestone::Begun,
            written: text.to_owned(),
            verbatim,
            ..Self::new(turn, Delivery::Direct(Sent::default()), &[])
        }
    }

    pub(in crate::call) fn is_done(&self) -> bool {
        self.phase == ReplyPhase::Done
    }

    pub(in crate::call) fn has_spoken(&self) -> bool {
        self.reached == Milestone::Spoken
    }

    /// Notes that it is on its way to the caller. Returns whether that is new.
    pub(in crate::call) fn sounds(&mut self) -> bool {
        std::mem::replace(&mut self.reached, Milestone::Spoken) != Milestone::Spoken
    }

    /// Whether the caller has heard a filler.
    pub(in crate::call) fn has_filled(&self) -> bool {
        self.filler
    }

    /// The command to leave the call, which is carried out once the reply has been heard.
    pub(in crate::call) fn exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }

    /// Takes the command to leave the call.
    pub(in crate::call) fn take_exit(&mut self) -> Option<Exit> {
        self.exit.take()
    }

    /// Whether the model must speak again after this reply.
    pub(in crate::call) fn waits_again(&self) -> bool {
        self.again
    }

    /// Notes whether a tool result waits for the model's reaction.
    pub(in crate::call) fn answer_tool(&mut self, waits: bool) {
        self.again |= waits;
    }

    /// Whether the caller has been asked to wait already: by a filler, or by the model in words
    /// that contain the beginning of the phrase for it.
    pub(super) fn has_asked_to_wait(&self, phrase: &str) -> bool {
        self.filler || begins_in(phrase, &spoken_words(&self.generated()))
    }

    pub(super) fn written(&self) -> Written {
        let completion = match (self.phase, self.verbatim) {
            (ReplyPhase::Done, true) => Completion::Verbatim,
            (ReplyPhase::Done, false) => Completion::Finished,
            (ReplyPhase::Writing | ReplyPhase::Failed, _) => Completion::Unfinished,
        };
        Written { turn: self.turn, text: self.generated(), completion }
    }

    /// What the model wrote: in the current attempt, and as far as it was sent, in failed ones.
    fn generated(&self) -> String {
        let written = self.written.as_str();
        let Delivery::Direct(Sent { earlier, follows, .. }) = &self.delivery else {
            return written.to_owned();
        };
        match follows {
            Follows::Repeating(_) => earlier.clone(),
            Follows::Whole => written.to_owned(),
            Follows::On => format!("{earlier}{written}"),
            Follows::Apart => format!("{earlier} {written}"),
        }
    }

    pub(in crate::call) fn kept_back(&mut self) -> Option<&mut KeptBack> {
        match &mut self.delivery {
            Delivery::KeptBack(kept) => Some(kept),
            Delivery::Direct(_) => None,
        }
    }

    /// Stops keeping words back. Returns what was kept back, if the reply was.
    pub(super) fn release(&mut self) -> Option<KeptBack> {
        match std::mem::replace(&mut self.delivery, Delivery::Direct(Sent::default())) {
            Delivery::KeptBack(kept) => Some(kept),
            sent @ Delivery::Direct(_) => {
                self.delivery = sent;
                None
            }
        }
    }

    /// Takes new words, and returns those to send now. What an earlier attempt has said is not
    /// repeated, punctuation before the first word waits for it, and words that are kept back are
    /// not sent.
    pub(super) fn sendable(&mut self, words: String) -> String {
        match &mut self.delivery {
            Delivery::KeptBack(kept) => {
                kept.words.push_str(&words);
                String::new()
            }
            Delivery::Direct(sent) => {
                let words = sent.unrepeated(words);
                if self.reached == Milestone::Spoken { words } else { sent.with_lead(words) }
            }
        }
    }

    /// Notes that these words are sent to the line.
    pub(super) fn note_sent(&mut self, words: &str) {
        if let Delivery::Direct(sent) = &mut self.delivery {
            sent.words.push_str(words);
        }
    }

    /// What failed attempts have sent to the line.
    pub(super) fn sent_before(&self) -> &str {
        match &self.delivery {
            Delivery::KeptBack(_) => "",
            Delivery::Direct(sent) => &sent.earlier,
        }
    }

    /// Whether the caller has heard, and will hear, nothing of it.
    pub(super) fn is_silent(&self) -> bool {
        match &self.delivery {
            Delivery::KeptBack(kept) => !is_audible(&kept.words),
            Delivery::Direct(_) => !self.has_spoken(),
        }
    }

    /// Whether it does anything but talk. A noted wish not to be called again does not count, for
    /// it still needs an answer.
    pub(super) fn acts(&self) -> bool {
        self.exit.is_some()
            || self.again
            || self.given.iter().any(|command| *command != Command::DoNotCall)
    }

    /// Discards the current attempt. Words that were sent and commands that were carried out
    /// remain; nothing else does.
    pub(super) fn forget_attempt(&mut self) {
        self.scanner = Scanner::default();
        self.speech = Speakable::default();
        self.written.clear();
        let keeps = match &mut self.delivery {
            Delivery::KeptBack(kept) => {
                *kept = KeptBack::default();
                true
            }
            Delivery::Direct(sent) => {
                sent.begin_anew();
                self.verbatim &= sent.earlier.is_empty();
                false
            }
        };
        self.exit = None;
        self.again = false;
        self.given.retain(|command| match command {
            Command::DoNotCall => true,
            Command::Press(_) | Command::RequestUser(_) => !keeps,
            Command::EndCall | Command::Transfer(_) => false,
        });
    }
}

impl Reply {
    /// Nothing of it was sent to the line.
    pub(super) fn forget_sent(&mut self) {
        if let Delivery::Direct(sent) = &mut self.delivery {
            *sent = Sent::default();
        }
    }
}

impl Sent {
    /// Prepares for another attempt.
    fn begin_anew(&mut self) {
        self.lead.clear();
        self.earlier.clone_from(&self.words);
        let heard = !self.earlier.is_empty();
        self.follows = if heard { Follows::Repeating(String::new()) } else { Follows::Whole };
    }

    /// Returns the words that earlier attempts have not said already.
    fn unrepeated(&mut self, text: String) -> String {
        let Follows::Repeating(so_far) = &mut self.follows else { return text };
        so_far.push_str(&text);
        if let Some(rest) = so_far.strip_prefix(self.earlier.as_str()) {
            let rest = rest.to_owned();
            self.follows = Follows::Whole;
            return rest;
        }
        if self.earlier.starts_with(so_far.as_str()) {
            return String::new();
        }
        let mut text = std::mem::take(so_far);
        self.follows = Follows::On;
        if self.earlier.ends_with(['.', '?', '!', ',', ';', ':']) && !text.starts_with(' ') {
            self.follows = Follows::Apart;
            text.insert(0, ' ');
        }
        text
    }

    /// Holds punctuation back until a word follows it.
    fn with_lead(&mut self, text: String) -> String {
        if self.lead.is_empty() && is_audible(&text) {
            return text;
        }
        self.lead.push_str(&text);
        if is_audible(&self.lead) { std::mem::take(&mut self.lead) } else { String::new() }
    }
}

/// What the caller hears of a text of the model: all but its commands.
pub(in crate::call) fn spoken_words(written: &str) -> String {
    let mut scanner = Scanner::default();
    let mut pieces = scanner.push(written);
    pieces.extend(scanner.finish());
    let words = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text),
        Piece::Command(_) | Piece::Malformed(_) => None,
    });
    words.collect()
}

/// Whether the first two words of a phrase stand somewhere in the text, whatever their case and
/// punctuation.
fn begins_in(phrase: &str, text: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (phrase, text) = (words(phrase), words(text));
    phrase.get(..2).is_some_and(|opening| text.windows(2).any(|pair| pair == opening))
}
