//! The event socket.

use serde_json::{Value, json};

use crate::house::{House, Line, house};

async fn take(line: &mut Line, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        let event = line.next().await;
        if event["seq"].is_u64() {
            events.push(event);
        }
    }
    events
}

async fn press(house: &House, digit: &str) {
    let (status, body) =
        house.post("/override/whisper", &json!({ "callSid": "CA1", "text": digit })).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn any_number_of_viewers_see_the_same_from_the_first_event_on() {
    let house = house().await;
    house.ring("CA1").await;
    let mut early = house.events("?callSid=CA1").await;
    press(&house, "one").await;
    let mut late = house.events("?callSid=CA1").await;
    press(&house, "two").await;
    let (early, late) = (take(&mut early, 3).await, take(&mut late, 3).await);
    assert_eq!(early, late);
    let sequence: Vec<_> = early.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(sequence, [1, 2, 3]);
    assert_eq!(early[0]["type"], "session_start");
    assert_eq!(early[0]["callSid"], "CA1");
    assert!(early[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    let mut rest = house.events("?callSid=CA1&after=2").await;
    assert_eq!(take(&mut rest, 1).await, early[2..3]);
}

#[tokio::test]
async fn the_view_of_a_call_closes_after_its_last_event() {
    let house = house().await;
    house.ring("CA1").await;
    let mut line = house.events("?callSid=CA1").await;
    house.webhook("/call_status", &[("CallSid", "CA1"), ("CallStatus", "no-answer")]).await;
    let end = line.next_of("session_end").await;
    assert_eq!(end["reason"], "no_answer");
    assert_eq!(line.closed().await, Some(1000));
    let mut again = house.events("?callSid=CA1").await;
    assert_eq!(take(&mut again, 2).await.last(), Some(&end), "it can be seen again");
    assert_eq!(again.closed().await, Some(1000));
}

#[tokio::test]
async fn one_socket_shows_every_call() {
    let house = house().await;
    house.ring("CA1").await;
    let mut line = house.events("").await;
    house.ring("CA2").await;
    let calls: Vec<_> = take(&mut line, 2).await;
    assert_eq!((&calls[0]["callSid"], &calls[1]["callSid"]), (&json!("CA1"), &json!("CA2")));
}

#[tokio::test]
async fn strangers_and_pages_of_other_sites_are_refused() {
    let house = house().await;
    house.ring("CA1").await;
    let bearer = format!("Bearer {}", House::token());
    let path = "/events/ws?callSid=CA1";
    let refused = |headers: &'static [(&'static str, &'static str)], bearer: Option<String>| {
        let house = &house;
        async move {
            let mut headers: Vec<(&'static str, &str)> = headers.to_vec();
            headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
            house.socket(path, &headers).await.err().map(|(status, _)| status)
        }
    };
    assert_eq!(refused(&[], None).await, Some(401));
    assert_eq!(refused(&[("authorization", "Bearer wrong")], None).await, Some(401));
    let foreign = &[("origin", "https://evil.example")];
    assert_eq!(refused(foreign, Some(bearer.clone())).await, Some(403));
    let own = &[("origin", "https://phony.example.com")];
    assert_eq!(refused(own, Some(bearer.clone())).await, None);
    let unknown = house.socket("/events/ws?callSid=CA9", &[("authorization", &bearer)]).await;
    let (status, body) = unknown.err().unwrap();
    assert_eq!(status, 404);
    assert!(body.contains("CALL_NOT_FOUND"), "{body}");
}
