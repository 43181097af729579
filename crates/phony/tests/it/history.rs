//! History: what is known of calls after they have ended, and after the server has.

use std::sync::Arc;
use std::time::Duration;

use phony::store::{Sqlite, Store as _, sqlite};
use phony_call::CallSid;
use phony_wire::twilio::signature;
use serde_json::{Value, json};

use crate::command::Run;
use crate::house::{AUTH_TOKEN, FakeModel, HOST, House, Line, house, house_on, soon};

/// A call whose greeting has been sent, and its model.
async fn call(house: &mut House, sid: &str) -> (Line, FakeModel) {
    let twiml = house.ring(sid).await;
    let mut line = house.connect(sid, &twiml).await;
    line.utterance().await;
    let model = house.model().await;
    model.ready().await;
    (line, model)
}

/// A call in which these words are said and answered.
async fn hold(house: &mut House, sid: &str, words: &str, answer: &str) {
    let (mut line, mut model) = call(house, sid).await;
    line.prompt(words).await;
    let (turn, _) = model.asked().await;
    model.reply(turn, answer).await;
    assert_eq!(line.utterance().await, answer);
    let played = json!({ "type": "info", "name": "tokensPlayed", "value": answer });
    line.send(&played).await;
    let mut told = house.events(&format!("?callSid={sid}")).await;
    while told.next_of("assistant_response").await["text"] != answer {}
    let order = json!({ "callSid": sid, "text": "This is a person." });
    assert_eq!(house.post("/override/text", &order).await.0, 200);
    let order = json!({ "callSid": sid, "digit": "5" });
    assert_eq!(house.post("/override/dtmf", &order).await.0, 200);
    house.webhook("/call_status", &[("CallSid", sid), ("CallStatus", "completed")]).await;
    house.until_live(0).await;
}

async fn delete(house: &House, path: &str) -> u16 {
    let request = house.http.delete(house.url(path)).bearer_auth(House::token());
    request.send().await.unwrap().status().as_u16()
}

async fn text(house: &House, path: &str) -> String {
    let request = house.http.get(house.url(path)).bearer_auth(House::token());
    request.send().await.unwrap().text().await.unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    page["calls"].as_array().unwrap().iter().map(|c| c["callSid"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_call_is_the_same_after_a_restart_of_the_server() {
    let mut first = house().await;
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
    let mut house = house().await;
    hold(&mut house, "CA1", "I lost my debit card", "I am sorry to hear that.").await;
    hold(&mut house, "CA2", "Do you take cards?", "Every kind of card.").await;
    let (_line, _model) = call(&mut house, "CA3").await;
    let (_, page) = house.get("/calls").await;
    assert_eq!(ids(&page), ["CA3", "CA2", "CA1"]);
    assert_eq!(
        (&page["calls"][0]["live"], &page["calls"][0]["status"]),
        (&json!(true), &json!("live"))
    );
    let found = async |query: &str| {
        let (status, page) = house.get(&format!("/calls?{query}")).await;
        assert_eq!(status, 200, "{page}");
        ids(&page).join(" ")
    };
    // What was said a moment ago is on its way to the index.
    let soon_found = async {
        while found("q=card").await != "CA2 CA1" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(soon_found).await;
    assert_eq!(found("q=debit+card").await, "CA1");
    assert_eq!(found("q=card&live=true").await, "");
    assert_eq!(found("q=CA3").await, "CA3");
    assert_eq!(found("live=false").await, "CA2 CA1");
    assert_eq!(found("status=live").await, "CA3");
    assert_eq!(found("direction=outbound").await, "");
    assert_eq!(found("number=%2B1+(500)+555-0001&agent=assistant").await, "CA3 CA2 CA1");
    assert_eq!(found("since=2020-01-01&until=2021-01-01").await, "");
    let (_, page) = house.get("/calls?q=every+card&limit=1").await;
    assert_eq!(page["calls"][0]["match"]["text"], "Every kind of card.");
    let seq = &page["calls"][0]["match"]["seq"];
    let (_, record) = house.get("/calls/CA2").await;
    let turns = record["turns"].as_array().unwrap();
    assert!(turns.iter().any(|turn| turn["seq"] == *seq), "it leads to a turn");
    let (_, page) = house.get("/calls?q=card&limit=1").await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(found(&format!("q=card&limit=1&cursor={next}")).await, "CA1");
    for wrong in ["live=perhaps", "limit=0", "cursor=CA1", "direction=up", "status=odd", "since=x"]
    {
        let (status, body) = house.get(&format!("/calls?{wrong}")).await;
        let field = wrong.split('=').next().unwrap();
        assert_eq!((status, &body["error"]["details"]["field"]), (400, &json!(field)), "{wrong}");
    }
}

#[tokio::test]
async fn a_deleted_call_is_gone_from_everything_even_the_file() {
    let mut house = house().await;
    let secret = "xylophonecode";
    hold(&mut house, "CA1", &format!("my password is {secret}"), "Never tell it.").await;
    hold(&mut house, "CA2", "hello", "Hello.").await;
    let (_line, _model) = call(&mut house, "CA3").await;
    assert_eq!(delete(&house, "/calls/CA3").await, 409, "it is live");
    assert_eq!(delete(&house, "/calls/CA9").await, 404);
    house.until_kept("CA1").await;
    assert!(house.files().windows(secret.len()).any(|part| part == secret.as_bytes()));
    assert_eq!(delete(&house, "/calls/CA1").await, 200);
    assert_eq!(delete(&house, "/calls/CA1").await, 404);
    assert_eq!(house.get("/calls/CA1").await.0, 404);
    assert_eq!(house.get(&format!("/calls?q={secret}")).await.1["calls"], json!([]));
    let left = house.files();
    assert!(!left.windows(secret.len()).any(|part| part == secret.as_bytes()), "not a byte of it");
    let (_, page) = house.get("/calls").await;
    assert_eq!(ids(&page), ["CA3", "CA2"]);
}

#[tokio::test]
async fn calls_are_exported_whole() {
    let mut house = house().await;
    hold(&mut house, "CA1", "I lost my card", "I am sorry.").await;
    hold(&mut house, "CA2", "hello, \"you\"", "Hello.").await;
    let lines = text(&house, "/calls/export?format=jsonl").await;
    let calls: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(calls.len(), 2);
    assert_eq!((&calls[0]["callSid"], &calls[1]["callSid"]), (&json!("CA2"), &json!("CA1")));
    assert_eq!(calls[1]["events"][0]["type"], "session_start");
    assert_eq!(calls[1]["events"].as_array().unwrap().last().unwrap()["type"], "session_end");
    let table = text(&house, "/calls/export?format=csv").await;
    let rows: Vec<_> = table.split("\r\n").collect();
    assert!(rows[0].starts_with("callSid,startedAt,endedAt"), "{table}");
    assert!(rows[1].starts_with("CA2,") && rows[1].contains(",caller_hung_up,"), "{table}");
    assert_eq!(rows.len(), 4);
    let said = text(&house, "/calls/export?format=txt&q=CA1").await;
    assert!(said.contains("caller: I lost my card") && !said.contains("CA2"), "{said}");
    let (status, _) = house.get("/calls/export?format=pdf").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_full_disk_holds_up_nobody_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join(sqlite::FILE)).unwrap();
    let mut house = house_on(Arc::new(store.clone())).await;
    hold(&mut house, "CA1", "hello", "Hello.").await;
    house.until_kept("CA1").await;
    store.cap(Some(0)).await.unwrap();
    let words = "so many words that no page of the file has room for them left ".repeat(60);
    let (mut line, mut model) = call(&mut house, "CA2").await;
    for n in 0..5 {
        line.prompt(&format!("{n} {words}")).await;
        let (turn, _) = model.asked().await;
        model.reply(turn, "I see.").await;
        assert_eq!(line.utterance().await, "I see.", "the caller notices nothing");
    }
    let ready = async || {
        let response = house.http.get(house.url("/readyz")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (_, why) = soon(async {
        loop {
            let answer = ready().await;
            if answer.0 == 503 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(why.contains("full") && !why.contains('/'), "{why}");
    house.webhook("/call_status", &[("CallSid", "CA2"), ("CallStatus", "completed")]).await;
    house.until_live(0).await;
    let (status, held) = house.get("/calls/CA2").await;
    assert_eq!((status, &held["status"]), (200, &json!("ended")), "it is held in memory");
    let sid = CallSid::parse("CA2").unwrap();
    let kept = store.summary(&sid).await.unwrap();
    assert!(kept.is_none_or(|line| line.end.is_none()), "and not in the file");
    store.cap(None).await.unwrap();
    soon(async {
        while ready().await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    house.until_kept("CA2").await;
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
            .with("PHONY_ADMIN_TOKEN", &House::token())
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
    let http = reqwest_client();
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
            assert_eq!(request.bearer_auth(House::token()).send().await.unwrap().status(), 200);
        }
        // What is older than this is safe.
        tokio::time::sleep(Duration::from_millis(200)).await;
    });
    first.kill();
    let (_second, lines) = serve();
    let base = format!("http://{}", address(&lines));
    runtime.block_on(async {
        let record = async || -> Value {
            let request = http.get(format!("{base}/calls/CA1")).bearer_auth(House::token());
            request.send().await.unwrap().json().await.unwrap()
        };
        let call = record().await;
        assert_eq!(call["overrides"].as_array().unwrap().len(), 20, "{call:#}");
        assert_eq!((&call["live"], &call["phase"]), (&json!(true), &json!("ringing")));
        soon(async {
            while record().await["live"] == true {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
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
    let mut house = house().await;
    hold(&mut house, "CA0000aaaa", "I lost my card", "I am sorry.").await;
    hold(&mut house, "CA0000bbbb", "hello", "Hello.").await;
    house.until_kept("CA0000bbbb").await;
    let server = house.url("");
    let run = |arguments: &'static [&'static str], online: bool| {
        let data = house.data().display().to_string();
        let mut all = vec!["calls"];
        all.extend_from_slice(arguments);
        if online {
            all.extend_from_slice(&["--server", &server]);
        }
        let run = Run::new(&all).with("PHONY_ADMIN_TOKEN", &House::token());
        let run = run.with("PHONY_DATA_DIR", &data).with("PORT", "1");
        tokio::task::spawn_blocking(move || run.done())
    };
    let online = run(&["export", "--format", "csv", "--search", "card"], true).await.unwrap();
    assert_eq!((online.code, online.out.lines().count()), (Some(0), 2), "{}", online.err);
    let unsure = run(&["delete", "aaaa"], true).await.unwrap();
    assert_eq!(unsure.code, Some(2), "nobody can be asked: {}", unsure.err);
    let done = run(&["delete", "aaaa", "--yes"], true).await.unwrap();
    assert_eq!((done.code, done.out.trim()), (Some(0), "CA0000aaaa is deleted."), "{}", done.err);
    assert_eq!(house.get("/calls/CA0000aaaa").await.0, 404);
    // Nobody listens on port 1, so the folder is read.
    let offline = run(&["export", "--format", "txt"], false).await.unwrap();
    assert!(offline.out.contains("caller: hello") && !offline.out.contains("card"), "{offline:?}");
    let done = run(&["delete", "bbbb", "--yes"], false).await.unwrap();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let left = run(&["export", "--format", "csv"], false).await.unwrap();
    assert_eq!(left.out.lines().count(), 1, "{left:?}");
}

fn reqwest_client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().build().unwrap()
}
