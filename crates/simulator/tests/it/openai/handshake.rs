//! The handshake, and who is refused.

use phony_simulator::openai::{OpenAiOptions, start};
use serde_json::{Value, json};

use super::client::{Client, End, echo, refusal, request};

#[tokio::test]
async fn a_client_without_a_key_is_refused() {
    let server = echo().await;
    let mut request = request(server.addr(), "gpt-realtime-2.1");
    request.headers_mut().remove("authorization");
    assert_eq!(refusal(request).await, (401, json!("invalid_api_key")));
    server.stop().await;
}

#[tokio::test]
async fn only_the_right_key_is_accepted_where_one_is_set() {
    let options = OpenAiOptions { api_key: Some("right".into()), ..OpenAiOptions::default() };
    let server = start(options).await.unwrap();
    let wrong = request(server.addr(), "gpt-realtime-2.1");
    assert_eq!(refusal(wrong).await, (401, json!("invalid_api_key")));
    let mut right = request(server.addr(), "gpt-realtime-2.1");
    right.headers_mut().insert("authorization", "Bearer right".parse().unwrap());
    assert_eq!(Client::with(right).await.event().await["type"], "session.created");
    server.stop().await;
}

#[tokio::test]
async fn a_model_that_is_unknown_or_shut_down_is_not_found() {
    let server = echo().await;
    for model in ["gpt-9", "gpt-4o-realtime-preview", "gpt-realtime-mini-2025-10-06"] {
        let answer = refusal(request(server.addr(), model)).await;
        assert_eq!(answer, (404, json!("model_not_found")), "{model}");
    }
    let mut none = request(server.addr(), "x");
    *none.uri_mut() = format!("ws://{}/v1/realtime", server.addr()).parse().unwrap();
    assert_eq!(refusal(none).await, (400, json!("missing_required_parameter")));
    server.stop().await;
}

#[tokio::test]
async fn the_beta_dialect_is_refused_after_the_upgrade() {
    let server = echo().await;
    let mut beta = request(server.addr(), "gpt-realtime-2.1");
    beta.headers_mut().insert("openai-beta", "realtime=v1".parse().unwrap());
    let mut client = Client::with(beta).await;
    assert_eq!(client.event().await["error"]["code"], "beta_api_shape_disabled");
    assert_eq!(client.end().await, End::Closed(1005));
    server.stop().await;
}

#[tokio::test]
async fn models_are_listed_with_their_shutdown_date() {
    let server = echo().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let url = format!("{}/models", server.base_url());
    let list: Value = http.get(&url).bearer_auth("k").send().await.unwrap().json().await.unwrap();
    let day = |id: &str| {
        let models = list["data"].as_array().unwrap();
        models.iter().find(|model| model["id"] == id).unwrap()["shutdown_date"].clone()
    };
    assert_eq!(day("gpt-realtime-2.1"), Value::Null);
    assert_eq!(day("gpt-realtime"), "2027-01-20");
    let one: Value = http
        .get(format!("{url}/gpt-realtime"))
        .bearer_auth("k")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(one["shutdown_date"], "2027-01-20");
    assert_eq!(http.get(&url).send().await.unwrap().status(), 401);
    server.stop().await;
}

#[tokio::test]
async fn stopping_closes_every_socket() {
    let server = echo().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::connect(&server).await);
    }
    assert_eq!((server.stats().connections, server.stats().open), (5, 5));
    let addr = server.addr();
    let (ends, ()) = tokio::join!(
        async {
            let mut ends = Vec::new();
            for client in &mut clients {
                ends.push(client.end().await);
            }
            ends
        },
        server.stop()
    );
    assert!(ends.iter().all(|end| *end == End::Closed(1001)), "{ends:?}");
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}
