//! The bottom rows of the terminal: output in progress and, below it, the line being typed. Each
//! takes one row at most, so that both can be erased however the terminal wraps.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::editor::Editor;

/// Indents the further rows of wrapped speech, past the speaker's name.
const INDENT: &str = "        ";
/// Marks where text was cut off.
const ELLIPSIS: char = '…';

/// The bottom rows, as far as they are drawn.
#[derive(Debug, Default)]
pub(super) struct Footer {
    drawn: bool,
    /// Whether there is a row above the one with the cursor.
    two_rows: bool,
}

impl Footer {
    /// The sequence that erases the rows.
    pub(super) fn erased(&mut self) -> String {
        if !std::mem::take(&mut self.drawn) {
            return String::new();
        }
        let up = if self.two_rows { "\u{1b}[1A" } else { "" };
        format!("\r{up}\u{1b}[J")
    }

    /// The sequence that draws the rows, once they have been erased.
    pub(super) fn drawn(
        &mut self,
        pending: &str,
        prompt: &str,
        editor: &Editor,
        columns: usize,
    ) -> String {
        (self.drawn, self.two_rows) = (true, !pending.is_empty());
        let room = columns.saturating_sub(1).max(8);
        let mut out = String::new();
        if self.two_rows {
            out.push_str(&end_of(pending, room));
            out.push('\n');
        }
        let prompt = end_of(prompt, room / 2);
        let room = room - width(&prompt);
        let (shown, column) = window(editor.text(), editor.before_cursor().len(), room);
        out.extend([prompt.as_str(), shown.as_str(), "\r"]);
        match width(&prompt) + column {
            0 => {}
            right => out.extend(["\u{1b}[", &right.to_string(), "C"]),
        }
        out
    }
}

/// Wraps text into rows, between words where possible; the last row may be added to.
pub(super) fn rows(text: &str, columns: usize) -> Vec<String> {
    let room = columns.saturating_sub(1).max(INDENT.len() * 2);
    let mut rows = Vec::new();
    let mut row = text.to_owned();
    while width(&row) > room {
        let end = fitting(&row, room);
        // A break within the indentation would make no progress.
        let space = row[..end].rfind(' ').filter(|at| !row[..*at].trim().is_empty());
        let (first, rest) = row.split_at(space.unwrap_or(end));
        let rest = format!("{INDENT}{}", rest.trim_start());
        rows.push(first.trim_end().to_owned());
        row = rest;
    }
    rows.push(row);
    rows
}

/// The part of a line around the cursor that fits into `room` columns, and the cursor's column.
fn window(text: &str, cursor: usize, room: usize) -> (String, usize) {
    if text.width() < room {
        return (text.to_owned(), text[..cursor].width());
    }
    // In a long line the cursor stays left of the last third.
    let mut from = 0;
    while text[from..cursor].width() + 2 > room * 2 / 3 {
        from += text[from..].chars().next().map_or(1, char::len_utf8);
    }
    let cut = from > 0;
    let mut shown = if cut { ELLIPSIS.to_string() } else { String::new() };
    let column = shown.width() + text[from..cursor].width();
    for c in text[from..].chars() {
        if shown.width() + c.width().unwrap_or(0) + 1 > room {
            break;
        }
        shown.push(c);
    }
    (shown, column)
}

/// The text, or the part of its end that fits into `room` columns.
fn end_of(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let plain = plain(text);
    let mut from = 0;
    while plain[from..].width() + 1 > room {
        from += plain[from..].chars().next().map_or(1, char::len_utf8);
    }
    format!("{ELLIPSIS}{}", &plain[from..])
}

/// How many bytes of the text fit into `room` columns.
fn fitting(text: &str, room: usize) -> usize {
    let (mut columns, mut colours) = (0, false);
    for (at, c) in text.char_indices() {
        (columns, colours) = after(c, columns, colours);
        if columns > room {
            return at;
        }
    }
    text.len()
}

/// The columns that a text takes; colour sequences take none.
pub(super) fn width(text: &str) -> usize {
    text.chars().fold((0, false), |(columns, colours), c| after(c, columns, colours)).0
}

fn after(c: char, columns: usize, colours: bool) -> (usize, bool) {
    match (colours, c) {
        (false, '\u{1b}') => (columns, true),
        // A colour is `ESC [ 32 m`.
        (true, c) => (columns, !c.is_ascii_alphabetic()),
        (false, c) => (columns + c.width().unwrap_or(0), false),
    }
}

fn plain(text: &str) -> String {
    let mut colours = false;
    let is_shown = |c: &char| {
        let was = colours;
        colours = after(*c, 0, colours).1;
        !was && !colours
    };
    text.chars().filter(is_shown).collect()
}

#[cfg(test)]
mod tests {
    use super::super::editor::Key;
    use super::*;

    fn typing(text: &str) -> Editor {
        let mut editor = Editor::default();
        for c in text.chars() {
            editor.press(Key::Char(c));
        }
        editor
    }

    #[test]
    fn long_speech_goes_on_in_the_next_row() {
        let text = "\u{1b}[32magent  \u{1b}[0m Would you like to make an appointment";
        let rows = rows(text, 30);
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert!(rows.iter().all(|row| width(row) < 30), "{rows:?}");
        assert_eq!(rows[1], "        make an appointment");
        assert_eq!(super::rows("short", 30), ["short"]);
        let solid = super::rows(&"x".repeat(100), 30);
        assert_eq!(solid.concat().replace(' ', "").len(), 100, "a word that fits no row is cut");
    }

    #[test]
    fn a_long_line_is_shown_around_the_cursor() {
        assert_eq!(window("hello", 5, 20), ("hello".to_owned(), 5));
        let text = "one two three four five six seven eight nine ten";
        for cursor in 0..=text.len() {
            let (shown, column) = window(text, cursor, 20);
            assert!(shown.width() < 20 && column < 20, "{shown} {column}");
            let left: String = shown.chars().take(column).collect();
            let seen = left.trim_start_matches(ELLIPSIS);
            assert!(text[..cursor].ends_with(seen), "{cursor}: {shown} {column}");
        }
        let wide = "日本語日本語日本語日本語";
        let (shown, column) = window(wide, wide.len(), 12);
        assert!(shown.width() < 12 && column < 12, "{shown} {column}");
    }

    #[test]
    fn the_footer_is_erased_before_it_is_drawn_again() {
        let mut footer = Footer::default();
        assert_eq!(footer.erased(), "");
        assert_eq!(footer.drawn("", "> ", &typing("hi"), 80), "> hi\r\u{1b}[4C");
        assert_eq!(footer.erased(), "\r\u{1b}[J");
        assert_eq!(footer.drawn("agent", "", &typing(""), 80), "agent\n\r");
        assert_eq!(footer.erased(), "\r\u{1b}[1A\u{1b}[J");
        let narrow = footer.drawn("", &"a long question ".repeat(9), &typing("yes"), 20);
        assert!(narrow.contains("yes") && narrow.starts_with(ELLIPSIS), "{narrow:?}");
    }
}
