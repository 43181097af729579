//! The console of a call: what is typed stays apart from what is said meanwhile.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use phony::sandbox::TempFolder;
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use rustix::termios::{LocalModes, tcgetattr};

use crate::support::program::Run;

/// How long the screen may take to show something.
const LIMIT: Duration = Duration::from_secs(15);

const ROWS: u16 = 40;
const COLUMNS: u16 = 60;

struct Screen {
    child: Child,
    pty: Arc<Pty>,
    shown: Arc<Shown>,
    _folder: TempFolder,
}

struct Shown {
    parser: Mutex<vt100::Parser>,
    changed: Condvar,
}

impl Screen {
    fn start(run: Run) -> Self {
        let Run { folder, mut command } = run;
        let (pty, side) = open().unwrap();
        pty.resize(Size::new(ROWS, COLUMNS)).unwrap();
        command.env("NO_COLOR", "1").env("TERM", "xterm-256color");
        let child = Command::from(command).spawn(side).unwrap();
        let shown = Shown {
            parser: Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)),
            changed: Condvar::new(),
        };
        let (pty, shown) = (Arc::new(pty), Arc::new(shown));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = (&*from).read(&mut piece) {
                let mut parser = to.parser.lock().unwrap_or_else(PoisonError::into_inner);
                parser.process(&piece[..length]);
                drop(parser);
                to.changed.notify_all();
            }
        });
        Self { child, pty, shown, _folder: folder }
    }

    fn types(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Looks at the rows at each change, until it finds something.
    #[track_caller]
    fn until<T>(&self, what: &str, mut look: impl FnMut(&[String]) -> Option<T>) -> T {
        let began = now();
        let mut parser = self.shown.parser.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let rows = parser.screen().rows(0, COLUMNS);
            let rows: Vec<_> = rows.map(|row| row.trim_end().to_owned()).collect();
            if let Some(found) = look(&rows) {
                return found;
            }
            let left = LIMIT.checked_sub(began.elapsed());
            let left = left.unwrap_or_else(|| panic!("no {what}:\n{}", rows.join("\n")));
            parser = self.shown.changed.wait_timeout(parser, left).unwrap().0;
        }
    }

    #[track_caller]
    fn sees(&self, text: &str) {
        self.until(text, |rows| rows.iter().any(|row| row.contains(text)).then_some(()));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that waits for a person's screen")]
fn now() -> Instant {
    Instant::now()
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// How many words the agent has been heard to say.
fn words_of_agent(rows: &[String]) -> usize {
    let from = rows.iter().position(|row| row.starts_with("agent")).unwrap_or(rows.len());
    let said = rows[from..].iter().filter(|row| !row.starts_with("you"));
    said.map(|row| row.split_whitespace().count()).sum()
}

#[test]
fn what_is_typed_stays_apart_from_what_is_said_meanwhile() {
    let mut screen = Screen::start(Run::new(&["demo"]).with("PORT", "0"));
    screen.sees("q  leave");
    screen.types("2\r");
    screen.sees("Who shall answer?");
    // A typing error, corrected.
    screen.types("9\x7f1\r");
    screen.sees("The stand-in network dials");
    screen.sees("the line is open");
    // Half a sentence, typed before the agent has said all that it says.
    screen.types("I need a hair");
    screen.sees("you     I need a hair");
    // The agent speaks on above the input line, which does not change.
    let before = screen.until("the agent", |rows| Some(words_of_agent(rows)));
    screen.until("more speech", |rows| {
        let typed: Vec<_> = rows.iter().filter(|row| row.contains("I need")).collect();
        // While it is redrawn it may be missing for a moment, but it never differs.
        assert!(typed.iter().all(|row| *row == "you     I need a hair"), "{rows:#?}");
        (!typed.is_empty() && words_of_agent(rows) > before + 2).then_some(())
    });
    screen.types("cut\r");
    screen.sees("you     I need a haircut");
    screen.types("\x1b[A");
    screen.until("the line called back", |rows| {
        let last = rows.iter().rev().find(|row| !row.is_empty())?;
        (last == "you     I need a haircut").then_some(())
    });
    // Half-typed input ends with the call.
    screen.types("\x03");
    screen.sees("the call is over");
    screen.until("the menu", |rows| {
        rows.iter().rev().find(|row| !row.is_empty()).filter(|row| row.starts_with('>')).map(drop)
    });
    screen.types("q\r");
    assert_eq!(screen.child.wait().unwrap().code(), Some(0));
    let modes = tcgetattr(&*screen.pty).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "{modes:?}");
}

#[test]
fn a_long_line_does_not_run_over_and_the_terminal_is_left_as_it_was() {
    let mut screen = Screen::start(Run::new(&["demo"]).with("PORT", "0"));
    screen.sees("q  leave");
    let long = "word ".repeat(40);
    screen.types(&long);
    let rows = screen.until("its end", |rows| {
        let rows: Vec<_> = rows.iter().filter(|row| row.contains("word word")).cloned().collect();
        (rows.len() == 1 && rows[0].starts_with("> \u{2026}")).then_some(rows)
    });
    assert_eq!(rows.len(), 1);
    screen.types("\r");
    screen.sees("Type 1, 2, 3 or q, then Enter.");
    // The end of the input.
    screen.types("\x04");
    assert_eq!(screen.child.wait().unwrap().code(), Some(0));
    let modes = tcgetattr(&*screen.pty).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "{modes:?}");
}
