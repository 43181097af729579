//! The agent's side of a recorded telephone call.

use serde::Deserialize;

use super::{prompt::Thread, reply::Reply};

/// A recorded call between a caller and an agent, as one JSON object:
/// `{"turns":[{"who":"caller"|"agent","text"}]}`; other fields are ignored.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Recording {
    /// Who said what, in order.
    pub turns: Vec<RecordedTurn>,
}

/// What one party said in one turn.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct RecordedTurn {
    /// Who said it.
    pub who: Who,
    /// What they said; marks such as `[noise]` and `<unk>` are not spoken.
    pub text: String,
}

/// A party of a recorded call.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The one who called.
    Caller,
    /// The one who answered.
    Agent,
}

impl Recording {
    /// Reads a recorded call from its JSON text.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// What the recorded agent said after the caller's words so far.
    pub(super) fn reply(&self, thread: &Thread) -> Reply {
        let from = self.place(&thread.callers);
        let spoken = self.turns[from..].iter().map(|turn| (turn.who, words(&turn.text)));
        let answer: Vec<String> = spoken
            .filter(|(_, text)| !text.is_empty())
            .take_while(|(who, _)| *who == Who::Agent)
            .map(|(_, text)| text)
            .collect();
        if answer.is_empty() {
            // In the recording the caller went on speaking, but a model must say something.
            return Reply::text("mm hm");
        }
        Reply::text(answer.join(". "))
    }

    /// The index after the last turn of the caller that has been said. A message may hold several
    /// turns, if they were recognised as one; a message that matches no turn counts as the next.
    fn place(&self, callers: &[String]) -> usize {
        let mut place = 0;
        for said in callers {
            let said = words(said).to_lowercase();
            let mut found = false;
            while let Some((turn, text)) = self.next_of_caller(place) {
                if found && !said.contains(&text.to_lowercase()) {
                    break;
                }
                found = true;
                place = turn + 1;
            }
        }
        place
    }

    fn next_of_caller(&self, from: usize) -> Option<(usize, String)> {
        let turns = self.turns.iter().enumerate().skip(from);
        let mut spoken = turns.filter(|(_, turn)| turn.who == Who::Caller);
        spoken.find_map(|(index, turn)| {
            Some((index, words(&turn.text))).filter(|(_, text)| !text.is_empty())
        })
    }
}

/// The words of a transcript without its marks.
fn words(text: &str) -> String {
    let marked = |word: &&str| !word.starts_with(['[', '<']);
    text.split_whitespace().filter(marked).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Recording {
        Recording::from_json(
            r#"{"id":"x","turns":[
            {"who":"agent","at_ms":0,"for_ms":1,"text":"hello"},
            {"who":"agent","text":"how can i help"},
            {"who":"caller","text":"[noise]"},
            {"who":"caller","text":"hi"},
            {"who":"caller","text":"i lost my card"},
            {"who":"agent","text":"which <unk> card"},
            {"who":"caller","text":"my debit card"},
            {"who":"agent","text":"goodbye"}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn turns_follow_the_caller_even_if_two_came_as_one_message() {
        let recording = recording();
        assert_eq!(recording.place(&[]), 0);
        assert_eq!(recording.place(&["hi".into()]), 4);
        assert_eq!(recording.place(&["hi i lost my card".into()]), 5);
        assert_eq!(recording.place(&["hi".into(), "I lost my card".into()]), 5);
        assert_eq!(recording.place(&["hi".into(), "what".into(), "my debit card".into()]), 7);
    }
}
