//! The lines of the do-not-call list, torn ones among them.

use std::collections::HashMap;

use jiff::Timestamp;
use phony_call::{Invalid, PhoneNumber};
use serde::Deserialize;

use super::Word;

/// How a word begins.
const BEGINNING: &str = "{\"number\":\"";

/// The last word on every number; and the lines that are not whole, by their numbers. Of a torn line
/// counts what can be known: a whole word that is joined to it, and a number that was to be listed.
pub(super) fn read(bytes: &[u8]) -> (HashMap<PhoneNumber, Word>, Vec<usize>) {
    let (mut words, mut torn) = (HashMap::new(), Vec::new());
    for (place, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Ok(word) = serde_json::from_slice(line) {
            add(&mut words, word);
        } else if !is_of_nobody(line) {
            torn.push(place + 1);
            salvage(&String::from_utf8_lossy(line), &mut words);
        }
    }
    (words, torn)
}

fn add(words: &mut HashMap<PhoneNumber, Word>, word: Word) {
    // Other servers' words may come late.
    if words.get(&word.number).is_none_or(|known| known.at <= word.at) {
        words.insert(word.number.clone(), word);
    }
}

/// Whether the line lists what carriers send in place of a number: earlier versions let that be.
fn is_of_nobody(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Anything {
        number: String,
    }
    let read = serde_json::from_slice::<Anything>(line);
    read.is_ok_and(|read| PhoneNumber::parse(&read.number) == Err(Invalid::Withheld))
}

fn salvage(line: &str, words: &mut HashMap<PhoneNumber, Word>) {
    let mut begins: Vec<_> = line.match_indices(BEGINNING).map(|(at, _)| at).collect();
    begins.push(line.len());
    for piece in begins.windows(2).filter_map(|ends| line.get(ends[0]..ends[1])) {
        if let Ok(word) = serde_json::from_str(piece.trim()) {
            add(words, word);
            continue;
        }
        // Half a word that takes a number off the list leaves it there.
        let number = piece[BEGINNING.len()..]
            .split_once('"')
            .filter(|(_, rest)| !rest.contains("\"listed\":false"));
        let Some(Ok(number)) = number.map(|(number, _)| PhoneNumber::parse(number)) else {
            continue;
        };
        let at = words.get(&number).map_or(Timestamp::UNIX_EPOCH, |known| known.at);
        add(words, Word { number, listed: true, at, by: "a torn line".into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<(String, bool)> {
        let (words, _) = read(text.as_bytes());
        let mut words: Vec<_> =
            words.into_values().map(|word| (word.number.to_string(), word.listed)).collect();
        words.sort();
        words
    }

    fn line(number: &str, listed: bool, at: &str) -> String {
        format!(r#"{{"number":"{number}","listed":{listed},"at":"{at}","by":"x"}}"#)
    }

    #[test]
    fn lines_that_are_joined_are_taken_apart() {
        let (one, other) = (
            line("+12125550101", true, "2026-01-15T12:00:00Z"),
            line("+12125550102", true, "2026-01-15T12:00:00Z"),
        );
        let both = [("+12125550101".to_owned(), true), ("+12125550102".to_owned(), true)];
        assert_eq!(listed(&format!("{one}{other}\n")), both);
        assert_eq!(listed(&format!("{}{other}\n", &one[..one.len() - 9])), both);
        assert_eq!(listed(&format!("{}{other}\n", &one[..16])), both[1..]);
        assert_eq!(listed(&format!("\0\0\0{other}\r\n")), both[1..]);
    }

    #[test]
    fn half_a_word_lists_and_never_takes_off() {
        let on = line("+12125550101", true, "2026-01-15T12:00:00Z");
        let off = line("+12125550101", false, "2026-01-16T12:00:00Z");
        let on_again = line("+12125550101", true, "2026-01-17T12:00:00Z");
        assert_eq!(listed(&format!("{on}\n{off}\n")), [("+12125550101".to_owned(), false)]);
        for end in 24..off.len() {
            let text = format!("{on}\n{}\n", &off[..end]);
            assert_eq!(listed(&text), [("+12125550101".to_owned(), true)], "{end}");
            let text = format!("{on}\n{off}\n{}\n", &on_again[..end]);
            assert_eq!(listed(&text), [("+12125550101".to_owned(), true)], "{end}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_spoil_their_line_alone() {
        let whole = line("+12125550102", true, "2026-01-15T12:00:00Z");
        let bytes = [b"\xff\xfe{\n", whole.as_bytes(), b"\n"].concat();
        let (words, torn) = read(&bytes);
        assert_eq!((words.len(), torn), (1, vec![1]));
        let nobody = line("+12125550102", true, "x").replace("+12125550102", "+266696687");
        assert!(
            read(nobody.as_bytes()).1.is_empty(),
            "what earlier versions listed is no torn line"
        );
    }
}
