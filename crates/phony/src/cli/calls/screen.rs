//! The output of `phony calls tail`: lines of calls, and notes about actions.

use std::cell::Cell;
use std::io::IsTerminal as _;

use crate::cli::console;
use crate::cli::ui::{Style, Ui, clean};

/// How many characters of an utterance in progress are shown, so that it stays on one line.
const DRAFT_WIDTH: usize = 68;

/// Standard output: whole lines and, on a terminal, the utterance in progress below them.
#[derive(Debug)]
pub(super) struct Screen {
    ui: Ui,
    terminal: bool,
    /// Standard output is for events alone.
    json: bool,
    /// Whether an utterance in progress is shown, which must be erased before anything is printed.
    drafted: Cell<bool>,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal() && !json;
        Self { ui: Ui::new(), terminal, json, drafted: Cell::new(false) }
    }

    pub(super) fn ui(&self) -> Ui {
        self.ui
    }

    /// Whether utterances in progress are shown.
    pub(super) fn is_live(&self) -> bool {
        self.terminal
    }

    pub(super) fn line(&self, text: &str) {
        self.erase_draft();
        self.ui.print_line(text);
    }

    /// Shows the end of an utterance in progress.
    pub(super) fn draft(&self, who: &str, words: &str) {
        if !self.terminal {
            return;
        }
        let words = clean(words);
        let skip = words.chars().count().saturating_sub(DRAFT_WIDTH);
        let end: String = words.chars().skip(skip).collect();
        let cut = if skip == 0 { "" } else { "…" };
        self.ui.draft(&self.ui.paint(Style::Faint, &format!("{who} {cut}{end}")));
        self.drafted.set(true);
    }

    /// Prints a note about the command itself.
    pub(super) fn note(&self, text: &str) {
        self.aside(Style::Faint, &format!("· {text}"));
    }

    /// Prints why an action failed.
    pub(super) fn problem(&self, text: &str) {
        self.aside(Style::Bad, &format!("! {text}"));
    }

    fn aside(&self, style: Style, text: &str) {
        if self.json && !console::is_open() {
            #[expect(clippy::print_stderr, reason = "standard output is for events alone")]
            {
                eprintln!("{text}");
            }
        } else {
            self.line(&self.ui.paint(style, text));
        }
    }

    fn erase_draft(&self) {
        if self.drafted.take() {
            self.ui.draft("");
        }
    }
}
