//! Runs the program itself, as a user would.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use phony::sandbox::TempFolder;

/// How long a command may take.
const LIMIT: Duration = Duration::from_mins(1);

/// A command in a folder of its own, without the environment of this machine.
pub(crate) struct Run {
    pub(crate) folder: TempFolder,
    pub(crate) command: Command,
}

/// Exit code and output of a command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command that runs until it is told to stop.
pub(crate) struct Serving {
    child: Child,
    _folder: TempFolder,
}

impl Run {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let folder = TempFolder::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_phony"));
        command.args(arguments).current_dir(folder.path()).env_clear().env("HOME", folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
        Self { folder, command }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// A file in the command's folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn done(self) -> Done {
        self.done_with("")
    }

    /// Runs it with this standard input.
    pub(crate) fn done_with(mut self, input: &str) -> Done {
        let mut child = self.command.stdin(Stdio::piped()).spawn().unwrap();
        // A command that has failed does not read its input.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let watched = Watched::over(&child);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        drop(watched);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Starts it, and waits for a line that contains `sign`; all lines so far.
    pub(crate) fn serving(mut self, sign: &str) -> (Serving, Vec<String>) {
        let mut child = self.command.spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let err = child.stderr.take().unwrap();
        let (tell, told) = std::sync::mpsc::sync_channel(256);
        for stream in [Box::new(out) as Box<dyn std::io::Read + Send>, Box::new(err)] {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let lines = std::io::BufRead::lines(std::io::BufReader::new(stream));
                for line in lines.map_while(Result::ok) {
                    // Later lines are read as well, or the command would block.
                    drop(tell.try_send(line));
                }
            });
        }
        let mut lines = Vec::new();
        while !lines.iter().any(|line: &String| line.contains(sign)) {
            let Ok(line) = told.recv_timeout(LIMIT) else {
                drop(child.kill());
                panic!("no «{sign}» in {lines:#?}");
            };
            lines.push(line);
        }
        (Serving { child, _folder: self.folder }, lines)
    }
}

impl Serving {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Kills a command that takes too long, so that its test fails.
pub(crate) struct Watched {
    done: std::sync::mpsc::SyncSender<()>,
}

impl Watched {
    pub(crate) fn over(child: &Child) -> Self {
        let id = child.id();
        let (done, over) = std::sync::mpsc::sync_channel::<()>(1);
        std::thread::spawn(move || {
            if over.recv_timeout(LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                drop(Command::new("kill").arg(id.to_string()).status());
            }
        });
        Self { done }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.done.try_send(());
    }
}

/// The value behind `name` in lines of the form `NAME=value`.
pub(crate) fn value(lines: &[String], name: &str) -> String {
    let found = lines.iter().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {lines:#?}")).to_owned()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs something, and measures how long it takes.
#[expect(clippy::disallowed_methods, reason = "a test measures the command's own time")]
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = run();
    (done, began.elapsed())
}
