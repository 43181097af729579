//! What people see: all that the commands print goes through here.

use std::io::{self, IsTerminal as _, Write as _};

use super::console;

/// Prints to standard output; in colour only where it is a terminal and nobody objects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ui {
    colour: bool,
}

/// How something looks.
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
    /// For standard output as it is.
    pub(super) fn new() -> Self {
        Self { colour: io::stdout().is_terminal() && !refused("NO_COLOR") }
    }

    /// Without any colour.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { colour: false }
    }

    pub(super) fn is_coloured(self) -> bool {
        self.colour
    }

    /// One line.
    #[expect(clippy::unused_self, reason = "whoever prints has been given the means to")]
    pub(super) fn line(self, text: &str) {
        if console::line(text) {
            return;
        }
        // A reader that went away is no fault of the command.
        drop(writeln!(io::stdout().lock(), "{text}"));
    }

    /// A part of a line, seen at once.
    #[expect(clippy::unused_self, reason = "whoever prints has been given the means to")]
    pub(super) fn piece(self, text: &str) {
        if console::grow(text) {
            return;
        }
        let mut out = io::stdout().lock();
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// The end of a line that was begun by pieces.
    pub(super) fn end_line(self) {
        if !console::end_line() {
            self.line("");
        }
    }

    /// Words in the place of those that were shown so last, until the next line.
    pub(super) fn draft(self, text: &str) {
        if !console::draft(text) {
            self.piece(&format!("\r\u{1b}[2K{text}"));
        }
    }

    /// Asks a question, to be answered behind it.
    pub(super) fn prompt(self, question: &str) {
        if !console::ask(question, false) {
            self.piece(question);
        }
    }

    /// Lets somebody type whatever they like behind a mark; at a console, where the mark stays.
    #[expect(clippy::unused_self, reason = "whoever prints has been given the means to")]
    pub(super) fn listen(self, mark: &str) {
        console::ask(mark, true);
    }

    /// The text in a style, if there are any.
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

/// Whether somebody can be asked: both ends of the terminal are there.
pub(super) fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Words of others, fit for a terminal: they must not move the cursor or change colours.
pub(super) fn clean(text: &str) -> String {
    let flat = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let shown: String = flat.filter(|c| !c.is_control()).collect();
    shown.trim().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "how the terminal looks is no setting of Phony's")]
fn refused(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_cannot_command_the_terminal() {
        assert_eq!(clean("  hi\u{1b}[2Jthere\r\nyou "), "hi[2Jthere  you");
    }

    #[test]
    fn there_are_no_colours_without_a_terminal() {
        assert_eq!(Ui::plain().paint(Style::Bad, "no"), "no");
        assert_eq!(Ui { colour: true }.paint(Style::Bad, "no"), "\u{1b}[31mno\u{1b}[0m");
    }
}
