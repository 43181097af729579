//! Where lines of calls and answers to commands are printed.

use std::cell::Cell;
use std::io::IsTerminal as _;

use crate::cli::console;
use crate::cli::ui::{Style, Ui, clean};

/// The most that is shown of words that still grow, so that they stay on one line.
const ROOM: usize = 68;

/// Standard output: whole lines, and on a terminal below them the words that are being spoken.
#[derive(Debug)]
pub(super) struct Screen {
    ui: Ui,
    terminal: bool,
    /// Standard output is for events alone.
    json: bool,
    /// Growing words are there, to be wiped away before anything else is printed.
    growing: Cell<bool>,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal() && !json;
        Self { ui: Ui::new(), terminal, json, growing: Cell::new(false) }
    }

    pub(super) fn ui(&self) -> Ui {
        self.ui
    }

    /// Whether growing words are shown.
    pub(super) fn is_live(&self) -> bool {
        self.terminal
    }

    pub(super) fn line(&self, text: &str) {
        self.wipe();
        self.ui.line(text);
    }

    /// Words that still grow; the end of them.
    pub(super) fn grow(&self, who: &str, words: &str) {
        if !self.terminal {
            return;
        }
        let words = clean(words);
        let skip = words.chars().count().saturating_sub(ROOM);
        let end: String = words.chars().skip(skip).collect();
        let cut = if skip == 0 { "" } else { "…" };
        self.ui.draft(&self.ui.paint(Style::Faint, &format!("{who} {cut}{end}")));
        self.growing.set(true);
    }

    /// Something about the watching itself.
    pub(super) fn note(&self, text: &str) {
        self.aside(Style::Faint, &format!("· {text}"));
    }

    /// What was not done, and why.
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

    fn wipe(&self) {
        if self.growing.take() {
            self.ui.draft("");
        }
    }
}
