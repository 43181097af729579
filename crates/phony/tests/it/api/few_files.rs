//! A server with a low limit of open files, and clients with addresses of their own.

use std::net::{Ipv4Addr, SocketAddr};

use phony_wire::twilio::signature;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, client_async};

use crate::support::http;
use crate::support::program::{Run, Serving};
use crate::support::server::{AUTH_TOKEN, CALLED, CALLER, JsonSocket, TestServer, setup};

/// A server that may open `files` files, and its address.
pub(super) fn narrow(files: usize) -> (Serving, SocketAddr) {
    narrow_with(files, &[])
}

/// The same with these variables.
pub(super) fn narrow_with(files: usize, variables: &[(&str, &str)]) -> (Serving, SocketAddr) {
    let mut run = Run::new(&["serve"])
        .with("PORT", "0")
        .with("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
        .with("PHONY_ADMIN_TOKEN", &TestServer::token())
        .with("PHONY_API_RATE", "0")
        .with("OPENAI_API_KEY", "sk-test")
        .with("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
    run.command.envs(variables.iter().copied());
    let program = run.command.get_program().to_owned();
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {files}; exec \"$0\" serve")).arg(program);
    command.current_dir(run.folder.path()).env_clear();
    command.envs(run.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command.stdin(std::process::Stdio::null());
    run.command = command;
    let (serving, lines) = run.serving("Phony listens on");
    let line = lines.iter().find(|line| line.contains("Phony listens on")).unwrap();
    let at = line.rsplit(' ').next().unwrap().parse().unwrap();
    (serving, at)
}

/// A loopback address for client number `number`.
pub(super) fn client(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, number)
}

/// A connection from the address `from` that sends `first`.
pub(super) async fn open_from(from: Ipv4Addr, to: SocketAddr, first: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(first).await.unwrap();
    stream
}

/// A request for a WebSocket, with further headers.
pub(super) fn upgrade(at: SocketAddr, path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request + "\r\n"
}

/// The signature of an upgrade of the relay socket.
pub(super) fn relay_signature(at: SocketAddr) -> String {
    signature::sign::<&str, &str>(AUTH_TOKEN, &format!("wss://{at}/relay/ws"), &[])
}

/// Rings with a new call; the token for its socket.
pub(super) async fn token_of(http: &reqwest::Client, at: SocketAddr, call: &str) -> String {
    let form = [("CallSid", call), ("From", CALLER), ("To", CALLED), ("CallStatus", "ringing")];
    let url = format!("http://{at}/receive_call");
    let signed = signature::sign(AUTH_TOKEN, &url, &form);
    let answer = http.post(url).form(&form).header(signature::HEADER, signed).send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let twiml = answer.text().await.unwrap();
    let token = twiml.split_once("name=\"token\" value=\"").unwrap().1;
    token.split_once('"').unwrap().0.to_owned()
}

/// A relay socket from this address.
pub(super) async fn relay_from(from: Ipv4Addr, at: SocketAddr) -> JsonSocket {
    let mut request = format!("ws://{at}/relay/ws").into_client_request().unwrap();
    request.headers_mut().insert(signature::HEADER, relay_signature(at).parse().unwrap());
    let stream = MaybeTlsStream::Plain(open_from(from, at, b"").await);
    JsonSocket(client_async(request, stream).await.unwrap().0)
}

/// A call rings, connects and is greeted, all over sockets.
pub(super) async fn a_call_gets_in(at: SocketAddr, call: &str) {
    let token = token_of(&http::client(), at, call).await;
    let mut line = relay_from(client(1), at).await;
    line.send(&setup(call, &token)).await;
    assert!(!line.utterance().await.is_empty());
}
