//! The terminal while somebody types at it: the line being typed stays at the bottom, and output
//! appears above it.
//!
//! Keys are read on one thread and output comes from others. Both draw under one lock, so that
//! neither breaks into the other's line.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::editor::{Editor, Key, Keys, Outcome};
use super::footer::{Footer, rows, width};

/// The width assumed for a terminal that does not report one.
const COLUMNS: usize = 80;
/// The mark in front of a typed line that answers no question.
pub(super) const PROMPT: &str = "> ";

/// As wide as a speaker's name.
const INDENT: &str = "       ";

/// How long a stop signal may take to be delivered.
const STOP_SIGNAL_LIMIT: Duration = Duration::from_millis(50);

static CONSOLE: Mutex<Option<Console>> = Mutex::new(None);

struct Console {
    /// The terminal's settings before.
    before: Termios,
    editor: Editor,
    prompt: String,
    /// Output in progress, above the line being typed.
    pending: String,
    /// Whether `pending` is only a draft, which is printed again when it is complete.
    draft: bool,
    /// The rows at the bottom, as last drawn.
    footer: Footer,
}

/// The open console. Restores the terminal when dropped.
#[derive(Debug)]
pub(super) struct Opened(());

/// Takes over the terminal; nothing if it cannot be drawn on, or a console is open already.
pub(super) fn open() -> Option<Opened> {
    if !can_draw() {
        return None;
    }
    let mut console = lock();
    if console.is_some() {
        return None;
    }
    let before = tcgetattr(io::stdin()).ok()?;
    raw(&before).ok()?;
    let mut opened = Console {
        before,
        editor: Editor::default(),
        prompt: PROMPT.to_owned(),
        pending: String::new(),
        draft: false,
        footer: Footer::default(),
    };
    opened.write("");
    *console = Some(opened);
    Some(Opened(()))
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Some(mut console) = lock().take() else { return };
        let mut out = console.footer.erased();
        if !console.pending.is_empty() {
            out.push_str(&console.pending);
            out.push('\n');
        }
        put(&out);
        // A terminal that cannot be restored could not have been changed either.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &console.before);
    }
}

/// Reads keys, and passes on each line entered, until the input ends or `take` returns false.
pub(super) fn read(mut take: impl FnMut(String) -> bool) {
    let mut keys = Keys::default();
    let mut bytes = [0; 256];
    let mut input = io::stdin().lock();
    loop {
        let length = match input.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        for key in keys.read(&bytes[..length]) {
            match press(key) {
                Outcome::Nothing => {}
                Outcome::Line(line) => {
                    if !take(line) {
                        return;
                    }
                }
                Outcome::End => return,
            }
        }
    }
}

fn press(key: Key) -> Outcome {
    let mut console = lock();
    // The console is closed, so nobody wants what is typed.
    let Some(console) = console.as_mut() else { return Outcome::End };
    if key == Key::Suspend {
        console.suspend();
        return Outcome::Nothing;
    }
    let typed = console.editor.press(key);
    match &typed {
        Outcome::Line(line) => {
            let line = format!("{}{line}", console.prompt);
            if !console.draft {
                console.finish_pending();
            }
            console.write(&format!("{line}\n"));
        }
        Outcome::Nothing | Outcome::End => console.write(""),
    }
    typed
}

/// Ends the output in progress with this text and a line break; false if there is no console.
pub(super) fn print_line(text: &str) -> bool {
    with(|console| {
        let pending = std::mem::take(&mut console.pending);
        console.write(&format!("{pending}{text}\n"));
    })
}

/// Adds to the output in progress; false if there is no console.
pub(super) fn append(text: &str) -> bool {
    with(|console| {
        console.draft = false;
        if console.pending.is_empty() && text.starts_with(' ') {
            // It continues after a line that was typed.
            console.pending.push_str(INDENT);
        }
        console.pending.push_str(text);
        let mut full = rows(&console.pending, columns());
        console.pending = full.pop().unwrap_or_default();
        let full: String = full.into_iter().map(|row| row + "\n").collect();
        console.write(&full);
    })
}

/// Replaces the output in progress with a draft; false if there is no console.
pub(super) fn draft(text: &str) -> bool {
    with(|console| {
        text.clone_into(&mut console.pending);
        console.draft = true;
        console.write("");
    })
}

/// Ends the output in progress with a line break, if there is any; false if there is no console.
pub(super) fn end_line() -> bool {
    with(Console::finish_pending)
}

/// Discards what has been typed but not entered, as shells do at Ctrl-C.
pub(super) fn drop_line() {
    with(|console| {
        console.editor.drop_line();
        console.write("");
    });
}

/// Whether a console is open.
pub(super) fn is_open() -> bool {
    lock().is_some()
}

/// Sets the prompt in front of the line being typed, and whether lines are kept for recall; false
/// if there is no console.
pub(super) fn ask(prompt: &str, history: bool) -> bool {
    with(|console| {
        console.finish_pending();
        console.editor.remember(history);
        // A long question goes above, to leave room for its answer.
        let long = width(prompt) > columns() / 3;
        let line = if long { format!("{}\n", prompt.trim_end()) } else { String::new() };
        let mark = if long { PROMPT } else { prompt };
        mark.clone_into(&mut console.prompt);
        console.write(&line);
    })
}

impl Console {
    /// Writes whole lines above the footer, and draws the footer again.
    fn write(&mut self, lines: &str) {
        let mut out = self.footer.erased();
        out.push_str(lines);
        out.push_str(&self.footer.drawn(&self.pending, &self.prompt, &self.editor, columns()));
        put(&out);
    }

    fn finish_pending(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            pending.push('\n');
            self.write(&pending);
        }
    }

    /// Suspends the program, as Ctrl-Z does; returns when it is resumed.
    fn suspend(&mut self) {
        put(&self.footer.erased());
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
        let _ = kill_current_process_group(Signal::TSTP);
        // Another thread may receive the signal, which stops this one a little later.
        std::thread::sleep(STOP_SIGNAL_LIMIT);
        let _ = raw(&self.before);
        self.write("");
    }
}

/// Switches to reading single keys without echo; Ctrl-C stays a signal.
fn raw(before: &Termios) -> rustix::io::Result<()> {
    let mut modes = before.clone();
    modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
    // Keep what was typed before Ctrl-C and has not been read yet.
    modes.local_modes |= LocalModes::NOFLSH;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    // Ctrl-Z is read as a key, so that the terminal can be restored first.
    modes.special_codes[SpecialCodeIndex::VSUSP] = 0;
    tcsetattr(io::stdin(), OptionalActions::Drain, &modes)
}

/// Whether the cursor can be moved: both ends are a terminal, and not a dumb one.
#[expect(clippy::disallowed_methods, reason = "what the terminal can do is no setting of Phony's")]
fn can_draw() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

fn columns() -> usize {
    let size = tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col);
    if size == 0 { COLUMNS } else { size.into() }
}

fn with(act: impl FnOnce(&mut Console)) -> bool {
    let mut console = lock();
    console.as_mut().map(act).is_some()
}

fn lock() -> MutexGuard<'static, Option<Console>> {
    // A panic under the lock leaves at worst a row half drawn.
    CONSOLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(text: &str) {
    let mut out = io::stdout().lock();
    // A terminal that went away is no fault of the command.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
