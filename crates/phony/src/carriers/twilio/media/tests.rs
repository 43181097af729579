use std::pin::Pin;

use futures_util::Sink;
use phony_call::Digits;
use phony_wire::twilio::media::{ToTwilio, encode_audio};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::task::TaskTracker;

use super::*;

/// Nothing here takes nearly as long.
const LIMIT: Duration = Duration::from_secs(5);

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.unwrap()
}

/// A line, with the test as the call and as Twilio.
struct Stream {
    call: CarrierPort,
    twilio: WebSocketStream<TcpStream>,
    left: oneshot::Receiver<Option<Departure>>,
    kill: CancellationToken,
}

impl Stream {
    /// A line that is up. Its connection holds little that is not read.
    async fn open() -> Self {
        let listening = TcpSocket::new_v4().unwrap();
        listening.set_send_buffer_size(4096).unwrap();
        listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listening.listen(1).unwrap();
        let reading = TcpSocket::new_v4().unwrap();
        reading.set_recv_buffer_size(4096).unwrap();
        let far = reading.connect(listener.local_addr().unwrap());
        let (near, far) = tokio::join!(listener.accept(), far);
        let near = WebSocketStream::from_raw_socket(near.unwrap().0, Role::Server, None).await;
        let twilio = WebSocketStream::from_raw_socket(far.unwrap(), Role::Client, None).await;
        let (tx, left) = oneshot::channel();
        let kill = CancellationToken::new();
        let after = move |departure| {
            drop(tx.send(departure));
            std::future::ready(())
        };
        let mut call = line(near, "MZ1".into(), kill.clone(), after);
        call.task.take().unwrap().spawn_on(&TaskTracker::new());
        let mut stream = Self { call, twilio, left, kill };
        let line = Some(LegId::parse("MZ1").unwrap());
        assert_eq!(stream.fact().await, Some(FromCarrier::Connected { line }));
        stream
    }

    async fn order(&self, order: ToCarrier) {
        in_time(self.call.tx.send(order)).await.unwrap();
    }

    async fn fact(&mut self) -> Option<FromCarrier> {
        in_time(self.call.rx.recv()).await
    }

    async fn send(&mut self, text: &str) {
        in_time(self.twilio.send(Message::text(text))).await.unwrap();
    }

    async fn send_media(&mut self, track: &str, payload: &str) {
        let media = format!(r#"{{"track":"{track}","chunk":"1","payload":"{payload}"}}"#);
        self.send(&format!(r#"{{"event":"media","streamSid":"MZ1","media":{media}}}"#)).await;
    }

    async fn send_mark(&mut self, name: &str) {
        self.send(&format!(r#"{{"event":"mark","streamSid":"MZ1","mark":{{"name":"{name}"}}}}"#))
            .await;
    }

    /// The next frame to Twilio; a close frame's code otherwise.
    async fn frame(&mut self) -> Result<Frame, u16> {
        loop {
            match in_time(self.twilio.next()).await.unwrap().unwrap() {
                Message::Text(text) => return Ok(Frame::read(&text)),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(frame) => return Err(frame.map_or(0, |frame| frame.code.into())),
                other @ (Message::Binary(_) | Message::Frame(_)) => panic!("{other:?}"),
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Media(Vec<u8>),
    Mark(String),
    Clear,
}

impl Frame {
    fn read(text: &str) -> Self {
        let (stream, frame) = ToTwilio::parse(text).unwrap();
        assert_eq!(stream, "MZ1");
        match frame {
            ToTwilio::Media { payload } => Self::Media(decode_audio(&payload).unwrap()),
            ToTwilio::Mark { name } => Self::Mark(name.into_owned()),
            ToTwilio::Clear => Self::Clear,
        }
    }
}

fn play(audio: &[u8]) -> ToCarrier {
    ToCarrier::Play(Bytes::copy_from_slice(audio))
}

#[tokio::test]
async fn sound_keys_and_marks_reach_the_call() {
    let mut stream = Stream::open().await;
    let sound = [0xFE; 160];
    stream.send_media("inbound", &encode_audio(&sound)).await;
    assert_eq!(stream.fact().await, Some(FromCarrier::Audio(Bytes::copy_from_slice(&sound))));
    stream.send(r##"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"#"}}"##).await;
    assert_eq!(stream.fact().await, Some(FromCarrier::Pressed { digit: '#' }));
    stream.order(ToCarrier::Mark(12)).await;
    assert_eq!(stream.frame().await, Ok(Frame::Mark("12".into())));
    stream.send_mark("12").await;
    assert_eq!(stream.fact().await, Some(FromCarrier::Marked(12)));
}

#[tokio::test]
async fn orders_become_frames_in_their_order() {
    let mut stream = Stream::open().await;
    let order = [play(b"one"), ToCarrier::Mark(1), play(b"two"), ToCarrier::Mark(2)];
    for order in order {
        stream.order(order).await;
    }
    let marked = |name: &str| Ok(Frame::Mark(name.into()));
    assert_eq!(stream.frame().await, Ok(Frame::Media(b"one".into())));
    assert_eq!(stream.frame().await, marked("1"));
    assert_eq!(stream.frame().await, Ok(Frame::Media(b"two".into())));
    assert_eq!(stream.frame().await, marked("2"));
    stream.order(ToCarrier::Clear).await;
    assert_eq!(stream.frame().await, Ok(Frame::Clear));
}

#[tokio::test]
async fn words_and_keys_are_not_for_this_line() {
    let mut stream = Stream::open().await;
    let (token, last, preemptible, interruptible) = ("Hello.".into(), true, false, true);
    stream.order(ToCarrier::Say { token, last, preemptible, interruptible }).await;
    stream.order(ToCarrier::Press(Digits::parse("1").unwrap())).await;
    stream.order(play(b"sound")).await;
    assert_eq!(stream.frame().await, Ok(Frame::Media(b"sound".into())));
}

#[tokio::test]
async fn frames_that_mean_nothing_do_no_harm() {
    let mut stream = Stream::open().await;
    stream.order(ToCarrier::Mark(7)).await;
    for text in [
        "",
        "not json",
        "[]",
        "{}",
        r#"{"event":7}"#,
        r#"{"event":"media"}"#,
        r#"{"event":"media","media":{"track":"inbound","payload":17}}"#,
        r#"{"event":"dtmf","dtmf":{"digit":"12"}}"#,
        r#"{"event":"dtmf"}"#,
        r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#,
        r#"{"event":"start","start":{"streamSid":"MZ2","callSid":"CA2"}}"#,
        r#"{"event":"nobody knows"}"#,
    ] {
        stream.send(text).await;
    }
    stream.send_media("inbound", "no base64!").await;
    stream.send_media("inbound", "").await;
    stream.send_media("outbound", &encode_audio(b"echo")).await;
    for name in ["", "greeting", "-1", "+7", "07", "7 ", "8", "99999999999999999999999"] {
        stream.send_mark(name).await;
    }
    in_time(stream.twilio.send(Message::binary(vec![0, 159]))).await.unwrap();
    stream.send_mark("7").await;
    assert_eq!(stream.fact().await, Some(FromCarrier::Marked(7)), "and nothing before it");
}

#[tokio::test]
async fn a_stream_that_stops_has_ended_in_order() {
    let mut stream = Stream::open().await;
    stream.send(r#"{"event":"stop","streamSid":"MZ1","stop":{"callSid":"CA1"}}"#).await;
    assert_eq!(stream.frame().await, Err(1000));
    assert_eq!(stream.fact().await, Some(FromCarrier::Closed { clean: true }));
    assert_eq!(stream.fact().await, None);
    assert!(in_time(stream.left).await.unwrap().is_none(), "the call has not left it");
}

#[tokio::test]
async fn the_way_a_socket_closes_says_how_the_line_has_ended() {
    for (code, clean) in [(CloseCode::Normal, true), (CloseCode::Away, false)] {
        let mut stream = Stream::open().await;
        let frame = CloseFrame { code, reason: "".into() };
        in_time(stream.twilio.send(Message::Close(Some(frame)))).await.unwrap();
        assert_eq!(stream.fact().await, Some(FromCarrier::Closed { clean }));
    }
    let Stream { mut call, twilio, .. } = Stream::open().await;
    drop(twilio);
    assert_eq!(in_time(call.rx.recv()).await, Some(FromCarrier::Closed { clean: false }));
    let Stream { call: CarrierPort { tx, mut rx, .. }, mut twilio, .. } = Stream::open().await;
    // The call has another line.
    drop(tx);
    let closed = in_time(twilio.next()).await.unwrap().unwrap();
    assert!(matches!(closed, Message::Close(Some(frame)) if frame.code == CloseCode::Error));
    drop(twilio);
    assert_eq!(in_time(rx.recv()).await, Some(FromCarrier::Closed { clean: false }));
}

#[tokio::test]
async fn a_call_that_leaves_has_all_sent_before_the_socket_closes() {
    let mut stream = Stream::open().await;
    stream.order(play(b"Goodbye.")).await;
    stream.order(ToCarrier::Leave(Next::HangUp)).await;
    assert_eq!(stream.frame().await, Ok(Frame::Media(b"Goodbye.".into())));
    assert_eq!(stream.frame().await, Err(1000));
    // The answer to the close frame.
    while in_time(stream.twilio.next()).await.is_some_and(|message| message.is_ok()) {}
    let left = in_time(stream.left).await.unwrap().unwrap();
    assert!(matches!(left, Departure { next: Next::HangUp, clean: true }));
}

#[tokio::test]
async fn a_socket_that_is_left_and_lost_is_not_taken_for_closed() {
    let stream = Stream::open().await;
    stream.order(ToCarrier::Leave(Next::HangUp)).await;
    let Stream { twilio, left, .. } = stream;
    drop(twilio);
    let left = in_time(left).await.unwrap().unwrap();
    assert!(matches!(left, Departure { next: Next::HangUp, clean: false }));
}

/// A second of sound, all of whose samples are this one.
fn second(sample: u8) -> Bytes {
    Bytes::from(vec![sample; 8000])
}

#[tokio::test]
async fn a_peer_that_reads_slowly_is_sent_the_latest_two_seconds() {
    let mut stream = Stream::open().await;
    // Far more than two ends of a connection hold.
    for n in 0..200 {
        stream.order(ToCarrier::Play(second(n))).await;
        stream.order(ToCarrier::Mark(n.into())).await;
    }
    let (mut seconds, mut marks) = (Vec::new(), Vec::new());
    while marks.last() != Some(&199) {
        match stream.frame().await.unwrap() {
            Frame::Media(audio) => seconds.push(audio[0]),
            Frame::Mark(name) => marks.push(name.parse::<u64>().unwrap()),
            Frame::Clear => panic!("nobody ordered it"),
        }
    }
    assert!(seconds.is_sorted() && marks.is_sorted(), "{seconds:?} {marks:?}");
    assert!(seconds.len() < 150, "{seconds:?}");
    assert_eq!(seconds[seconds.len() - 2..], [198, 199]);
    // The line goes on.
    stream.send_mark("199").await;
    assert_eq!(stream.fact().await, Some(FromCarrier::Marked(199)));
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let mut stream = Stream::open().await;
    stream.kill.cancel();
    let Stream { call, .. } = &mut stream;
    let (tx, rx) = crate::runtime::channel::channel(1);
    drop(std::mem::replace(&mut call.tx, tx));
    drop(rx);
    assert_eq!(stream.frame().await, Err(1001));
}

/// A socket that takes so many messages.
struct Narrow {
    room: usize,
    taken: Vec<Message>,
}

impl Sink<Message> for Narrow {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.room == 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.room -= 1;
        self.taken.push(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

impl Narrow {
    /// What is sent of an outbox while there is room for so many frames.
    fn take(&mut self, outbox: &mut Outbox, room: usize) -> Vec<Frame> {
        self.room = room;
        let _ = outbox.poll_send(self, &mut Context::from_waker(std::task::Waker::noop()));
        let taken = std::mem::take(&mut self.taken);
        let texts = taken.iter().filter(|message| message.is_text());
        texts.map(|message| Frame::read(message.to_text().unwrap())).collect()
    }
}

#[test]
fn clear_drops_unsent_sound_and_overtakes_nothing() {
    let (mut outbox, mut socket) = (Outbox::new("MZ1".into()), Narrow { room: 0, taken: vec![] });
    outbox.play(Bytes::from_static(b"one"));
    outbox.play(Bytes::from_static(b"two"));
    outbox.mark(1);
    assert_eq!(socket.take(&mut outbox, 1), [Frame::Media(b"one".into())]);
    outbox.play(Bytes::from_static(b"three"));
    outbox.clear();
    outbox.play(Bytes::from_static(b"four"));
    outbox.mark(2);
    let sent = [
        Frame::Mark("1".into()),
        Frame::Clear,
        Frame::Media(b"four".into()),
        Frame::Mark("2".into()),
    ];
    assert_eq!(socket.take(&mut outbox, 9), sent);
    assert_eq!(socket.take(&mut outbox, 9), []);
}

#[test]
fn beyond_two_seconds_the_oldest_sound_is_dropped_and_marks_do_not_pile_up() {
    let (mut outbox, mut socket) = (Outbox::new("MZ1".into()), Narrow { room: 0, taken: vec![] });
    for n in 0..100 {
        outbox.play(second(n));
        outbox.mark(n.into());
        outbox.drop_excess();
        assert!(!outbox.is_full());
    }
    let sent = [
        Frame::Mark("97".into()),
        Frame::Media(second(98).into()),
        Frame::Mark("98".into()),
        Frame::Media(second(99).into()),
        Frame::Mark("99".into()),
    ];
    assert_eq!(socket.take(&mut outbox, 9), sent);
}

#[test]
fn long_sound_is_divided() {
    let (mut outbox, mut socket) = (Outbox::new("MZ1".into()), Narrow { room: 0, taken: vec![] });
    outbox.play(Bytes::from(vec![1; 17_000]));
    assert!(outbox.is_full());
    outbox.drop_excess();
    let sizes: Vec<_> = socket
        .take(&mut outbox, 9)
        .iter()
        .map(|frame| match frame {
            Frame::Media(audio) => audio.len(),
            Frame::Mark(_) | Frame::Clear => 0,
        })
        .collect();
    assert_eq!(sizes, [8000, 1000], "the first second is dropped");
}

#[test]
fn a_second_ping_behind_an_unsent_one_is_told() {
    let (mut outbox, mut socket) = (Outbox::new("MZ1".into()), Narrow { room: 0, taken: vec![] });
    assert!(outbox.ping());
    assert!(!outbox.ping());
    socket.take(&mut outbox, 9);
    assert!(outbox.ping());
}
