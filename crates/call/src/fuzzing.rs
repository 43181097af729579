//! Bodies of the fuzz targets, here so that they compile with every build.

use crate::command::{Command, Piece, Scanner};
use crate::speakable::Speakable;

/// Takes the data as a model's text, split at every byte whose value is 0xFF (no byte of UTF-8):
/// the split must change nothing, and neither `[[` nor a control character may be spoken.
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

/// What is spoken, what is done, and how much was neither.
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
