//! Questions at a terminal: asked until the answer is one, or the input ends.

use super::converse::InputLines;
use super::ui::{Style, Ui, clean};

/// Asks somebody who types.
pub(super) struct Questions<'a> {
    pub(super) ui: Ui,
    pub(super) typed: &'a mut InputLines,
}

impl Questions<'_> {
    /// Asks until `read` can make something of the line; nothing if there are no more lines.
    pub(super) async fn ask<T>(
        &mut self,
        question: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        loop {
            self.ui.prompt(question);
            let Some(line) = self.typed.next().await else {
                self.ui.line("");
                return None;
            };
            match read(line.trim()) {
                Ok(answer) => return Some(answer),
                Err(problem) => self.ui.line(&self.ui.paint(Style::Bad, &clean(&problem))),
            }
        }
    }

    /// Asks for a yes; nothing typed is a no, and so is the end of the input.
    pub(super) async fn agreed(&mut self, question: &str) -> bool {
        self.ask(&format!("{question} [y/N] "), yes_or_no).await.unwrap_or(false)
    }
}

/// Nothing typed is a no: nothing is done by mistake.
pub(super) fn yes_or_no(line: &str) -> Result<bool, String> {
    match line.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "" | "n" | "no" => Ok(false),
        _ => Err("Type y or n.".to_owned()),
    }
}
