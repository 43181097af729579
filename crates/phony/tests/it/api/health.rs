//! Health checks, the dashboard page, and paths that do not exist.

use serde_json::json;

use crate::support::server::TestServer;

#[tokio::test]
async fn health_is_open_and_counts_calls() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let response = server.http.get(server.url("/healthz")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let health: serde_json::Value = response.json().await.unwrap();
    assert_eq!((&health["status"], &health["activeCalls"]), (&json!("ok"), &json!(1)));
    assert!(health["uptime"].is_u64());
}

#[tokio::test]
async fn a_server_that_cannot_take_calls_is_not_ready() {
    let server = TestServer::start().await;
    let ready = server.http.get(server.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let unset = TestServer::with(&[]).await;
    let ready = unset.http.get(unset.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("TWILIO_AUTH_TOKEN"));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let mut server = TestServer::start().await;
    server.ring("CA1").await;
    // The call runs, on a thread of its own.
    let _model = server.model().await;
    let request = server.http.get(server.url("/metrics")).bearer_auth(TestServer::token());
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("phony_calls_total"), "{text}");
}

#[tokio::test]
async fn the_root_leads_to_the_page() {
    let server = TestServer::start().await;
    let root = server.http.get(server.url("/")).send().await.unwrap();
    assert!(root.status().is_redirection());
    assert_eq!(root.headers()["location"], "/dashboard/");
    for path in ["/dashboard/", "/dashboard/calls/CA1"] {
        let page = server.http.get(server.url(path)).send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("script-src"));
    }
    let missing = server.http.get(server.url("/dashboard/nothing.js")).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn what_there_is_not_is_said_in_the_same_form() {
    let server = TestServer::start().await;
    let (status, body) = server.get("/nothing").await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("NOT_FOUND")));
    let (status, body) = server.get("/receive_call").await;
    assert_eq!((status, &body["error"]["code"]), (405, &json!("METHOD_NOT_ALLOWED")));
}

#[tokio::test]
async fn the_doctor_is_for_supervisors_and_says_what_there_is_to_mend() {
    // No other service is asked.
    let server = TestServer::with(&[
        ("TWILIO_AUTH_TOKEN", "12345"),
        ("PHONY_CALLING_HOURS", "09:00-20:30"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"),
    ])
    .await;
    let stranger = server.http.get(server.url("/doctor")).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    let (status, report) = server.get("/doctor").await;
    assert_eq!(status, 200);
    let findings = report["findings"].as_array().unwrap();
    let public = findings.iter().find(|finding| finding["id"] == "public_url").unwrap();
    assert_eq!(public["level"], "fail");
    assert!(public["mend"].as_str().unwrap().contains("HOST"));
    let disk = findings.iter().find(|finding| finding["id"] == "disk").unwrap();
    assert_eq!((&disk["level"], &disk["mend"]), (&json!("ok"), &json!(null)));
    assert_eq!(report["limits"]["callingHours"], "09:00-20:30");
    assert_eq!(report["node"]["port"], json!(server.running.addr.port()));
    assert_eq!(report["versions"]["phony"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_server_on_its_own_lists_itself() {
    let server = TestServer::start().await;
    let stranger = server.http.get(server.url("/nodes")).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    server.ring("CA1").await;
    let (status, body) = server.get("/nodes").await;
    assert_eq!(status, 200);
    let [node] = body["nodes"].as_array().unwrap().as_slice() else { panic!("{body}") };
    assert_eq!((&node["name"], &node["this"]), (&json!("this"), &json!(true)));
    assert_eq!((&node["state"], &node["activeCalls"]), (&json!("ready"), &json!(1)));
    assert_eq!(node["port"], json!(server.running.addr.port()));
    assert_eq!(body["incomplete"], json!(null));
    let unset = TestServer::with(&[]).await;
    let (_, body) = unset.get("/nodes").await;
    assert_eq!(body["nodes"][0]["state"], "not_ready");
    assert!(body["nodes"][0]["reason"].as_str().unwrap().contains("TWILIO_AUTH_TOKEN"));
}
