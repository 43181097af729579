//! A request never to be called again is kept even if the disk is full.

use std::path::Path;

use phony::safety::do_not_call::FILE;
use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::Callee;
use serde_json::Value;

use crate::support::outbound::{OutboundApp, THEM, ledger_of, order};
use crate::support::program::Run;
use crate::support::server::TestServer;
use crate::support::wait::outbound::eventually;

/// Makes writes to the list fail with a full disk, until [`make_room`].
fn take_room(data: &Path) {
    std::os::unix::fs::symlink("/dev/full", data.join(FILE)).unwrap();
}

fn make_room(data: &Path) {
    std::fs::remove_file(data.join(FILE)).unwrap();
}

/// A server that may call at any hour, with no model that readiness could depend on.
async fn app() -> OutboundApp {
    let nowhere = ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
    OutboundApp::with(&[("PHONY_CALLING_HOURS", "off"), nowhere]).await
}

/// Whether an order is refused because its number is listed.
async fn is_listed(server: &TestServer) -> bool {
    let (status, answer) = server.post("/calls", &order()).await;
    (status, answer["error"]["details"]["rule"].as_str()) == (422, Some("do_not_call"))
}

async fn readiness(server: &TestServer) -> (u16, String) {
    let (status, answer) = server.get("/readyz").await;
    (status, answer["error"]["message"].as_str().unwrap_or_default().to_owned())
}

async fn finding(server: &TestServer) -> Value {
    let (_, report) = server.get("/doctor").await;
    let findings = report["findings"].as_array().unwrap().iter();
    let found: Vec<_> = findings.filter(|finding| finding["id"] == "do_not_call").collect();
    assert_eq!(found.len(), 1, "{report}");
    found[0].clone()
}

#[tokio::test]
async fn a_wish_that_cannot_be_written_is_kept_told_and_found_again_after_a_restart() {
    let mut app: OutboundApp = app().await;
    take_room(app.server.data());
    let person = Caller::Script(vec![
        Step::reply("Never call me again!"),
        Step::reply("Fine."),
        Step::hang_up(),
    ]);
    app.twilio.set_callee(THEM, Callee::person(person));
    let sid = app.placed(&order()).await;
    let mut model = app.server.model().await;
    model.ready().await;
    let (turn, _) = model.asked().await;
    model.reply(turn, "I am sorry. It is done. [[do_not_call]]").await;
    app.over(&sid).await;
    assert!(is_listed(&app.server).await, "it is kept in memory");
    eventually(async || (readiness(&app.server).await.0 != 200).then_some(())).await;
    let (status, reason) = readiness(&app.server).await;
    assert_eq!(status, 503);
    for told in ["the do-not-call list cannot be written", "make room", "one entry is kept"] {
        assert!(reason.contains(told), "{told}: {reason}");
    }
    let found = finding(&app.server).await;
    assert_eq!(found["level"], "fail", "{found}");
    let lines = ledger_of(&app.server);
    assert!(lines.iter().any(|line| line["what"] == "do_not_call" && line["to"] == THEM));
    // The server restarts while the disk is full.
    app.server = app.server.restart().await;
    assert!(is_listed(&app.server).await, "the ledger knows");
    assert_eq!(readiness(&app.server).await.0, 503);
    make_room(app.server.data());
    eventually(async || (readiness(&app.server).await.0 == 200).then_some(())).await;
    let written = std::fs::read_to_string(app.server.data().join(FILE)).unwrap();
    assert!(written.contains(THEM) && written.ends_with('\n'), "{written}");
    assert_eq!(finding(&app.server).await["level"], "ok");
    assert!(is_listed(&app.server).await);
}

#[tokio::test]
async fn a_torn_line_of_the_list_is_told_and_swallows_no_other() {
    let app: OutboundApp = app().await;
    let data = app.server.data();
    let half = "{\"number\":\"+12125550199\",\"listed\":true,\"at\":\"2026-01-15T12";
    std::fs::write(data.join(FILE), half).unwrap();
    let folder = data.display().to_string();
    let run = async |arguments: &[&str]| {
        let run = Run::new(arguments).with("PHONY_DATA_DIR", &folder);
        tokio::task::spawn_blocking(move || run.done()).await.unwrap()
    };
    assert_eq!(run(&["dnc", "add", THEM]).await.code, Some(0));
    assert!(is_listed(&app.server).await, "the torn line has not swallowed it");
    let list = run(&["dnc", "list"]).await;
    assert!(list.err.contains("line 1") && list.err.contains("torn"), "{}", list.err);
    assert!(list.out.contains(THEM) && list.out.contains("+12125550199"), "{}", list.out);
    let found = finding(&app.server).await;
    assert_eq!(found["level"], "warn", "{found}");
    assert!(found["detail"].as_str().unwrap().contains("line 1"), "{found}");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_keeps_everybody_from_being_called() {
    let app: OutboundApp = app().await;
    let path = app.server.data().join(FILE);
    std::fs::create_dir(&path).unwrap();
    assert!(is_listed(&app.server).await);
    assert_eq!(finding(&app.server).await["level"], "fail");
    std::fs::remove_dir(&path).unwrap();
    app.placed(&order()).await;
}

#[tokio::test]
async fn a_server_without_a_list_is_ready() {
    let own = [("HOST", "phony.example.com"), ("TWILIO_AUTH_TOKEN", "12345")];
    let server = TestServer::with(&own).await;
    assert_eq!(readiness(&server).await.0, 200);
    assert_eq!(finding(&server).await["level"], "ok");
}
