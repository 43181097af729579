//! `phony load`: it holds calls, and reports what they cost.

#![cfg(target_os = "linux")]

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use phony::config::{Config, Sources};
use phony::server;
use serde_json::Value;
use tokio::process::Command;

use crate::support::wait::within;

/// How long a load test may take.
const LIMIT: Duration = Duration::from_mins(1);

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

async fn load(arguments: &str, settings: &[(&str, &str)]) -> Ended {
    let child = Command::new(env!("CARGO_BIN_EXE_phony"))
        .arg("load")
        .args(arguments.split_whitespace())
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within(LIMIT, child).await.expect("a program");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn line<'a>(report: &'a Value, name: &str) -> &'a Value {
    let lines = report["median"].as_array().expect("lines");
    lines.iter().find(|line| line["name"] == name).expect("a line of this name")
}

#[tokio::test]
async fn every_word_of_every_call_arrives_and_is_compared_with_the_floor() {
    let ended = load("--calls 12 --seconds 1 --rate 20 --words 10 --floor --json", &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    for side in ["phony", "floor"] {
        let figures = &report["rounds"][0][side];
        assert_eq!(figures["calls"], 12, "{side}");
        assert_eq!(figures["lost"], 0, "{side}");
        assert_eq!(figures["doubled"], 0, "{side}");
        assert_eq!(figures["failures"], serde_json::json!({}), "{side}");
        assert!(figures["words"].as_u64().expect("a count") > 12, "{side}: {figures}");
        assert!(figures["latency"]["p50Us"].as_f64() > Some(0.0), "{side}: {figures}");
        assert!(figures["idleKb"].as_u64() > Some(1000), "{side}: {figures}");
    }
    assert_eq!(report["rounds"][0]["phony"]["leftOver"], 0);
    assert!(line(&report, "latency p50, µs")["ratio"].as_f64() > Some(0.0));
}

#[tokio::test]
async fn a_server_that_runs_already_can_be_loaded() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let model = free.local_addr().expect("an address").port();
    drop(free);
    let folder = tempfile::tempdir().expect("a folder");
    let environment = [
        ("TWILIO_AUTH_TOKEN", "secret-of-a-test"),
        ("OPENAI_API_KEY", "sk-not-a-key"),
        ("OPENAI_BASE_URL", &format!("http://127.0.0.1:{model}/v1")),
        ("PORT", "0"),
        ("PHONY_DATA_DIR", folder.path().to_str().expect("a path")),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let config = Config::from_sources(Sources { environment, ..Sources::default() });
    let server = server::start(config.expect("a configuration")).await.expect("a server");
    let here = format!("--server http://{} --model-port {model}", server.addr);
    let arguments = format!("{here} --calls 3 --seconds 1 --rate 20 --words 5");
    let ended = load(&arguments, &[("TWILIO_AUTH_TOKEN", "secret-of-a-test")]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("latency p99"), "{}", ended.stdout);

    let ended = load(&arguments, &[("TWILIO_AUTH_TOKEN", "of-somebody-else")]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("/receive_call answered 403"), "{}", ended.stderr);
    server.kill();
    server.join().await;
}

#[tokio::test]
async fn too_few_open_files_are_noticed_at_the_start() {
    let ended = load("--calls 4000000000", &[]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("ulimit -n 8000000100"), "{}", ended.stderr);
}

#[tokio::test]
async fn wrong_usage_is_said_to_be_that() {
    for arguments in ["--rate 0", "--calls 0", "--pid 1", "--server http://127.0.0.1:1"] {
        assert_eq!(load(arguments, &[]).await.code, Some(2), "{arguments}");
    }
}
