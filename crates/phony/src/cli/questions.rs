//! Questions to the user, repeated until the answer is valid or the input ends.

use super::converse::InputLines;
use super::ui::{Style, Ui, clean};

/// Asks questions, and reads the answers from standard input.
pub(super) struct Questions<'a> {
    pub(super) ui: Ui,
    pub(super) typed: &'a mut InputLines,
}

impl Questions<'_> {
    /// Asks until `read` accepts the line; nothing if the input ends.
    pub(super) async fn ask<T>(
        &mut self,
        question: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        loop {
            self.ui.prompt(question);
            let Some(line) = self.typed.next().await else {
                self.ui.print_line("");
                return None;
            };
            match read(line.trim()) {
                Ok(answer) => return Some(answer),
                Err(problem) => self.ui.print_line(&self.ui.paint(Style::Bad, &clean(&problem))),
            }
        }
    }

    /// Asks for a yes or a no; an empty line or the end of the input is a no.
    pub(super) async fn agreed(&mut self, question: &str) -> bool {
        self.ask(&format!("{question} [y/N] "), yes_or_no).await.unwrap_or(false)
    }
}

/// An empty line is a no, so that nothing is done by mistake.
pub(super) fn yes_or_no(line: &str) -> Result<bool, String> {
    match line.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "" | "n" | "no" => Ok(false),
        _ => Err("Type y or n.".to_owned()),
    }
}
