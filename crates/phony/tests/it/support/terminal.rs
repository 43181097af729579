//! A command at a terminal, with the test as its user.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use phony::sandbox::TempFolder;
use pty_process::blocking::{Command, Pty, open};

use crate::support::program::{Run, Watched};
use crate::support::wait::whole_call::LIMIT;

/// Ctrl-C.
const INTERRUPT: u8 = 3;
/// Ctrl-D.
const END: u8 = 4;

pub(crate) struct Terminal {
    child: Child,
    keys: Arc<Pty>,
    screen: Arc<Screen>,
    /// Length of the output that was matched already.
    seen: usize,
    _folder: TempFolder,
}

#[derive(Default)]
struct Screen {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Default)]
struct Shown {
    bytes: Vec<u8>,
    /// The command has ended.
    over: bool,
}

impl Run {
    /// Starts it at a terminal.
    pub(crate) fn at_terminal(self) -> Terminal {
        let (pty, side) = open().unwrap();
        let Self { folder, mut command } = self;
        // Tests look for words, not colours.
        command.env("NO_COLOR", "1").env("TERM", "dumb");
        let child = Command::from(command).spawn(side).unwrap();
        let (keys, screen) = (Arc::new(pty), Arc::new(Screen::default()));
        let (from, to) = (Arc::clone(&keys), Arc::clone(&screen));
        std::thread::spawn(move || watch(&from, &to));
        Terminal { child, keys, screen, seen: 0, _folder: folder }
    }
}

impl Screen {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        // A test that panics under the lock leaves nothing half done.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collects the output until its end.
fn watch(from: &Pty, to: &Screen) {
    let mut piece = [0; 4096];
    let mut from = from;
    loop {
        let read = from.read(&mut piece);
        let mut shown = to.lock();
        match read {
            Ok(length @ 1..) => shown.bytes.extend_from_slice(&piece[..length]),
            // Reading the terminal fails once the command has ended.
            Ok(0) | Err(_) => shown.over = true,
        }
        let over = shown.over;
        drop(shown);
        to.changed.notify_all();
        if over {
            return;
        }
    }
}

impl Terminal {
    /// Waits until this is shown, after everything that was waited for before.
    #[track_caller]
    pub(crate) fn sees(&mut self, text: &str) {
        let mut shown = self.screen.lock();
        loop {
            let words = words(&shown.bytes);
            let rest = words.get(self.seen..).unwrap_or_default();
            if let Some(at) = rest.find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(!shown.over, "no «{text}» in {rest}\n--- of all ---\n{words}");
            let waited = self.screen.changed.wait_timeout(shown, LIMIT).unwrap();
            shown = waited.0;
            assert!(!waited.1.timed_out(), "no «{text}» in {rest}\n--- of all ---\n{words}");
        }
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        self.press(format!("{line}\n").as_bytes());
    }

    /// Waits for a question, and types the answer.
    #[track_caller]
    pub(crate) fn answers(&mut self, question: &str, line: &str) {
        self.sees(question);
        self.types(line);
    }

    /// Ctrl-C.
    pub(crate) fn interrupts(&mut self) {
        self.press(&[INTERRUPT]);
    }

    /// Ctrl-D.
    pub(crate) fn ends_the_input(&mut self) {
        self.press(&[END]);
    }

    fn press(&mut self, keys: &[u8]) {
        (&*self.keys).write_all(keys).unwrap();
    }

    /// Waits for the end of the command: its exit code and all output.
    pub(crate) fn over(mut self) -> (Option<i32>, String) {
        let watched = Watched::over(&self.child);
        let code = self.child.wait().unwrap().code();
        drop(watched);
        let mut shown = self.screen.lock();
        while !shown.over {
            shown = self.screen.changed.wait(shown).unwrap();
        }
        (code, words(&shown.bytes))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The output without escape sequences.
fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let mut words = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        words.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1);
        rest = &after[end..];
    }
    words.push_str(rest);
    words
}
