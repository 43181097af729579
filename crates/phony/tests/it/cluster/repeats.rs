//! What the carrier asks or says once more, of a server that does not have the call.

use phony_simulator::callers::Caller;
use phony_simulator::openai::Brain;
use phony_wire::twilio::signature;

use super::town::{Town, bounded, until};
use crate::house::{AUTH_TOKEN, CALLED, CALLER, HOST};

async fn webhook(town: &Town, node: usize, path: &str, form: &[(&str, &str)]) -> (u16, String) {
    let signature = signature::sign(AUTH_TOKEN, &format!("https://{HOST}{path}"), form);
    let request = town.http.post(town.nodes[node].url(path)).header(signature::HEADER, signature);
    let answer = request.form(form).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn form(call: &str) -> [(&str, &str); 3] {
    [("CallSid", call), ("From", CALLER), ("To", CALLED)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_question_gets_the_same_answer_of_every_server_and_later_none() {
    let town = Town::start(2, 8.0, Brain::Echo).await;
    let unheard = "CA00000000000000000000000000000042";
    let (_, first) = webhook(&town, 0, "/receive_call", &form(unheard)).await;
    assert!(first.contains("<Connect"), "{first}");
    for node in [1, 0, 1] {
        assert_eq!(webhook(&town, node, "/receive_call", &form(unheard)).await.1, first);
    }
    let call = town.twilio.dial_in(CALLER, CALLED, Caller::silent()).unwrap();
    let mut view = town.view(0, "").await;
    loop {
        let event = bounded(20, view.next()).await.unwrap();
        if event["type"] == "connected" && event["callSid"] == call.as_str() {
            break;
        }
    }
    for node in [0, 1] {
        let (status, later) = webhook(&town, node, "/receive_call", &form(&call)).await;
        assert!(status == 200 && !later.contains("<Connect"), "{later}");
    }
    let over = [&form(&call)[..], &[("CallStatus", "completed")]].concat();
    assert_eq!(webhook(&town, 0, "/call_status", &over).await.0, 204);
    town.history(1, &call).await;
    for node in [0, 1] {
        let (status, later) = webhook(&town, node, "/receive_call", &form(&call)).await;
        assert!(status == 200 && !later.contains("<Connect"), "{later}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_cannot_be_passed_on_is_refused_and_passed_on_later() {
    let town = Town::start(2, 8.0, Brain::Echo).await;
    let call = town.twilio.dial_in(CALLER, CALLED, Caller::silent()).unwrap();
    let mut view = town.view(0, "").await;
    while bounded(20, view.next()).await.unwrap()["type"] != "connected" {}
    let owner = town.owner().await;
    town.redis().pause();
    let over = [&form(&call)[..], &[("CallStatus", "completed")]].concat();
    let (status, body) = webhook(&town, 1 - owner, "/call_status", &over).await;
    assert_eq!(status, 503, "{body}");
    town.redis().go_on();
    until(20, async || (town.get(owner, "/healthz").await.1["activeCalls"] == 0).then_some(()))
        .await;
    let events = town.history(owner, &call).await;
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
}
