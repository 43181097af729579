//! What the commands print for people.

use std::io::{self, IsTerminal as _, Write as _};

use super::console;

/// Prints to standard output; in colour if that is a terminal and `NO_COLOR` is not set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ui {
    colour: bool,
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Strong,
    Faint,
    Struck,
    Caller,
    Agent,
    Event,
    Bad,
}

impl Ui {
    /// Coloured if standard output can be.
    pub(super) fn new() -> Self {
        Self { colour: io::stdout().is_terminal() && !is_set("NO_COLOR") }
    }

    /// Without colours.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { colour: false }
    }

    pub(super) fn is_coloured(self) -> bool {
        self.colour
    }

    /// Prints a line.
    #[expect(clippy::unused_self, reason = "only holders of a Ui may print")]
    pub(super) fn print_line(self, text: &str) {
        if console::print_line(text) {
            return;
        }
        // A closed pipe is no failure of the command.
        drop(writeln!(io::stdout().lock(), "{text}"));
    }

    /// Prints a part of a line, without delay.
    #[expect(clippy::unused_self, reason = "only holders of a Ui may print")]
    pub(super) fn print(self, text: &str) {
        if console::append(text) {
            return;
        }
        let mut out = io::stdout().lock();
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Ends a line that was printed in pieces.
    pub(super) fn end_line(self) {
        if !console::end_line() {
            self.print_line("");
        }
    }

    /// Prints a draft in the place of the last one; the next line replaces it.
    pub(super) fn draft(self, text: &str) {
        if !console::draft(text) {
            self.print(&format!("\r\u{1b}[2K{text}"));
        }
    }

    /// Prints a question, to be answered on the same line.
    pub(super) fn prompt(self, question: &str) {
        if !console::ask(question, false) {
            self.print(question);
        }
    }

    /// Shows a mark in front of the line being typed, if there is a console.
    #[expect(clippy::unused_self, reason = "only holders of a Ui may print")]
    pub(super) fn set_prompt(self, mark: &str) {
        console::ask(mark, true);
    }

    /// The text in a style, or as it is without colours.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Struck => "2;9",
            Style::Caller => "36",
            Style::Agent => "32",
            Style::Event => "33",
            Style::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Whether somebody can be asked: standard input and output are terminals.
pub(super) fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Text from outside, made safe for a terminal: it cannot move the cursor or change colours.
pub(super) fn clean(text: &str) -> String {
    let flat = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let shown: String = flat.filter(|c| !c.is_control()).collect();
    shown.trim().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "how the terminal looks is no setting of Phony's")]
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_control_the_terminal() {
        assert_eq!(clean("  hi\u{1b}[2Jthere\r\nyou "), "hi[2Jthere  you");
    }

    #[test]
    fn there_are_no_colours_without_a_terminal() {
        assert_eq!(Ui::plain().paint(Style::Bad, "no"), "no");
        assert_eq!(Ui { colour: true }.paint(Style::Bad, "no"), "\u{1b}[31mno\u{1b}[0m");
    }
}
