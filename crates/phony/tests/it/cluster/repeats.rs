//! Repeated requests of the carrier, to a server that does not hold the call.

use phony_simulator::callers::Caller;
use phony_simulator::openai::Brain;
use phony_wire::twilio::signature;
use phony_wire::twilio::twiml::Twiml;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::cluster::{ClusterOptions, TestCluster};
use crate::support::server::{
    AUTH_TOKEN, CALLED, CALLER, HOST, JsonSocket, relay_url, setup, token_of,
};
use crate::support::wait::cluster::{eventually, in_time};

async fn webhook(
    cluster: &TestCluster,
    node: usize,
    path: &str,
    form: &[(&str, &str)],
) -> (u16, String) {
    let signature = signature::sign(AUTH_TOKEN, &format!("https://{HOST}{path}"), form);
    let request =
        cluster.http.post(cluster.nodes[node].url(path)).header(signature::HEADER, signature);
    let answer = request.form(form).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn form(call: &str) -> [(&str, &str); 3] {
    [("CallSid", call), ("From", CALLER), ("To", CALLED)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_question_gets_the_same_answer_of_every_server_and_later_none() {
    let cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let unheard = "CA00000000000000000000000000000042";
    let (_, first) = webhook(&cluster, 0, "/receive_call", &form(unheard)).await;
    assert!(first.contains("<Connect"), "{first}");
    for node in [1, 0, 1] {
        assert_eq!(webhook(&cluster, node, "/receive_call", &form(unheard)).await.1, first);
    }
    let call = cluster.twilio.dial_in(CALLER, CALLED, Caller::silent()).unwrap();
    let mut view = cluster.view(0, "").await;
    loop {
        let event = in_time(view.next()).await.unwrap();
        if event["type"] == "connected" && event["callSid"] == call.as_str() {
            break;
        }
    }
    for node in [0, 1] {
        let (status, later) = webhook(&cluster, node, "/receive_call", &form(&call)).await;
        assert!(status == 200 && !later.contains("<Connect"), "{later}");
    }
    let over = [&form(&call)[..], &[("CallStatus", "completed")]].concat();
    assert_eq!(webhook(&cluster, 0, "/call_status", &over).await.0, 204);
    cluster.history(1, &call).await;
    for node in [0, 1] {
        let (status, later) = webhook(&cluster, node, "/receive_call", &form(&call)).await;
        assert!(status == 200 && !later.contains("<Connect"), "{later}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_cannot_be_passed_on_is_refused_and_passed_on_later() {
    let cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let call = cluster.twilio.dial_in(CALLER, CALLED, Caller::silent()).unwrap();
    let mut view = cluster.view(0, "").await;
    while in_time(view.next()).await.unwrap()["type"] != "connected" {}
    let owner = cluster.owner().await;
    cluster.redis().pause();
    let over = [&form(&call)[..], &[("CallStatus", "completed")]].concat();
    let (status, body) = webhook(&cluster, 1 - owner, "/call_status", &over).await;
    assert_eq!(status, 503, "{body}");
    cluster.redis().go_on();
    eventually(async || (cluster.get(owner, "/healthz").await.1["activeCalls"] == 0).then_some(()))
        .await;
    let events = cluster.history(owner, &call).await;
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
}

/// A relay socket with this token.
async fn socket(cluster: &TestCluster, call: &str, token: &str) -> JsonSocket {
    let url = format!("ws://127.0.0.1:{}/relay/ws", cluster.nodes[0].port);
    let mut request = url.into_client_request().unwrap();
    let signature = signature::sign::<&str, &str>(AUTH_TOKEN, &relay_url(), &[]);
    request.headers_mut().insert(signature::HEADER, signature.parse().unwrap());
    let mut line = JsonSocket(tokio_tungstenite::connect_async(request).await.unwrap().0);
    line.send(&setup(call, token)).await;
    line
}

fn token_in(body: &str) -> String {
    token_of(&Twiml::parse(body).unwrap().twiml)
}

async fn killed_and_started(cluster: &mut TestCluster) {
    cluster.nodes[0].kill();
    cluster.again(0);
    cluster.until_ready(&cluster.nodes[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_has_answered_is_good_when_it_is_started_again() {
    let mut cluster =
        TestCluster::of(ClusterOptions { servers: 1, redis: false, ..ClusterOptions::default() })
            .await;
    let (asked, unasked) = ("CA1", "CA2");
    let (_, first) = webhook(&cluster, 0, "/receive_call", &form(unasked)).await;
    let of_unasked = token_in(&first);
    let (_, first) = webhook(&cluster, 0, "/receive_call", &form(asked)).await;
    let token = token_in(&first);
    killed_and_started(&mut cluster).await;
    let mut line = socket(&cluster, unasked, &of_unasked).await;
    assert!(line.utterance().await.starts_with("Hello"));
    for refused in [of_unasked.clone(), token.clone()] {
        let mut other = socket(&cluster, unasked, &refused).await;
        assert_eq!(other.closed().await, Some(1008), "used, or another call's");
    }
    // Two at once: one gets through, and only that one is answered from then on.
    let (_, again) = webhook(&cluster, 0, "/receive_call", &form(asked)).await;
    assert_eq!(again, first, "the same answer");
    let mut line = socket(&cluster, asked, &token).await;
    assert!(line.utterance().await.starts_with("Hello"));
    let (_, later) = webhook(&cluster, 0, "/receive_call", &form(asked)).await;
    assert!(!later.contains("<Connect"), "{later}");

    // The token of the lost line is valid as well; the first one is not.
    super::alone::is_stored(&cluster, asked, "connected").await;
    drop(line);
    let lost = [("SessionStatus", "failed"), ("SessionId", "VX00000000000000000000000000000000")];
    let (_, body) = webhook(&cluster, 0, "/call_ended", &[&form(asked)[..], &lost].concat()).await;
    let next = token_in(&body);
    killed_and_started(&mut cluster).await;
    let mut used = socket(&cluster, asked, &token).await;
    assert_eq!(used.closed().await, Some(1008), "used before the server was killed");
    let mut line = socket(&cluster, asked, &next).await;
    assert_eq!(line.utterance().await, "Sorry, I lost you for a second.");
    let mut other = socket(&cluster, asked, &next).await;
    assert_eq!(other.closed().await, Some(1008), "used");

    // After the end there is nothing to connect to.
    let over = [&form(asked)[..], &[("CallStatus", "completed")]].concat();
    assert_eq!(webhook(&cluster, 0, "/call_status", &over).await.0, 204);
    cluster.history(0, asked).await;
    for restarted in [false, true] {
        if restarted {
            super::alone::is_stored(&cluster, asked, "session_end").await;
            killed_and_started(&mut cluster).await;
        }
        for token in [&token, &next] {
            let mut line = socket(&cluster, asked, token).await;
            assert_eq!(line.closed().await, Some(1008));
        }
        let (_, later) = webhook(&cluster, 0, "/receive_call", &form(asked)).await;
        assert!(!later.contains("<Connect"), "{later}");
    }
}
