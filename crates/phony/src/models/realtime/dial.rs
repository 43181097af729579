//! The TCP connection to the server, through the proxy of the environment where there is one.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` mean what they mean to every HTTP
//! client, the one of Twilio's REST API included: where a proxy is the only way out of a network,
//! the model's connection needs it too.

use std::io;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Uri;
use tower_service::Service as _;
use url::{Host, Url};

/// Connects to the host of a `ws` or `wss` URL.
pub(super) async fn connect(proxies: &Matcher, url: &Url) -> io::Result<TcpStream> {
    let port = url.port_or_known_default().unwrap_or(443);
    let stream = match proxy(proxies, url, port) {
        Some((proxy, target)) => tunnel(&proxy, target).await?,
        None => TcpStream::connect((host(url), port)).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The host's name or address; an IPv6 address without the brackets that it has in a URL.
pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// The proxy for the host, if there is one, and the address to ask it for.
fn proxy(proxies: &Matcher, url: &Url, port: u16) -> Option<(Intercept, Uri)> {
    // A server on this machine is never behind a proxy.
    let local = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let scheme = if url.scheme() == "wss" { "https" } else { "http" };
    let target: Uri = format!("{scheme}://{}:{port}/", url.host_str()?).parse().ok()?;
    let proxy = proxies.intercept(&target).filter(|_| !local)?;
    Some((proxy, target))
}

async fn tunnel(proxy: &Intercept, target: Uri) -> io::Result<TcpStream> {
    let failed = |error: &dyn std::error::Error| {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            why = format!("{why}: {error}");
            source = error.source();
        }
        let (host, port) = (proxy.uri().host().unwrap_or_default(), proxy.uri().port_u16());
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        io::Error::other(format!("the proxy {host}{port} does not lead there: {why}"))
    };
    let mut tunnel = Tunnel::new(proxy.uri().clone(), HttpConnector::new());
    if let Some(authorization) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(authorization.clone());
    }
    let stream = tunnel.call(target).await.map_err(|error| failed(&error))?;
    Ok(stream.into_inner())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Connects through a proxy that gives this answer. Returns the request that the proxy got, its
    /// end of the connection, and the result.
    async fn connect_through(
        answer: &str,
        url: &str,
    ) -> (String, TcpStream, io::Result<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxies = Matcher::builder()
            .all(format!("http://user:word@{address}"))
            .no("direct.example")
            .build();
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            (String::from_utf8(request).unwrap(), stream)
        };
        let url = Url::parse(url).unwrap();
        let ((request, proxy), stream) = tokio::join!(served, connect(&proxies, &url));
        (request, proxy, stream)
    }

    #[tokio::test]
    async fn a_server_behind_a_proxy_is_reached_through_it() {
        let (request, mut proxy, stream) = connect_through(
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "wss://model.example/v1",
        )
        .await;
        assert!(request.starts_with("CONNECT model.example:443 HTTP/1.1\r\n"), "{request}");
        let request = request.to_ascii_lowercase();
        assert!(request.contains("proxy-authorization: basic dxnlcjp3b3jk"), "{request}");
        proxy.write_all(b"hello").await.unwrap();
        let mut behind = [0; 5];
        stream.unwrap().read_exact(&mut behind).await.unwrap();
        assert_eq!(&behind, b"hello");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_named_without_its_password() {
        let (request, _proxy, stream) =
            connect_through("HTTP/1.1 403 Forbidden\r\n\r\n", "ws://model.example:8080/v1").await;
        assert!(request.starts_with("CONNECT model.example:8080 HTTP/1.1\r\n"), "{request}");
        let error = stream.unwrap_err().to_string();
        assert!(error.contains("the proxy 127.0.0.1:"), "{error}");
        assert!(!error.contains("word"), "{error}");
    }

    #[test]
    fn this_machine_and_exceptions_are_reached_directly() {
        let proxies = Matcher::builder().all("http://proxy:1").no("direct.example").build();
        let through = |url: &str| proxy(&proxies, &Url::parse(url).unwrap(), 1).is_some();
        assert!(through("wss://model.example/v1") && through("wss://[2001:db8::1]/v1"));
        for direct in
            ["ws://localhost:9", "ws://127.0.0.1:9", "ws://[::1]:9", "wss://direct.example"]
        {
            assert!(!through(direct), "{direct}");
        }
    }
}
