//! `phony calls`, with a server in the test and the program itself as the supervisor.

use std::process::Stdio;

use phony_call::{FromModel, TurnId};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::program::free_port;
use crate::support::server::{AUTH_TOKEN, FakeModel, HOST, JsonSocket, TestServer};
use crate::support::wait::outbound::{LIMIT, in_time};

/// A running `phony calls …`.
struct Program {
    child: Child,
    typed: Option<ChildStdin>,
    printed: Lines<BufReader<ChildStdout>>,
    _folder: tempfile::TempDir,
}

impl Program {
    fn start(server: &str, arguments: &[&str]) -> Self {
        Self::with_token(server, &TestServer::token(), arguments)
    }

    fn with_token(server: &str, token: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_phony"));
        command.arg("calls").args(arguments).args(["--server", server]);
        command.current_dir(folder.path()).env_clear().env("HOME", folder.path());
        if !token.is_empty() {
            command.env("PHONY_ADMIN_TOKEN", token);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let typed = child.stdin.take();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, typed, printed, _folder: folder }
    }

    async fn types(&mut self, line: &str) {
        let typed = self.typed.as_mut().unwrap();
        typed.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Waits for a line that contains `sign`; lines before it are passed over.
    async fn prints(&mut self, sign: &str) -> String {
        let mut before = Vec::new();
        loop {
            let line = timeout(LIMIT, self.printed.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no «{sign}» after {before:#?}")).unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended without «{sign}»: {before:#?}"));
            if line.contains(sign) {
                return line;
            }
            before.push(line);
        }
    }

    /// Closes its input and waits for its end: exit code, remaining output, standard error.
    async fn ends(mut self) -> (Option<i32>, Vec<String>, String) {
        drop(self.typed.take());
        let mut rest = Vec::new();
        while let Some(line) = in_time(self.printed.next_line()).await.unwrap() {
            rest.push(line);
        }
        let done = in_time(self.child.wait_with_output()).await.unwrap();
        (done.status.code(), rest, String::from_utf8(done.stderr).unwrap())
    }
}

/// A call whose greeting has been sent, and its model.
async fn call(server: &mut TestServer, sid: &str) -> (JsonSocket, FakeModel) {
    let twiml = server.ring(sid).await;
    let mut line = server.connect(sid, &twiml).await;
    line.utterance().await;
    let model = server.model().await;
    model.ready().await;
    (line, model)
}

async fn says(line: &mut JsonSocket, words: &str) {
    let prompt = json!({ "type": "prompt", "voicePrompt": words, "lang": "en-US", "last": true });
    line.send(&prompt).await;
}

async fn asked(model: &mut FakeModel) -> TurnId {
    model.asked().await.0
}

#[tokio::test]
async fn the_transcript_of_a_live_call_is_told_until_its_end() {
    let mut server = TestServer::start().await;
    let (mut line, mut model) = call(&mut server, "CA1").await;
    says(&mut line, "I lost my debit card").await;
    let mut tail = Program::start(&server.url(""), &["tail"]);
    tail.prints("calls +15005550002; assistant answers").await;
    tail.prints("caller     I lost my debit card").await;
    let turn = asked(&mut model).await;
    model.reply(turn, "I am sorry.").await;
    assert_eq!(line.utterance().await, "I am sorry.");
    says(&mut line, "Thank you\u{1b}[2J").await;
    let line_of_caller = tail.prints("caller     Thank you").await;
    assert!(!line_of_caller.contains('\u{1b}'), "nobody commands the terminal");
    server.webhook("/call_status", &[("CallSid", "CA1"), ("CallStatus", "completed")]).await;
    tail.prints("the call is over").await;
    assert_eq!(tail.ends().await.0, Some(0));
}

#[tokio::test]
async fn what_is_typed_is_done_and_felt_on_the_line() {
    let mut server = TestServer::start().await;
    let (mut line, mut model) = call(&mut server, "CA1").await;
    let mut tail = Program::start(&server.url(""), &["tail", "CA1"]);
    tail.types("/say A person is here now.").await;
    assert_eq!(line.utterance().await.trim(), "A person is here now.");
    tail.prints("done: text").await;
    tail.types("/press 1w2#").await;
    assert_eq!(line.next_of("sendDigits").await["digits"], "1w2#");
    tail.types("/whisper Be brief.").await;
    tail.prints("the supervisor whispers: Be brief.").await;
    tail.types("yes").await;
    tail.prints("/say speaks to the caller").await;
    says(&mut line, "Can I have a discount?").await;
    let turn = asked(&mut model).await;
    model.reply(turn, "[[request_user:Ten percent?]]").await;
    tail.prints("asks the supervisor: Ten percent?").await;
    tail.types("Five, no more").await;
    tail.prints("the supervisor answers: Five, no more").await;
    tail.types("/answer Or ten").await;
    tail.prints("no question is waiting for an answer").await;
    tail.types("/takeover").await;
    tail.prints("a human takes over").await;
    tail.types("/takeover").await;
    tail.prints("a human has already taken over").await;
    tail.types("/release").await;
    tail.prints("the agent goes on").await;
    tail.types("/dance").await;
    tail.prints("there is no command /dance").await;
    tail.types("/transfer 911").await;
    tail.prints("emergency numbers are never dialled").await;
    tail.types("/transfer +15005550009").await;
    tail.prints("done: transfer").await;
    let end = line.next_of("end").await;
    assert!(end["handoffData"].is_string(), "{end}");
    assert_eq!(server.get("/calls?live=true").await.1["calls"][0]["callSid"], "CA1");
    tail.types("/quit").await;
    assert_eq!(tail.ends().await.0, Some(0), "it leaves, and the call goes on");
}

#[tokio::test]
async fn a_call_is_hung_up_from_the_terminal() {
    let mut server = TestServer::start().await;
    let (mut line, _model) = call(&mut server, "CA1").await;
    let mut tail = Program::start(&server.url(""), &["tail"]);
    tail.types("/end").await;
    line.next_of("end").await;
    tail.prints("a supervisor hung up").await;
    assert_eq!(tail.ends().await.0, Some(0));
}

#[tokio::test]
async fn a_held_reply_is_sent_dropped_or_changed() {
    let mut server = TestServer::with(&[
        ("HOST", HOST),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN),
        ("REQUIRE_SUPERVISOR_FEEDBACK", "true"),
    ])
    .await;
    let (mut line, mut model) = call(&mut server, "CA1").await;
    let mut tail = Program::start(&server.url(""), &["tail"]);
    tail.types("/approve Hello").await;
    tail.prints("no reply is waiting for approval").await;
    says(&mut line, "Are you open?").await;
    let turn = asked(&mut model).await;
    model.reply(turn, "We are never open.").await;
    tail.prints("waits for a supervisor's yes: We are never open.").await;
    tail.types("certainly not").await;
    tail.prints("no question waits for this").await;
    tail.types("/reject We are open daily").await;
    tail.prints("a reply was dropped: We are open daily").await;
    let turn = asked(&mut model).await;
    model.reply(turn, "We are open daily.").await;
    tail.prints("yes: We are open daily.").await;
    tail.types("/approve").await;
    tail.prints("a supervisor sent the reply").await;
    assert!(heard(&mut line, "We are open daily.").await);
    says(&mut line, "On Sundays too?").await;
    let turn = asked(&mut model).await;
    model.reply(turn, "No.").await;
    tail.prints("yes: No.").await;
    tail.types("/approve On Sundays from ten.").await;
    assert!(heard(&mut line, "On Sundays from ten.").await);
}

/// Whether these are the next words on the line, fillers aside.
async fn heard(line: &mut JsonSocket, words: &str) -> bool {
    for _ in 0..4 {
        if line.utterance().await.trim() == words {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn among_several_calls_each_line_says_which_it_is_about() {
    let mut server = TestServer::start().await;
    let (mut one, _model) = call(&mut server, "CA00001a2b").await;
    let (mut two, _other) = call(&mut server, "CA00003c4d").await;
    let mut tail = Program::start(&server.url(""), &["tail"]);
    assert!(tail.prints("2 calls are live").await.starts_with('·'));
    says(&mut two, "I am the second").await;
    assert!(tail.prints("I am the second").await.starts_with("3c4d "));
    tail.types("/say Hello").await;
    let problem = tail.prints("/say Hello").await;
    assert!(problem.contains("1a2b") && problem.contains("3c4d"), "{problem}");
    tail.types("1A2B /say Hello").await;
    assert_eq!(one.utterance().await.trim(), "Hello");
    let mut named = Program::start(&server.url(""), &["tail", "3c4d"]);
    named.types("/press 5").await;
    assert_eq!(two.next_of("sendDigits").await["digits"], "5");
    let (call, _third) = call(&mut server, "CA00005e6f").await;
    assert!(tail.prints("calls +15005550002").await.starts_with("5e6f "), "a call that came later");
    drop(call);
}

#[tokio::test]
async fn the_end_of_the_input_ends_the_commands_alone() {
    let mut server = TestServer::start().await;
    let (mut line, mut model) = call(&mut server, "CA1").await;
    let mut tail = Program::start(&server.url(""), &["tail", "--json"]);
    tail.types("/whisper Be brief.").await;
    drop(tail.typed.take());
    tail.prints("\"whisper\"").await;
    says(&mut line, "hello").await;
    let turn = asked(&mut model).await;
    let delta = FromModel::Text { turn, text: "Good ".into() };
    model.facts.send(delta).await.unwrap();
    tail.prints("\"hello\"").await;
    server.webhook("/call_status", &[("CallSid", "CA1"), ("CallStatus", "completed")]).await;
    let (code, rest, complaints) = tail.ends().await;
    assert_eq!(code, Some(0), "{complaints}");
    assert!(complaints.contains("done: whisper"), "{complaints}");
    let rest: Vec<Value> = rest.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rest.last().unwrap()["type"], "session_end", "events and nothing else");
}

#[tokio::test]
async fn a_socket_that_drops_is_picked_up_where_it_was_lost() {
    let mut server = TestServer::start().await;
    let (_line, _model) = call(&mut server, "CA1").await;
    let (address, cut) = shaky(&server.running.addr.to_string()).await;
    let mut tail = Program::start(&address, &["tail", "CA1", "--json"]);
    let whisper = |text: &'static str| json!({ "callSid": "CA1", "text": text });
    server.post("/override/whisper", &whisper("first")).await;
    let mut seqs = vec![seq(&tail.prints("\"first\"").await)];
    cut.send(true).unwrap();
    server.post("/override/whisper", &whisper("while it was gone")).await;
    cut.send(false).unwrap();
    server.post("/override/whisper", &whisper("afterwards")).await;
    let next = async { tail.printed.next_line().await.unwrap().unwrap() };
    seqs.push(seq(&in_time(next).await));
    seqs.push(seq(&tail.prints("\"afterwards\"").await));
    assert_eq!(seqs, [seqs[0], seqs[0] + 1, seqs[0] + 2], "nothing lost and nothing twice");
    tail.types("/quit").await;
    let (_, _, complaints) = tail.ends().await;
    assert!(complaints.contains("the server is back"), "{complaints}");
}

fn seq(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()
}

/// A proxy before the address that can be cut: its URL, and `true` for as long as it is cut.
async fn shaky(to: &str) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (cut, is_cut) = watch::channel(false);
    let to = to.to_owned();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (mut is_cut, to) = (is_cut.clone(), to.clone());
            tokio::spawn(async move {
                let copy = async {
                    let mut far = TcpStream::connect(to).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                };
                tokio::select! {
                    biased;
                    _ = is_cut.wait_for(|cut| *cut) => {}
                    _ = copy => {}
                }
            });
        }
    });
    (url, cut)
}

#[tokio::test]
async fn whoever_may_not_come_in_is_told_what_to_do() {
    let server = TestServer::start().await;
    for command in ["list", "tail", "show"] {
        let call: &[&str] = if command == "show" { &["CA1"] } else { &[] };
        let arguments = [&[command], call].concat();
        let wrong = Program::with_token(&server.url(""), "not-the-token-at-all", &arguments);
        let (code, out, complaint) = wrong.ends().await;
        assert_eq!((code, out.len()), (Some(1), 0), "{complaint}");
        assert!(complaint.contains("--token") && complaint.contains("admin-token"), "{complaint}");
        assert!(!complaint.contains("not-the-token"), "{complaint}");
        let (code, _, complaint) =
            Program::with_token(&server.url(""), "", &arguments).ends().await;
        assert_eq!(code, Some(1), "{complaint}");
        assert!(complaint.contains("PHONY_ADMIN_TOKEN"), "{complaint}");
    }
    let address = format!("http://127.0.0.1:{}", free_port());
    let (code, _, complaint) = Program::start(&address, &["tail"]).ends().await;
    assert_eq!(code, Some(1));
    assert!(complaint.contains("phony serve"), "{complaint}");
    let (code, _, complaint) = Program::start(&server.url(""), &["tail", "CA9"]).ends().await;
    assert_eq!(code, Some(1));
    assert!(complaint.contains("no call `CA9`") && complaint.contains("phony calls list"));
    assert_eq!(Program::start("nonsense", &["list"]).ends().await.0, Some(2));
}

#[tokio::test]
async fn calls_are_listed_and_one_is_shown() {
    let mut server = TestServer::start().await;
    let (_, out, _) = Program::start(&server.url(""), &[]).ends().await;
    assert_eq!(out, ["There are no such calls."]);
    let (mut line, _model) = call(&mut server, "CA0000aaaa").await;
    server.ring("CA0000bbbb").await;
    server.webhook("/call_status", &[("CallSid", "CA0000bbbb"), ("CallStatus", "busy")]).await;
    server.until_live(1).await;
    let (code, out, _) = Program::start(&server.url(""), &["list"]).ends().await;
    assert_eq!((code, out.len()), (Some(0), 2), "{out:#?}");
    assert!(out[0].starts_with("CA0000bbbb") && out[0].contains("the line was engaged"), "{out:?}");
    assert!(out[1].starts_with("CA0000aaaa") && out[1].contains("live"), "{out:?}");
    let (_, now, _) = Program::start(&server.url(""), &["list", "--live"]).ends().await;
    assert_eq!(now, out[1..]);
    says(&mut line, "Is anybody there?").await;
    let mut tail = Program::start(&server.url(""), &["tail", "aaaa"]);
    tail.prints("Is anybody there?").await;
    let (code, out, _) = Program::start(&server.url(""), &["show", "aaaa"]).ends().await;
    assert_eq!(code, Some(0));
    let said = out.last().unwrap();
    assert!(said.contains("caller") && said.ends_with("Is anybody there?"), "{out:#?}");
    let (_, out, _) = Program::start(&server.url(""), &["show", "aaaa", "--json"]).ends().await;
    let whole: Value = serde_json::from_str(&out.concat()).unwrap();
    assert_eq!(whole["callSid"], "CA0000aaaa");
}
