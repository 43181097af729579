//! Bodies of the fuzz targets, kept here so that every build compiles them.

use crate::command::{Command, Piece, Scanner};
use crate::speakable::Speakable;

/// Reads the data as a model's text, split at every byte 0xFF, which UTF-8 never contains.
/// Splitting must not change the outcome, and neither `[[` nor a control character may be spoken.
pub fn command_scanner(data: &[u8]) {
    let chunks: Vec<String> =
        data.split(|byte| *byte == 0xFF).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    let split = scan(chunks.iter().map(String::as_str));
    let whole = scan(std::iter::once(chunks.concat().as_str()));
    assert_eq!(split, whole, "the split changed the outcome");
    assert!(!split.0.contains("[["), "spoken: {}", split.0);
    let split = speak(chunks.iter().map(String::as_str));
    let whole = speak(std::iter::once(chunks.concat().as_str()));
    assert_eq!(split, whole, "the split changed what is spoken");
    assert!(!split.contains(char::is_control), "spoken: {split:?}");
}

fn speak<'a>(chunks: impl Iterator<Item = &'a str>) -> String {
    let mut speech = Speakable::default();
    let mut spoken: String = chunks.map(|chunk| speech.push(chunk)).collect();
    spoken.push_str(&speech.flush());
    spoken
}

/// What is spoken, the commands, and the number of invalid commands.
pub(crate) fn scan<'a>(chunks: impl Iterator<Item = &'a str>) -> (String, Vec<Command>, usize) {
    let mut scanner = Scanner::default();
    let mut pieces: Vec<Piece> = chunks.flat_map(|chunk| scanner.push(chunk)).collect();
    pieces.extend(scanner.finish());
    let (mut text, mut commands, mut malformed) = (String::new(), Vec::new(), 0);
    for piece in pieces {
        match piece {
            Piece::Text(t) => text.push_str(&t),
            Piece::Command(command) => commands.push(command),
            Piece::Malformed(_) => malformed += 1,
        }
    }
    (text, commands, malformed)
}
