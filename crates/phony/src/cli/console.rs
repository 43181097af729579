//! The terminal while somebody types at it: the line that is being typed stays at the bottom, and
//! whatever is printed meanwhile appears above it.
//!
//! Keys arrive on one thread and words on others. Both change what is shown under one lock, so that
//! neither lands in the middle of the other's line.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::editor::{Editor, Key, Keys, Typed};
use super::view::{Bottom, rows, width};

/// The columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
/// What stands in front of a line that answers no question.
pub(super) const PROMPT: &str = "> ";

/// As wide as the name in front of what somebody says.
const INDENT: &str = "       ";

/// How long a signal to stop may take.
const STOPPED: Duration = Duration::from_millis(50);

static CONSOLE: Mutex<Option<Console>> = Mutex::new(None);

struct Console {
    /// How the terminal was before.
    before: Termios,
    editor: Editor,
    prompt: String,
    /// Words above the line being typed that still grow.
    growing: String,
    /// They are told again when they are whole.
    draft: bool,
    /// The rows at the bottom as they were last drawn.
    bottom: Bottom,
}

/// The console in use; the terminal is as it was before once this is dropped.
#[derive(Debug)]
pub(super) struct Opened(());

/// Takes the terminal over; nothing if it is none that can be drawn on, or somebody has it already.
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
        growing: String::new(),
        draft: false,
        bottom: Bottom::default(),
    };
    opened.write("");
    *console = Some(opened);
    Some(Opened(()))
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Some(mut console) = lock().take() else { return };
        let mut out = console.bottom.wiped();
        if !console.growing.is_empty() {
            out.push_str(&console.growing);
            out.push('\n');
        }
        put(&out);
        // What cannot be set back now could not be set before.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &console.before);
    }
}

/// Reads keys until the input ends or nobody wants the lines any more.
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
                Typed::Nothing => {}
                Typed::Line(line) => {
                    if !take(line) {
                        return;
                    }
                }
                Typed::End => return,
            }
        }
    }
}

fn press(key: Key) -> Typed {
    let mut console = lock();
    // Whoever closed it has no use for what is typed.
    let Some(console) = console.as_mut() else { return Typed::End };
    if key == Key::Suspend {
        console.suspend();
        return Typed::Nothing;
    }
    let typed = console.editor.press(key);
    match &typed {
        Typed::Line(line) => {
            let line = format!("{}{line}", console.prompt);
            if !console.draft {
                console.finish_growing();
            }
            console.write(&format!("{line}\n"));
        }
        Typed::Nothing | Typed::End => console.write(""),
    }
    typed
}

/// Prints a line, the end of what grows if something does; false if there is no console.
pub(super) fn line(text: &str) -> bool {
    with(|console| {
        let growing = std::mem::take(&mut console.growing);
        console.write(&format!("{growing}{text}\n"));
    })
}

/// Adds words to what grows; false if there is no console.
pub(super) fn grow(text: &str) -> bool {
    with(|console| {
        console.draft = false;
        if console.growing.is_empty() && text.starts_with(' ') {
            // It goes on after a line that was typed.
            console.growing.push_str(INDENT);
        }
        console.growing.push_str(text);
        let mut full = rows(&console.growing, columns());
        console.growing = full.pop().unwrap_or_default();
        let full: String = full.into_iter().map(|row| row + "\n").collect();
        console.write(&full);
    })
}

/// Shows these words in the place of what grows; false if there is no console.
pub(super) fn draft(text: &str) -> bool {
    with(|console| {
        text.clone_into(&mut console.growing);
        console.draft = true;
        console.write("");
    })
}

/// Ends the line of what grows, if something does; false if there is no console.
pub(super) fn end_line() -> bool {
    with(Console::finish_growing)
}

/// Forgets what is typed and not entered, as shells do at Ctrl-C.
pub(super) fn drop_line() {
    with(|console| {
        console.editor.drop_line();
        console.write("");
    });
}

/// Whether somebody types at a console now.
pub(super) fn is_open() -> bool {
    lock().is_some()
}

/// Asks by what stands in front of the line being typed; false if there is no console.
pub(super) fn ask(prompt: &str, history: bool) -> bool {
    with(|console| {
        console.finish_growing();
        console.editor.remember(history);
        // A long question would leave no room for its answer.
        let long = width(prompt) > columns() / 3;
        let line = if long { format!("{}\n", prompt.trim_end()) } else { String::new() };
        let mark = if long { PROMPT } else { prompt };
        mark.clone_into(&mut console.prompt);
        console.write(&line);
    })
}

impl Console {
    /// Writes whole lines above the bottom, and draws that again.
    fn write(&mut self, lines: &str) {
        let mut out = self.bottom.wiped();
        out.push_str(lines);
        out.push_str(&self.bottom.drawn(&self.growing, &self.prompt, &self.editor, columns()));
        put(&out);
    }

    fn finish_growing(&mut self) {
        let mut growing = std::mem::take(&mut self.growing);
        if !growing.is_empty() {
            growing.push('\n');
            self.write(&growing);
        }
    }

    /// Stops the program, as Ctrl-Z does elsewhere; returns when it goes on.
    fn suspend(&mut self) {
        put(&self.bottom.wiped());
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
        let _ = kill_current_process_group(Signal::TSTP);
        // Another thread may take the signal: it has stopped this one by then.
        std::thread::sleep(STOPPED);
        let _ = raw(&self.before);
        self.write("");
    }
}

/// Every key at once and none shown by the terminal itself; Ctrl-C stays a signal.
fn raw(before: &Termios) -> rustix::io::Result<()> {
    let mut modes = before.clone();
    modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
    // Ctrl-C takes nothing away that was typed before it and has not been read yet.
    modes.local_modes |= LocalModes::NOFLSH;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    // A key like any other, so that the terminal can be left in order first.
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
    // Whoever failed with it has at worst left a row half drawn.
    CONSOLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(text: &str) {
    let mut out = io::stdout().lock();
    // A terminal that went away is no fault of the command.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
