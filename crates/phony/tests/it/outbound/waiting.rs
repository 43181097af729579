//! Orders that wait for others: what is known at their turn counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Form;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use phony::safety::do_not_call::DoNotCallEntry;
use phony_call::PhoneNumber;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use super::placing::{ACCOUNT, by_hand, checked, resource};
use crate::support::outbound::{THEM, ledger_of, order, order_with, server_at};
use crate::support::server::TestServer;
use crate::support::twilio_spec::Checked;
use crate::support::wait::outbound::{eventually, in_time};

/// A server whose carrier is slow to take the first call.
struct Slow {
    server: TestServer,
    _api: Checked,
    /// Number of calls that the carrier was asked for.
    asked: Arc<AtomicUsize>,
    /// Notified when the carrier is asked for the first.
    first: Arc<Notify>,
    /// Lets the carrier answer.
    go: Arc<Semaphore>,
}

async fn slow() -> Slow {
    slow_with(&[("PHONY_CALLING_HOURS", "off")]).await
}

async fn slow_with(variables: &[(&str, &str)]) -> Slow {
    let (first, go) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (told, held) = (Arc::clone(&first), Arc::clone(&go));
    let (api, asked) = by_hand(move |_| {
        let (told, held) = (Arc::clone(&told), Arc::clone(&held));
        Box::pin(async move {
            told.notify_one();
            // Once it may answer, it answers all.
            drop(held.acquire().await);
        })
    })
    .await;
    let server = server_at(ACCOUNT, &api.base_url(), variables).await;
    Slow { server, _api: api, asked, first, go }
}

impl Slow {
    /// Gives an order in the background; status and body of the answer.
    fn ordering(&self, key: Option<&str>, body: &Value) -> tokio::task::JoinHandle<(u16, Value)> {
        let request =
            self.server.http.post(self.server.url("/calls")).bearer_auth(TestServer::token());
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        let sent = request.json(body).send();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            let answer = sent.await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.json().await.unwrap())
        })
    }

    /// Gives two orders for one number: the second waits while the carrier is asked for the first.
    async fn two(&self, key: Option<&str>) -> [tokio::task::JoinHandle<(u16, Value)>; 2] {
        let first = self.ordering(None, &order());
        in_time(self.first.notified()).await;
        let second = self.ordering(key, &order());
        // A pause to let the second one wait; the test expects the same if it does not yet.
        tokio::time::sleep(Duration::from_millis(300)).await;
        [first, second]
    }

    fn list(&self, number: &str) {
        let word = DoNotCallEntry {
            number: PhoneNumber::parse(number).unwrap(),
            listed: true,
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
            by: "test".into(),
        };
        self.server.running.app.safety.do_not_call.write(&word).unwrap();
    }

    /// Waits for a line of the ledger.
    async fn noted(&self, what: &str, rule: &str) {
        let is_it = |line: &Value| line["what"] == what && line["rule"] == rule;
        eventually(async || ledger_of(&self.server).iter().any(is_it).then_some(())).await;
    }
}

#[tokio::test]
async fn who_is_listed_while_an_order_for_them_waits_is_not_called() {
    let slow = slow().await;
    let [first, second] = slow.two(None).await;
    slow.list(THEM);
    slow.go.add_permits(10);
    assert_eq!(in_time(first).await.unwrap().0, 201);
    let (status, answer) = in_time(second).await.unwrap();
    assert_eq!((status, &answer["error"]["details"]["rule"]), (422, &json!("do_not_call")));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1, "the second was not dialled");
    slow.noted("refused", "do_not_call").await;
    let (_, page) = slow.server.get("/calls?status=refused").await;
    assert_eq!(page["calls"][0]["rule"], "do_not_call", "{page}");
}

#[tokio::test]
async fn the_places_are_counted_when_the_turn_comes() {
    let limit = "[dialing]\nconcurrent = 1\n";
    let off = ("PHONY_CALLING_HOURS", "off");
    let slow = slow_with(&[off, (crate::support::server::FILE, limit)]).await;
    let [first, second] = slow.two(None).await;
    slow.go.add_permits(10);
    assert_eq!(in_time(first).await.unwrap().0, 201);
    let (status, answer) = in_time(second).await.unwrap();
    assert_eq!((status, &answer["error"]["details"]["rule"]), (429, &json!("concurrent_calls")));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_stops_dials_nobody_who_waits() {
    let slow = slow().await;
    let [first, second] = slow.two(None).await;
    let keyed = slow.ordering(Some("k"), &order());
    slow.server.running.stop();
    // They are answered at once, while the first is still under way.
    for waiting in [second, keyed] {
        let (status, answer) = in_time(waiting).await.unwrap();
        assert_eq!((status, &answer["error"]["code"]), (503, &json!("UNAVAILABLE")), "{answer}");
    }
    slow.go.add_permits(10);
    assert_eq!(in_time(first).await.unwrap().0, 201, "what the carrier was asked for is a call");
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_order_that_waits_is_withdrawn_with_whoever_gave_it() {
    let slow = slow().await;
    let [first, second] = slow.two(None).await;
    // The connection is closed: the client would not hear of a call.
    second.abort();
    slow.noted("refused", "client_gone").await;
    slow.go.add_permits(10);
    assert_eq!(in_time(first).await.unwrap().0, 201);
    // The next order has had its turn, so the one before it is done.
    let other = slow.ordering(None, &order());
    assert_eq!(in_time(other).await.unwrap().0, 201);
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2, "the withdrawn one was not dialled");
    let (_, page) = slow.server.get("/calls?status=refused").await;
    assert_eq!(page["calls"][0]["rule"], "client_gone", "{page}");
}

#[tokio::test]
async fn an_order_under_a_key_is_carried_out_and_a_repeat_hears_of_it() {
    let slow = slow().await;
    let [first, second] = slow.two(Some("k")).await;
    second.abort();
    slow.go.add_permits(10);
    assert_eq!(in_time(first).await.unwrap().0, 201);
    let again = slow.ordering(Some("k"), &order());
    assert_eq!(in_time(again).await.unwrap().0, 201);
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2, "one call for each of two orders");
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_and_is_its_call() {
    let slow = slow().await;
    let first = slow.ordering(Some("k"), &order());
    in_time(slow.first.notified()).await;
    let repeat = slow.ordering(Some("k"), &order());
    let other = slow.ordering(Some("k"), &order_with(&json!({ "to": "+12125550199" })));
    slow.go.add_permits(10);
    let (first, repeat) = (in_time(first).await.unwrap(), in_time(repeat).await.unwrap());
    assert_eq!((first.0, repeat.0), (201, 201));
    assert_eq!(first.1["callSid"], repeat.1["callSid"]);
    assert_eq!(in_time(other).await.unwrap().0, 409);
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_is_listed_before_the_carrier_is_asked_again_is_not_called() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, first) = (Arc::clone(&asked), Arc::new(Notify::new()));
    let told = Arc::clone(&first);
    let create = async move |Form(form): Form<Vec<(String, String)>>| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            told.notify_one();
            let body = json!({ "code": 20429, "message": "Too Many Requests", "status": 429 });
            let later = [("retry-after", "1"), ("content-type", "application/json")];
            return (StatusCode::TOO_MANY_REQUESTS, later, body.to_string()).into_response();
        }
        let given = |wanted: &str| form.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
        let body = resource("CA01", &given("To"), &given("From")).to_string();
        (StatusCode::CREATED, [("content-type", "application/json")], body).into_response()
    };
    let path = "/2010-04-01/Accounts/{account}/Calls.json";
    let router = axum::Router::new().route(path, axum::routing::post(create));
    let api = checked(router).await;
    let server = server_at(ACCOUNT, &api.base_url(), &[("PHONY_CALLING_HOURS", "off")]).await;
    let (go, gone) = (Arc::new(Semaphore::new(0)), Arc::clone(&asked));
    let slow = Slow { server, _api: api, asked, first, go };
    let ordered = slow.ordering(None, &order());
    in_time(slow.first.notified()).await;
    slow.list(THEM);
    let (status, answer) = in_time(ordered).await.unwrap();
    assert_eq!((status, &answer["error"]["details"]["rule"]), (422, &json!("do_not_call")));
    assert_eq!(gone.load(Ordering::SeqCst), 1, "the carrier was not asked again");
}

#[tokio::test]
async fn an_order_waits_no_longer_than_leaves_time_for_the_carrier() {
    let slow = slow().await;
    let [first, second] = slow.two(None).await;
    // The carrier has not answered the first for as long as the second waits.
    let (status, answer) = in_time(second).await.unwrap();
    assert_eq!((status, &answer["error"]["details"]["rule"]), (503, &json!("number_busy")));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1, "the second was not dialled");
    slow.go.add_permits(10);
    assert_eq!(in_time(first).await.unwrap().0, 201);
}

#[tokio::test]
async fn a_call_that_the_carrier_says_nothing_about_is_of_unknown_outcome() {
    // The answer is lost, and so is every answer to the question whether there is a call.
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let create = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        (StatusCode::INTERNAL_SERVER_ERROR, "<html>500</html>")
    };
    let list = async || {
        std::future::pending::<()>().await;
        StatusCode::OK
    };
    let path = "/2010-04-01/Accounts/{account}/Calls.json";
    let router = axum::Router::new().route(path, axum::routing::post(create).get(list));
    let api = checked(router).await;
    let server = server_at(ACCOUNT, &api.base_url(), &[("PHONY_CALLING_HOURS", "off")]).await;
    let order = order();
    let ordered = server.post("/calls", &order);
    let (status, answer) = in_time(ordered).await;
    assert_eq!((status, &answer["error"]["code"]), (502, &json!("TWILIO_ERROR")), "{answer}");
    assert_eq!(answer["error"]["details"]["outcome"], "unknown");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let (_, page) = server.get("/calls?status=unknown").await;
    assert_eq!(page["calls"][0]["rule"], "twilio_error", "{page}");
}
