//! History: what is known of calls after their end, and after a restart.

use std::sync::Arc;

use phony::store::{Sqlite, Store as _, sqlite};
use phony_call::CallSid;
use phony_wire::twilio::signature;
use serde_json::{Value, json};

use crate::support::http;
use crate::support::program::Run;
use crate::support::server::{AUTH_TOKEN, FakeModel, HOST, JsonSocket, TestServer, stored};
use crate::support::wait::eventually;

/// A call whose greeting has been sent, and its model.
async fn call(server: &mut TestServer, sid: &str) -> (JsonSocket, FakeModel) {
    let twiml = server.ring(sid).await;
    let mut line = server.connect(sid, &twiml).await;
    line.utterance().await;
    let model = server.model().await;
    model.ready().await;
    (line, model)
}

/// Holds a call in which `words` are said and answered.
async fn hold(server: &mut TestServer, sid: &str, words: &str, answer: &str) {
    let (mut line, mut model) = call(server, sid).await;
    line.prompt(words).await;
    let (turn, _) = model.asked().await;
    model.reply(turn, answer).await;
    assert_eq!(line.utterance().await, answer);
    let played = json!({ "type": "info", "name": "tokensPlayed", "value": answer });
    line.send(&played).await;
    let mut told = server.events(&format!("?callSid={sid}")).await;
    while told.next_of("assistant_response").await["text"] != answer {}
    let order = json!({ "callSid": sid, "text": "This is a person." });
    assert_eq!(server.post("/override/text", &order).await.0, 200);
    let order = json!({ "callSid": sid, "digit": "5" });
    assert_eq!(server.post("/override/dtmf", &order).await.0, 200);
    server.webhook("/call_status", &[("CallSid", sid), ("CallStatus", "completed")]).await;
    server.until_live(0).await;
}

async fn delete(server: &TestServer, path: &str) -> u16 {
    let request = server.http.delete(server.url(path)).bearer_auth(TestServer::token());
    request.send().await.unwrap().status().as_u16()
}

async fn text(server: &TestServer, path: &str) -> String {
    let request = server.http.get(server.url(path)).bearer_auth(TestServer::token());
    request.send().await.unwrap().text().await.unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    page["calls"].as_array().unwrap().iter().map(|c| c["callSid"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_call_is_the_same_after_a_restart_of_the_server() {
    let mut first = TestServer::start().await;
    hold(&mut first, "CA1", "I lost my debit card", "I am sorry to hear that.").await;
    hold(&mut first, "CA2", "When do you open?", "At nine.").await;
    let (_, before) = first.get("/calls/CA1").await;
    let said = text(&first, "/calls/CA1/transcript?format=txt").await;
    let second = first.restart().await;
    let (status, after) = second.get("/calls/CA1").await;
    assert_eq!((status, &after), (200, &before));
    assert_eq!((&after["status"], &after["live"]), (&json!("ended"), &json!(false)));
    assert_eq!((&after["from"], &after["agent"]), (&json!("+15005550001"), &json!("assistant")));
    assert_eq!(after["endReason"], "caller_hung_up");
    let deeds = after["overrides"].as_array().unwrap();
    let kinds: Vec<_> = deeds.iter().map(|deed| deed["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["say", "press"], "{after:#}");
    assert_eq!(
        (&deeds[0]["by"], &deeds[0]["text"]),
        (&json!("supervisor"), &json!("This is a person."))
    );
    assert_eq!(after["commands"][0]["command"], "press");
    let turns = after["turns"].as_array().unwrap();
    let answer = turns.iter().find(|turn| turn["turn"] == 1).unwrap();
    assert!(answer["latency"]["firstTokenMs"].is_u64(), "{answer:#}");
    assert!(answer["latency"]["firstSpokenMs"].is_u64(), "{answer:#}");
    assert_eq!(text(&second, "/calls/CA1/transcript?format=txt").await, said);
    assert!(said.contains("caller: I lost my debit card"), "{said}");
    let mut replay = second.events("?callSid=CA1&after=1").await;
    assert_eq!(replay.next().await["seq"], 2);
    let end = replay.next_of("session_end").await;
    assert_eq!(end["seq"], after["lastSeq"]);
    assert_eq!(replay.closed().await, Some(1000));
    let (status, body) = second.post("/override/end", &json!({ "callSid": "CA1" })).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("CONFLICT")));
}

#[tokio::test]
async fn calls_are_found_by_what_was_said_and_by_who_and_when() {
    let mut server = TestServer::start().await;
    hold(&mut server, "CA1", "I lost my debit card", "I am sorry to hear that.").await;
    hold(&mut server, "CA2", "Do you take cards?", "Every kind of card.").await;
    let (_line, _model) = call(&mut server, "CA3").await;
    let (_, page) = server.get("/calls").await;
    assert_eq!(ids(&page), ["CA3", "CA2", "CA1"]);
    assert_eq!(
        (&page["calls"][0]["live"], &page["calls"][0]["status"]),
        (&json!(true), &json!("live"))
    );
    let found = async |query: &str| {
        let (status, page) = server.get(&format!("/calls?{query}")).await;
        assert_eq!(status, 200, "{page}");
        ids(&page).join(" ")
    };
    // Words are indexed a moment after they are said.
    eventually(async || (found("q=card").await == "CA2 CA1").then_some(())).await;
    assert_eq!(found("q=debit+card").await, "CA1");
    assert_eq!(found("q=card&live=true").await, "");
    assert_eq!(found("q=CA3").await, "CA3");
    assert_eq!(found("live=false").await, "CA2 CA1");
    assert_eq!(found("status=live").await, "CA3");
    assert_eq!(found("direction=outbound").await, "");
    assert_eq!(found("number=%2B1+(500)+555-0001&agent=assistant").await, "CA3 CA2 CA1");
    assert_eq!(found("since=2020-01-01&until=2021-01-01").await, "");
    let (_, page) = server.get("/calls?q=every+card&limit=1").await;
    assert_eq!(page["calls"][0]["match"]["text"], "Every kind of card.");
    let seq = &page["calls"][0]["match"]["seq"];
    let (_, record) = server.get("/calls/CA2").await;
    let turns = record["turns"].as_array().unwrap();
    assert!(turns.iter().any(|turn| turn["seq"] == *seq), "it leads to a turn");
    let (_, page) = server.get("/calls?q=card&limit=1").await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(found(&format!("q=card&limit=1&cursor={next}")).await, "CA1");
    for wrong in ["live=perhaps", "limit=0", "cursor=CA1", "direction=up", "status=odd", "since=x"]
    {
        let (status, body) = server.get(&format!("/calls?{wrong}")).await;
        let field = wrong.split('=').next().unwrap();
        assert_eq!((status, &body["error"]["details"]["field"]), (400, &json!(field)), "{wrong}");
    }
}

#[tokio::test]
async fn a_deleted_call_is_gone_from_everything_even_the_file() {
    let mut server = TestServer::start().await;
    let secret = "xylophonecode";
    hold(&mut server, "CA1", &format!("my password is {secret}"), "Never tell it.").await;
    hold(&mut server, "CA2", "hello", "Hello.").await;
    let (_line, _model) = call(&mut server, "CA3").await;
    assert_eq!(delete(&server, "/calls/CA3").await, 409, "it is live");
    assert_eq!(delete(&server, "/calls/CA9").await, 404);
    server.until_kept("CA1").await;
    assert!(server.files().windows(secret.len()).any(|part| part == secret.as_bytes()));
    assert_eq!(delete(&server, "/calls/CA1").await, 200);
    assert_eq!(delete(&server, "/calls/CA1").await, 404);
    assert_eq!(server.get("/calls/CA1").await.0, 404);
    assert_eq!(server.get(&format!("/calls?q={secret}")).await.1["calls"], json!([]));
    let left = server.files();
    assert!(!left.windows(secret.len()).any(|part| part == secret.as_bytes()), "not a byte of it");
    let (_, page) = server.get("/calls").await;
    assert_eq!(ids(&page), ["CA3", "CA2"]);
}

#[tokio::test]
async fn calls_are_exported_whole() {
    let mut server = TestServer::start().await;
    hold(&mut server, "CA1", "I lost my card", "I am sorry.").await;
    hold(&mut server, "CA2", "hello, \"you\"", "Hello.").await;
    let lines = text(&server, "/calls/export?format=jsonl").await;
    let calls: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(calls.len(), 2);
    assert_eq!((&calls[0]["callSid"], &calls[1]["callSid"]), (&json!("CA2"), &json!("CA1")));
    assert_eq!(calls[1]["events"][0]["type"], "session_start");
    assert_eq!(calls[1]["events"].as_array().unwrap().last().unwrap()["type"], "session_end");
    let table = text(&server, "/calls/export?format=csv").await;
    let rows: Vec<_> = table.split("\r\n").collect();
    assert!(rows[0].starts_with("callSid,startedAt,endedAt"), "{table}");
    assert!(rows[1].starts_with("CA2,") && rows[1].contains(",caller_hung_up,"), "{table}");
    assert_eq!(rows.len(), 4);
    let said = text(&server, "/calls/export?format=txt&q=CA1").await;
    assert!(said.contains("caller: I lost my card") && !said.contains("CA2"), "{said}");
    let (status, _) = server.get("/calls/export?format=pdf").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_full_disk_holds_up_nobody_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join(sqlite::FILE)).unwrap();
    let mut server = TestServer::on_store(Arc::new(store.clone())).await;
    hold(&mut server, "CA1", "hello", "Hello.").await;
    server.until_kept("CA1").await;
    store.cap(Some(0)).await.unwrap();
    let words = "so many words that no page of the file has room for them left ".repeat(60);
    let (mut line, mut model) = call(&mut server, "CA2").await;
    for n in 0..5 {
        line.prompt(&format!("{n} {words}")).await;
        let (turn, _) = model.asked().await;
        model.reply(turn, "I see.").await;
        assert_eq!(line.utterance().await, "I see.", "the caller notices nothing");
    }
    let ready = async || {
        let response = server.http.get(server.url("/readyz")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (_, why) = eventually(async || Some(ready().await).filter(|answer| answer.0 == 503)).await;
    assert!(why.contains("full") && !why.contains('/'), "{why}");
    server.webhook("/call_status", &[("CallSid", "CA2"), ("CallStatus", "completed")]).await;
    server.until_live(0).await;
    let (status, held) = server.get("/calls/CA2").await;
    assert_eq!((status, &held["status"]), (200, &json!("ended")), "it is held in memory");
    let sid = CallSid::parse("CA2").unwrap();
    let kept = store.summary(&sid).await.unwrap();
    assert!(kept.is_none_or(|line| line.end.is_none()), "and not in the file");
    store.cap(None).await.unwrap();
    eventually(async || (ready().await.0 == 200).then_some(())).await;
    server.until_kept("CA2").await;
    let events = store.events(&sid, 0).await.unwrap().unwrap();
    assert_eq!(events.len() as u64, held["lastSeq"].as_u64().unwrap(), "nothing is missing");
}

#[test]
fn what_a_killed_server_was_told_is_there_when_it_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let serve = || {
        Run::new(&["serve"])
            .with("PORT", "0")
            .with("HOST", HOST)
            .with("PHONY_BIND", "127.0.0.1")
            .with("PHONY_DATA_DIR", &data)
            .with("PHONY_ADMIN_TOKEN", &TestServer::token())
            .with("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
            .with("OPENAI_API_KEY", "sk-test")
            .with("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
            .file("phony.toml", "[policy]\nreconnect = \"1s\"\n")
            .serving("Phony listens on")
    };
    let address = |lines: &[String]| {
        let line = lines.iter().find(|line| line.contains("Phony listens on")).unwrap();
        line.split(' ').next_back().unwrap().to_owned()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut first, lines) = serve();
    let http = http::client();
    let base = format!("http://{}", address(&lines));
    runtime.block_on(async {
        let form = [("CallSid", "CA1"), ("From", "+15005550001"), ("To", "+15005550002")];
        let signed = signature::sign(AUTH_TOKEN, &format!("https://{HOST}/receive_call"), &form);
        let request = http.post(format!("{base}/receive_call")).form(&form);
        let answer = request.header(signature::HEADER, signed).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        for n in 0..20 {
            let order = json!({ "callSid": "CA1", "text": format!("guidance {n}") });
            let request = http.post(format!("{base}/override/whisper")).json(&order);
            assert_eq!(
                request.bearer_auth(TestServer::token()).send().await.unwrap().status(),
                200
            );
        }
        let is_whisper = |event: &&Value| event["type"] == "whisper";
        eventually(async || {
            let events = stored(folder.path(), "CA1").await;
            (events.iter().filter(is_whisper).count() == 20).then_some(())
        })
        .await;
    });
    first.kill();
    let (_second, lines) = serve();
    let base = format!("http://{}", address(&lines));
    runtime.block_on(async {
        let record = async || -> Value {
            let request = http.get(format!("{base}/calls/CA1")).bearer_auth(TestServer::token());
            request.send().await.unwrap().json().await.unwrap()
        };
        let call = record().await;
        assert_eq!(call["overrides"].as_array().unwrap().len(), 20, "{call:#}");
        assert_eq!((&call["live"], &call["phase"]), (&json!(true), &json!("ringing")));
        eventually(async || (record().await["live"] == false).then_some(())).await;
        assert_eq!(record().await["endReason"], "line_lost", "nobody took it up again");
    });
}

#[test]
fn a_file_of_a_later_version_is_left_alone_and_the_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(sqlite::FILE);
    drop(Sqlite::open(&path).unwrap());
    let file = rusqlite::Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let data = folder.path().display().to_string();
    let done = Run::new(&["serve"]).with("PORT", "0").with("PHONY_DATA_DIR", &data).done();
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("later version of Phony"), "{}", done.err);
    assert!(done.err.contains("PHONY_DATA_DIR"), "{}", done.err);
    std::fs::write(&path, "this is no database, and long enough to be read as one".repeat(20))
        .unwrap();
    let done = Run::new(&["serve"]).with("PORT", "0").with("PHONY_DATA_DIR", &data).done();
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("phony.db"), "{}", done.err);
}

#[tokio::test]
async fn calls_are_exported_and_deleted_from_the_terminal() {
    let mut server = TestServer::start().await;
    hold(&mut server, "CA0000aaaa", "I lost my card", "I am sorry.").await;
    hold(&mut server, "CA0000bbbb", "hello", "Hello.").await;
    server.until_kept("CA0000bbbb").await;
    let url = server.url("");
    let run = |arguments: &'static [&'static str], online: bool| {
        let data = server.data().display().to_string();
        let mut all = vec!["calls"];
        all.extend_from_slice(arguments);
        if online {
            all.extend_from_slice(&["--server", &url]);
        }
        let run = Run::new(&all).with("PHONY_ADMIN_TOKEN", &TestServer::token());
        let run = run.with("PHONY_DATA_DIR", &data).with("PORT", "1");
        tokio::task::spawn_blocking(move || run.done())
    };
    let online = run(&["export", "--format", "csv", "--search", "card"], true).await.unwrap();
    assert_eq!((online.code, online.out.lines().count()), (Some(0), 2), "{}", online.err);
    let unsure = run(&["delete", "aaaa"], true).await.unwrap();
    assert_eq!(unsure.code, Some(2), "nobody can be asked: {}", unsure.err);
    let done = run(&["delete", "aaaa", "--yes"], true).await.unwrap();
    assert_eq!((done.code, done.out.trim()), (Some(0), "CA0000aaaa is deleted."), "{}", done.err);
    assert_eq!(server.get("/calls/CA0000aaaa").await.0, 404);
    // Nothing listens on port 1, so the folder is read.
    let offline = run(&["export", "--format", "txt"], false).await.unwrap();
    assert!(offline.out.contains("caller: hello") && !offline.out.contains("card"), "{offline:?}");
    let done = run(&["delete", "bbbb", "--yes"], false).await.unwrap();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let left = run(&["export", "--format", "csv"], false).await.unwrap();
    assert_eq!(left.out.lines().count(), 1, "{left:?}");
}
