//! Requests to the application, signed as Twilio signs them.

use std::time::Duration;

use phony_wire::twilio::signature::{self, sign};
use phony_wire::twilio::webhook::Form;
use reqwest::header::{CONTENT_TYPE, HOST};
use url::Url;

/// Voice webhooks must be answered within 15 s (Twilio, "Webhook connection overrides").
const TIMEOUT: Duration = Duration::from_secs(15);
/// The largest body of an answer, in bytes; Twilio refuses larger documents.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Sends requests for a public host to another origin, so that an application on this machine can
/// have a public name. The URL, `Host` header and signature stay those of `public`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOverride {
    /// Host, with its port if the URLs have one: `phony.test`, `localhost:24187`.
    pub public: String,
    /// Origin to connect to: `http://127.0.0.1:8080`.
    pub to: String,
}

/// A request to the application.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) url: String,
    /// `GET` or `POST`.
    pub(crate) method: String,
    pub(crate) form: Form,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The URL of the document, against which relative URLs in it are resolved.
    pub(crate) url: String,
}

/// An HTTP client that keeps up to `spare` idle connections to a host.
pub(crate) fn client(spare: usize) -> Result<reqwest::Client, reqwest::Error> {
    // Fails if a provider is already installed, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder().timeout(TIMEOUT).no_proxy();
    builder.pool_max_idle_per_host(spare).build()
}

/// Sends a request. The error says why there is no answer.
pub(crate) async fn send(
    client: &reqwest::Client,
    token: &str,
    overrides: &[HostOverride],
    request: &Request,
) -> Result<Answer, String> {
    let mut public = Url::parse(&request.url).map_err(|_| "not a URL".to_owned())?;
    public.set_fragment(None);
    let get = request.method.eq_ignore_ascii_case("GET");
    if get {
        public.query_pairs_mut().extend_pairs(request.form.pairs());
    }
    // The URL is signed as configured, not as the parser normalises it.
    let signed = if get { public.as_str() } else { &request.url };
    let pairs = if get { &[][..] } else { request.form.pairs() };
    let (address, host) = resolve(&public, overrides)?;
    let build = || {
        let builder = if get { client.get(address.clone()) } else { client.post(address.clone()) };
        let builder = builder
            .header(HOST, &host)
            .header(signature::HEADER, sign(token, signed, pairs))
            .header("user-agent", "TwilioProxy/1.1");
        if get {
            return builder;
        }
        builder
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
            .body(request.form.encode())
    };
    let response = match build().send().await {
        // Twilio retries once, and only a failed connection (`rc=1`, `rp=ct`).
        Err(error) if error.is_connect() => build().send().await,
        answered => answered,
    };
    let mut response = response.map_err(|error| reason(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err("the answer is larger than 64 KiB".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status, body, url: public.into() })
}

/// The URL to connect to, with the public path and query, and the public host.
pub(crate) fn resolve(public: &Url, overrides: &[HostOverride]) -> Result<(Url, String), String> {
    let name = public.host_str().ok_or_else(|| "a URL without a host".to_owned())?;
    let host = public.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let Some(found) = overrides.iter().rev().find(|known| known.public.eq_ignore_ascii_case(&host))
    else {
        return Ok((public.clone(), host));
    };
    let mut address = Url::parse(&found.to).map_err(|_| format!("{} is no origin", found.to))?;
    address.set_path(public.path());
    address.set_query(public.query());
    Ok((address, host))
}

/// Why a request failed, without its URL.
fn reason(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "could not connect"
    } else {
        "no usable answer"
    };
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overridden_host_is_replaced() {
        let overrides = [HostOverride {
            public: "phony.test".to_owned(),
            to: "http://127.0.0.1:81".to_owned(),
        }];
        let public = Url::parse("https://phony.test/relay/ws?x=1").expect("url");
        let (address, host) = resolve(&public, &overrides).expect("resolved");
        assert_eq!(address.as_str(), "http://127.0.0.1:81/relay/ws?x=1");
        assert_eq!(host, "phony.test");
    }

    #[test]
    fn other_hosts_stay_as_they_are() {
        let public = Url::parse("http://localhost:24187/a").expect("url");
        let (address, host) = resolve(&public, &[]).expect("resolved");
        assert_eq!(address, public);
        assert_eq!(host, "localhost:24187");
    }
}
