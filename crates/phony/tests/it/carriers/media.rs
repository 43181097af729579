//! The socket of Media Streams, as Twilio uses and misuses it.

use futures_util::SinkExt as _;
use phony_call::ToModel;
use phony_wire::twilio::media::encode_audio;
use phony_wire::twilio::signature;
use phony_wire::twilio::twiml::{ConnectTo, Stream, Twiml, Verb};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::server::{
    AUTH_TOKEN, CALLED, CALLER, FILE, HOST, JsonSocket, TestServer, setup, token_of,
};
use crate::support::wait::in_time;

/// The `action` of a stream: it has neither a status nor data.
const ENDED: [(&str, &str); 4] =
    [("CallSid", "CA1"), ("From", CALLER), ("To", CALLED), ("CallStatus", "in-progress")];

async fn server() -> TestServer {
    TestServer::with(&[
        ("HOST", HOST),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN),
        ("PHONY_TRANSPORT", "media"),
    ])
    .await
}

fn stream_of(twiml: &Twiml) -> (&Stream, Option<&str>) {
    let [Verb::Connect(connect)] = twiml.verbs.as_slice() else { panic!("{twiml:?}") };
    let ConnectTo::Stream(stream) = &connect.to else { panic!("{connect:?}") };
    (stream, connect.action.as_deref())
}

fn token_in(twiml: &Twiml) -> String {
    let [(name, token)] = stream_of(twiml).0.parameters.as_slice() else { panic!("{twiml:?}") };
    assert_eq!(name, "token");
    token.clone()
}

async fn socket(server: &TestServer) -> JsonSocket {
    let url = format!("wss://{HOST}/media/ws");
    let signature = signature::sign::<&str, &str>(AUTH_TOKEN, &url, &[]);
    JsonSocket(server.socket("/media/ws", &[(signature::HEADER, &signature)]).await.unwrap())
}

fn connected() -> Value {
    json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" })
}

fn start(call: &str, token: &str) -> Value {
    let format = json!({ "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 });
    json!({
        "event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
        "start": {
            "accountSid": "AC1", "streamSid": "MZ1", "callSid": call, "tracks": ["inbound"],
            "mediaFormat": format, "customParameters": { "token": token },
        },
    })
}

fn media(sound: &[u8]) -> Value {
    let media = json!({ "track": "inbound", "chunk": "1", "payload": encode_audio(sound) });
    json!({ "event": "media", "streamSid": "MZ1", "media": media })
}

/// Connects the stream of a call that rings.
async fn connect(server: &TestServer, call: &str, twiml: &Twiml) -> JsonSocket {
    let mut line = socket(server).await;
    line.send(&connected()).await;
    line.send(&start(call, &token_in(twiml))).await;
    line
}

/// Waits until the record of a call has so many events of a type.
async fn recorded(server: &TestServer, call: &str, kind: &str) -> Value {
    in_time(async {
        let mut events = server.events(&format!("?callSid={call}")).await;
        events.next_of(kind).await
    })
    .await
}

#[tokio::test]
async fn a_call_is_connected_as_its_agent_says() {
    let folder = tempfile::tempdir().unwrap();
    let write = |id: &str, transport: &str| {
        let text = format!("name = 'A'\ninstructions = 'Talk.'\ntransport = '{transport}'\n");
        std::fs::write(folder.path().join(format!("{id}.toml")), text).unwrap();
    };
    write("hears", "media");
    write("reads", "relay");
    let file = format!("[agents]\nfolder = '{}'\n", folder.path().display());
    let common = [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), (FILE, file.as_str())];
    for (variables, agent, is_stream) in [
        (&[][..], "hears", true),
        (&[], "reads", false),
        (&[], "assistant", false),
        (&[("PHONY_TRANSPORT", "media")], "assistant", true),
        (&[("PHONY_TRANSPORT", "media")], "reads", false),
    ] {
        let server = TestServer::with(&[&common[..], variables].concat()).await;
        for (path, status) in [("/receive_call", "ringing"), ("/start_call", "in-progress")] {
            let call = format!("CA-{agent}-{status}");
            let form = [
                ("CallSid", call.as_str()),
                ("From", CALLER),
                ("To", CALLED),
                ("CallStatus", status),
            ];
            let path = format!("{path}?agent={agent}");
            let (code, body) = server.webhook(&path, &form).await;
            assert_eq!(code, 200, "{body}");
            let parsed = Twiml::parse(&body).unwrap();
            assert_eq!(parsed.unknown, Vec::<String>::new());
            if is_stream {
                let (stream, action) = stream_of(&parsed.twiml);
                assert_eq!(stream.url.as_str(), format!("wss://{HOST}/media/ws"));
                assert_eq!(action, Some("https://phony.example.com/call_ended"));
                assert!(!token_in(&parsed.twiml).is_empty());
            } else {
                assert!(!token_of(&parsed.twiml).is_empty(), "a relay: {body}");
            }
        }
    }
}

#[tokio::test]
async fn an_unsigned_socket_is_refused_before_the_upgrade() {
    let server = server().await;
    for headers in [&[][..], &[("x-twilio-signature", "WRONG")]] {
        let (status, body) = server.socket("/media/ws", headers).await.unwrap_err();
        assert_eq!(status, 403);
        assert!(body.contains("FORBIDDEN"), "{body}");
    }
}

#[tokio::test]
async fn a_socket_without_the_token_of_its_call_is_closed() {
    let mut server = server().await;
    let of_one = token_in(&server.ring("CA1").await);
    let of_two = token_in(&server.ring("CA2").await);
    let mut model = server.model().await;
    let mut nameless = start("CA1", &of_one);
    nameless["streamSid"] = json!("");
    nameless["start"]["streamSid"] = json!("");
    let mut wide = start("CA1", &of_one);
    wide["start"]["mediaFormat"]["sampleRate"] = json!(16000);
    for first in [
        start("CA1", ""),
        start("CA1", "guess"),
        start("CA1", &of_two),
        start("CA3", &of_one),
        start("", &of_one),
        nameless,
        wide,
        json!({ "event": "start" }),
        json!({ "event": "start", "streamSid": "MZ1" }),
        media(&[0xFF; 160]),
        setup("CA1", &of_one),
        json!({ "no": "event" }),
    ] {
        let mut line = socket(&server).await;
        line.send(&connected()).await;
        line.send(&first).await;
        assert_eq!(line.closed().await, Some(1008), "{first}");
    }
    let mut line = connect(&server, "CA1", &server.ring("CA1").await).await;
    assert_eq!(recorded(&server, "CA1", "connected").await["line"], "MZ1");
    let mut again = socket(&server).await;
    again.send(&start("CA1", &of_one)).await;
    assert_eq!(again.closed().await, Some(1008), "a token opens one socket");
    let orders: Vec<_> = std::iter::from_fn(|| model.orders.try_recv()).collect();
    let [ToModel::Speak { words: 1, .. }] = orders.as_slice() else {
        panic!("more than the greeting of the line that was opened: {orders:?}");
    };
    line.send(&json!({ "event": "stop", "streamSid": "MZ1" })).await;
    assert_eq!(line.closed().await, Some(1000));
}

#[tokio::test]
async fn a_stream_that_does_not_start_is_closed() {
    let server = server().await;
    let mut line = socket(&server).await;
    line.send(&connected()).await;
    let closed = tokio::time::timeout(std::time::Duration::from_secs(8), async {
        loop {
            use futures_util::StreamExt as _;
            match line.0.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    });
    assert_eq!(closed.await.expect("after five seconds"), Some(CloseCode::Policy));
}

#[tokio::test]
async fn each_socket_takes_only_calls_of_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let text = "name = 'A'\ninstructions = 'Talk.'\ntransport = 'media'\n";
    std::fs::write(folder.path().join("hears.toml"), text).unwrap();
    let file = format!("[agents]\nfolder = '{}'\n", folder.path().display());
    let common = [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), (FILE, file.as_str())];
    let server = TestServer::with(&common).await;
    let token = token_of(&server.ring("CA1").await);
    let mut line = socket(&server).await;
    line.send(&start("CA1", &token)).await;
    assert_eq!(line.closed().await, Some(1008));
    let form = [("CallSid", "CA2"), ("From", CALLER), ("To", CALLED), ("CallStatus", "ringing")];
    let (_, body) = server.webhook("/receive_call?agent=hears", &form).await;
    let token = token_in(&Twiml::parse(&body).unwrap().twiml);
    let mut line = JsonSocket(server.relay_socket().await);
    line.send(&setup("CA2", &token)).await;
    assert_eq!(line.closed().await, Some(1008));
}

#[tokio::test]
async fn bad_frames_are_counted_and_the_call_goes_on() {
    let server = server().await;
    let mut line = connect(&server, "CA1", &server.ring("CA1").await).await;
    recorded(&server, "CA1", "connected").await;
    line.send_text("not json").await;
    line.send(&json!({ "event": "media", "media": { "payload": "no base64!" } })).await;
    line.send(&json!({ "event": "mark", "mark": { "name": "another's" } })).await;
    line.0.send(Message::binary(vec![0, 159, 146, 150])).await.unwrap();
    line.send(&media(&[0xFF; 160])).await;
    line.send(&json!({ "event": "dtmf", "streamSid": "MZ1", "dtmf": { "digit": "5" } })).await;
    assert_eq!(recorded(&server, "CA1", "dtmf").await["digit"], "5");
    let token = TestServer::token();
    let request = server.http.get(server.url("/metrics")).bearer_auth(token);
    let metrics = request.send().await.unwrap().text().await.unwrap();
    for kind in ["unreadable", "audio", "mark", "binary"] {
        let counter = format!("phony_media_bad_frames_total{{kind=\"{kind}\"}} 1");
        assert!(metrics.contains(&counter), "{counter}: {metrics}");
    }
}

#[tokio::test]
async fn a_frame_beyond_measure_closes_the_socket_but_not_the_call() {
    let server = server().await;
    let mut line = connect(&server, "CA1", &server.ring("CA1").await).await;
    recorded(&server, "CA1", "connected").await;
    line.send_text(&"x".repeat(1_000_000)).await;
    assert!(matches!(line.closed().await, Some(1009) | None));
    let (_, body) = server.webhook("/call_ended", &ENDED).await;
    let _line = connect(&server, "CA1", &Twiml::parse(&body).unwrap().twiml).await;
    recorded(&server, "CA1", "resumed").await;
    assert_eq!(server.running.app.calls.count(), 1);
}

#[tokio::test]
async fn a_lost_stream_is_replaced_by_another() {
    let server = server().await;
    let line = connect(&server, "CA1", &server.ring("CA1").await).await;
    recorded(&server, "CA1", "connected").await;
    drop(line);
    let (_, body) = server.webhook("/call_ended", &ENDED).await;
    let _line = connect(&server, "CA1", &Twiml::parse(&body).unwrap().twiml).await;
    assert_eq!(recorded(&server, "CA1", "resumed").await["line"], "MZ1");
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_the_call() {
    for says_so in [true, false] {
        let server = server().await;
        let mut line = connect(&server, "CA1", &server.ring("CA1").await).await;
        recorded(&server, "CA1", "connected").await;
        if says_so {
            line.send(&json!({ "event": "stop", "streamSid": "MZ1" })).await;
        } else {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            line.0.send(Message::Close(Some(frame))).await.unwrap();
        }
        assert_eq!(recorded(&server, "CA1", "session_end").await["reason"], "caller_hung_up");
        let form = [&ENDED[..3], &[("CallStatus", "completed")]].concat();
        let (_, body) = server.webhook("/call_ended", &form).await;
        assert_eq!(Twiml::parse(&body).unwrap().twiml.verbs, []);
    }
}

#[tokio::test]
async fn a_transfer_closes_the_stream_and_is_dialled_when_twilio_asks() {
    let server = server().await;
    let mut line = connect(&server, "CA1", &server.ring("CA1").await).await;
    recorded(&server, "CA1", "connected").await;
    let order = json!({ "callSid": "CA1", "target": "+15005550009" });
    let (status, body) = server.post("/override/transfer", &order).await;
    assert_eq!((status, body), (200, json!({ "status": "ok" })));
    assert_eq!(line.closed().await, Some(1000));
    let (_, body) = server.webhook("/call_ended", &ENDED).await;
    let verbs = Twiml::parse(&body).unwrap().twiml.verbs;
    let [Verb::Dial(dial)] = verbs.as_slice() else { panic!("{body}") };
    assert_eq!(dial.numbers[0].number, "+15005550009");
    assert_eq!(dial.options.caller_id.as_deref(), Some(CALLED));
    // Nobody takes the call: it comes back, over a stream again.
    let form = [&ENDED[..], &[("DialCallStatus", "no-answer")]].concat();
    let (_, body) = server.webhook("/call_ended", &form).await;
    assert!(!token_in(&Twiml::parse(&body).unwrap().twiml).is_empty());
}

#[tokio::test]
async fn a_supervisor_who_hangs_up_closes_the_stream_and_twilio_is_told_to_hang_up() {
    let server = server().await;
    let mut line = connect(&server, "CA1", &server.ring("CA1").await).await;
    recorded(&server, "CA1", "connected").await;
    let (status, _) = server.post("/override/end", &json!({ "callSid": "CA1" })).await;
    assert_eq!(status, 200);
    assert_eq!(line.closed().await, Some(1000));
    server.until_live(0).await;
    let (_, body) = server.webhook("/call_ended", &ENDED).await;
    assert_eq!(Twiml::parse(&body).unwrap().twiml.verbs, [Verb::Hangup]);
}
