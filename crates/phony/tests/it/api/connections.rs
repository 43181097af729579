//! Connections that are opened and send no request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::few_files::{a_call_gets_in, narrow};
use crate::support::server::TestServer;
use crate::support::wait::whole_call::in_time;

/// The beginning of a request that is never finished.
const HALF: &[u8] = b"POST /receive_call HTTP/1.1\r\nHost: localhost\r\nX-Half:";

async fn open(to: SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(first).await.unwrap();
    stream
}

/// Reads until the far side closes the connection.
async fn until_closed(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is an end as well.
    drop(timeout(Duration::from_secs(30), stream.read_to_end(&mut all)).await.expect("closed"));
    all
}

#[tokio::test]
async fn a_connection_without_a_head_is_closed() {
    heads_held().await;
}

/// How long a head may take: `make measure`.
#[tokio::test]
#[ignore = "measures"]
async fn a_head_has_ten_seconds() {
    let ([half, next, nothing], [tls, wrong]) = heads_held().await;
    for held in [half, next, nothing] {
        assert!((8.0..14.0).contains(&held.as_secs_f64()), "{held:?}");
    }
    for held in [tls, wrong] {
        assert!(held.as_secs_f64() < 14.0, "{held:?}");
    }
}

/// How long the server holds connections whose head does not come, and such that send something
/// else.
async fn heads_held() -> ([Duration; 3], [Duration; 2]) {
    let server = TestServer::start().await;
    let at = server.running.addr;
    let second: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal";
    let secure: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
    let (half, next, nothing, tls, wrong) = tokio::join!(
        held_for(at, HALF),
        held_for(at, second),
        held_for(at, b""),
        held_for(at, secure),
        held_for(at, b"GET / HT"),
    );
    ([half, next, nothing], [tls, wrong])
}

/// How long a connection that sends `first`, then a byte now and then, stays open.
#[expect(clippy::disallowed_methods, reason = "the test times the server")]
async fn held_for(at: SocketAddr, first: &[u8]) -> Duration {
    let opened = Instant::now();
    let mut slow = open(at, first).await;
    let (mut read, mut write) = slow.split();
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            if !first.is_empty() && write.write_all(b"a").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut all = Vec::new();
    let ended = async { timeout(Duration::from_secs(20), read.read_to_end(&mut all)).await };
    tokio::select! {
        ended = ended => assert!(ended.is_ok(), "{first:?} is held for {:?}", opened.elapsed()),
        () = drip => {}
    }
    opened.elapsed()
}

#[tokio::test]
async fn a_kept_connection_may_rest_longer_than_that() {
    let server = TestServer::start().await;
    let mut kept = open(server.running.addr, b"").await;
    let mut ask = async || {
        kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 4096];
        let read = timeout(Duration::from_secs(5), kept.read(&mut answer)).await.unwrap().unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{read}");
    };
    ask().await;
    // Longer than a head may take.
    tokio::time::sleep(Duration::from_secs(12)).await;
    ask().await;
}

#[tokio::test]
async fn a_head_has_a_size() {
    let server = TestServer::start().await;
    let mut large = open(server.running.addr, HALF).await;
    let chunk = vec![b'a'; 64 * 1024];
    for _ in 0..16 {
        if large.write_all(&chunk).await.is_err() {
            return;
        }
    }
    let answer = until_closed(large).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_gets_in_past_a_thousand_half_sent_requests() {
    let (_serving, at) = narrow(256);
    let body: &[u8] = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
        application/json\r\nContent-Length: 1000\r\n\r\n{";
    for (at_once, first) in [HALF, body, b""].into_iter().enumerate() {
        // Kept to the end: this side closes none of them.
        let mut held = Vec::new();
        for _ in 0..400 {
            held.push(open(at, first).await);
        }
        in_time(a_call_gets_in(at, &format!("CA{at_once}"))).await;
        for _ in 0..400 {
            held.push(open(at, first).await);
        }
        in_time(a_call_gets_in(at, &format!("CA1{at_once}"))).await;
    }
}
