//! The line being typed: keys, and what they do to it.

use unicode_width::UnicodeWidthChar as _;

/// The most lines kept for recall.
const REMEMBERED: usize = 200;
/// The longest line; what is typed beyond it is ignored.
const LONGEST: usize = 4096;
/// The first byte of an escape sequence.
const ESCAPE: u8 = 0x1b;
/// The longest escape sequence, in bytes.
const LONGEST_KEY: usize = 16;

/// A key that does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    /// Deletes the word before the cursor.
    DropWord,
    /// Deletes up to the cursor.
    DropBefore,
    /// Deletes from the cursor on.
    DropAfter,
    /// Ends the input, or deletes the character at the cursor.
    EndOfInput,
    Redraw,
    Suspend,
}

/// What a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Nothing,
    Line(String),
    /// The input has ended.
    End,
}

/// Decodes keys from bytes, however the bytes are split.
#[derive(Debug, Default)]
pub(super) struct Keys {
    rest: Vec<u8>,
}

impl Keys {
    /// The keys that these bytes complete.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.rest.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut at = 0;
        while let Some((length, key)) = next_key(&self.rest[at..]) {
            keys.extend(key);
            at += length;
        }
        self.rest.drain(..at);
        keys
    }
}

/// The first key and its length in bytes; nothing if more bytes are needed.
fn next_key(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let first = *bytes.first()?;
    let key = match first {
        b'\r' | b'\n' => Key::Enter,
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x04 => Key::EndOfInput,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7f => Key::Backspace,
        b'\t' => Key::Char(' '),
        0x0b => Key::DropAfter,
        0x0c => Key::Redraw,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::DropBefore,
        0x17 => Key::DropWord,
        0x1a => Key::Suspend,
        ESCAPE => return escaped(bytes),
        0x00..=0x1f => return Some((1, None)),
        0x20..=0x7e => Key::Char(char::from(first)),
        0x80.. => return character(bytes),
    };
    Some((1, Some(key)))
}

/// A character of several bytes.
fn character(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let length = match bytes[0] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return Some((1, None)),
    };
    let Some(bytes) = bytes.get(..length) else {
        // The rest may still come, or the bytes may be invalid.
        let broken = bytes[1..].iter().any(|byte| byte & 0xc0 != 0x80);
        return broken.then_some((1, None));
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let letter = text.chars().next().filter(|c| !c.is_control());
            Some((length, letter.map(Key::Char)))
        }
        Err(_) => Some((1, None)),
    }
}

/// A key that begins with an escape: `ESC [` or `ESC O` and what follows, or Alt and a letter.
fn escaped(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let second = *bytes.get(1)?;
    if second != b'[' && second != b'O' {
        let key = match second {
            b'b' => Some(Key::WordLeft),
            b'f' => Some(Key::WordRight),
            0x08 | 0x7f => Some(Key::DropWord),
            // The first one was pressed for itself.
            ESCAPE => return Some((1, None)),
            _ => None,
        };
        return Some((2, key));
    }
    let end = bytes[2..].iter().position(|byte| (0x40..=0x7e).contains(byte));
    let Some(end) = end else {
        return (bytes.len() > LONGEST_KEY).then_some((bytes.len(), None));
    };
    let (middle, last) = (&bytes[2..2 + end], bytes[2 + end]);
    // `1;5` in front of the last byte is Ctrl, `1;3` is Alt.
    let word = middle.ends_with(b";5") || middle.ends_with(b";3");
    let key = match (last, middle) {
        (b'A', _) => Some(Key::Up),
        (b'B', _) => Some(Key::Down),
        (b'C', _) if word => Some(Key::WordRight),
        (b'D', _) if word => Some(Key::WordLeft),
        (b'C', _) => Some(Key::Right),
        (b'D', _) => Some(Key::Left),
        (b'H', _) | (b'~', b"1" | b"7") => Some(Key::Home),
        (b'F', _) | (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"3") => Some(Key::Delete),
        _ => None,
    };
    Some((3 + end, key))
}

/// The line being typed, the cursor in it, and earlier lines.
#[derive(Debug, Default)]
pub(super) struct Editor {
    text: String,
    /// In bytes.
    cursor: usize,
    before: Vec<String>,
    /// The earlier line that is shown, counted from the newest; none while a new one is typed.
    shown: Option<usize>,
    /// The unfinished line, while an earlier one is shown.
    aside: String,
    remembers: bool,
}

impl Editor {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub(super) fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Whether lines are kept for recall from now on; answers to questions are not.
    pub(super) fn remember(&mut self, remembers: bool) {
        self.remembers = remembers;
    }

    /// Discards the line, which has not been entered.
    pub(super) fn drop_line(&mut self) {
        self.text.clear();
        (self.cursor, self.shown) = (0, None);
    }

    pub(super) fn press(&mut self, key: Key) -> Outcome {
        match key {
            Key::Char(c) if self.text.len() + c.len_utf8() <= LONGEST => {
                self.text.insert(self.cursor, c);
                self.cursor += c.len_utf8();
            }
            Key::Char(_) | Key::Redraw | Key::Suspend => {}
            Key::Enter => return Outcome::Line(self.take()),
            Key::Backspace => self.drop_range(self.left(), self.cursor),
            Key::EndOfInput if self.text.is_empty() => return Outcome::End,
            Key::Delete | Key::EndOfInput => self.drop_range(self.cursor, self.right()),
            Key::Left => self.cursor = self.left(),
            Key::Right => self.cursor = self.right(),
            Key::WordLeft => self.cursor = self.word_left(),
            Key::WordRight => self.cursor = self.word_right(),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Up => self.recall(self.shown.map_or(0, |shown| shown + 1)),
            Key::Down => match self.shown {
                Some(0) => {
                    self.shown = None;
                    self.show(self.aside.clone());
                }
                Some(shown) => self.recall(shown - 1),
                None => {}
            },
            Key::DropWord => self.drop_range(self.word_left(), self.cursor),
            Key::DropBefore => self.drop_range(0, self.cursor),
            Key::DropAfter => self.drop_range(self.cursor, self.text.len()),
        }
        Outcome::Nothing
    }

    fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.text);
        (self.cursor, self.shown) = (0, None);
        if self.remembers && !line.trim().is_empty() && self.before.last() != Some(&line) {
            if self.before.len() == REMEMBERED {
                self.before.remove(0);
            }
            self.before.push(line.clone());
        }
        line
    }

    fn recall(&mut self, which: usize) {
        let Some(at) = self.before.len().checked_sub(which + 1).filter(|_| self.remembers) else {
            return;
        };
        if self.shown.is_none() {
            self.aside.clone_from(&self.text);
        }
        self.shown = Some(which);
        self.show(self.before[at].clone());
    }

    fn show(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    fn drop_range(&mut self, from: usize, to: usize) {
        self.text.drain(from..to);
        self.cursor = from;
    }

    /// One character to the left, together with its combining marks.
    fn left(&self) -> usize {
        let mut letters = self.text[..self.cursor].char_indices().rev();
        letters.find(|(_, c)| c.width().unwrap_or(0) > 0).map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        let mut letters = self.text[self.cursor..].char_indices().skip(1);
        let next = letters.find(|(_, c)| c.width().unwrap_or(0) > 0);
        next.map_or(self.text.len(), |(at, _)| self.cursor + at)
    }

    fn word_left(&self) -> usize {
        let words = self.text[..self.cursor].trim_end();
        words.rfind(char::is_whitespace).map_or(0, |at| at + 1)
    }

    fn word_right(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let gap = rest.len() - rest.trim_start().len();
        let word = rest[gap..].find(char::is_whitespace).unwrap_or(rest.len() - gap);
        self.cursor + gap + word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line after these bytes, with a bar at the cursor, and the lines entered.
    fn after(bytes: &[u8]) -> (String, Vec<String>) {
        let (mut keys, mut editor) = (Keys::default(), Editor::default());
        editor.remember(true);
        let mut lines = Vec::new();
        // One byte at a time, as over a slow connection.
        for byte in bytes {
            for key in keys.read(&[*byte]) {
                match editor.press(key) {
                    Outcome::Nothing => {}
                    Outcome::Line(line) => lines.push(line),
                    Outcome::End => lines.push("(end)".into()),
                }
            }
        }
        let before = editor.before_cursor().to_owned();
        (format!("{before}|{}", &editor.text()[before.len()..]), lines)
    }

    fn shown(bytes: &[u8]) -> String {
        after(bytes).0
    }

    #[test]
    fn a_line_is_what_was_typed_before_enter() {
        assert_eq!(after(b"hello\rthere\n").1, ["hello", "there"]);
        assert_eq!(after("Grüße 👋\n".as_bytes()).1, ["Grüße 👋"]);
        assert_eq!(after(b"\x04").1, ["(end)"], "Ctrl-D on an empty line");
    }

    #[test]
    fn keys_move_the_cursor_and_delete() {
        assert_eq!(shown(b"abc\x1b[D\x1b[DX"), "aX|bc");
        assert_eq!(shown(b"abc\x1b[HX\x1b[F."), "Xabc.|");
        assert_eq!(shown(b"abc\x7f\x7f"), "a|");
        assert_eq!(shown(b"abc\x01\x1b[3~\x04"), "|c");
        assert_eq!(shown(b"one two three\x17"), "one two |");
        assert_eq!(shown(b"one two three\x1b[1;5D\x1bb"), "one |two three");
        assert_eq!(shown(b"one two\x1b[1;5D\x0b"), "one |");
        assert_eq!(shown(b"one two\x1b[1;5D\x15"), "|two");
        assert_eq!(shown(b"one two\x01\x1bf"), "one| two");
        assert_eq!(shown("aé👋\x7f".as_bytes()), "aé|");
        assert_eq!(shown("e\u{301}x\x7f\x7f".as_bytes()), "|", "a letter goes with its marks");
    }

    #[test]
    fn earlier_lines_are_recalled_and_the_unfinished_line_is_kept() {
        assert_eq!(shown(b"one\ntwo\nthr\x1b[A"), "two|");
        assert_eq!(shown(b"one\ntwo\nthr\x1b[A\x1b[A\x1b[A"), "one|");
        assert_eq!(shown(b"one\ntwo\nthr\x1b[A\x1b[A\x1b[B\x1b[B"), "thr|");
        let mut editor = Editor::default();
        for key in [Key::Char('y'), Key::Enter, Key::Up] {
            editor.press(key);
        }
        assert_eq!(editor.text(), "", "an answer to a question is not recalled");
    }

    #[test]
    fn unknown_sequences_are_no_part_of_the_line() {
        assert_eq!(shown(b"a\x1b[99;99~\x1b[200~b\x00\x07c"), "abc|");
        assert_eq!(shown(b"a\xff\xc3(b"), "a(b|");
        assert_eq!(shown(b"a\x1b\x1b[Db"), "b|a");
        let long = "x".repeat(LONGEST + 10);
        assert_eq!(shown(long.as_bytes()).len(), LONGEST + 1);
    }
}
