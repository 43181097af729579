//! A client of a server's HTTP API, for the commands.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use phony_call::CallSid;
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http;
use url::Url;

use super::ui::clean;
use crate::config::Config;

/// The timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The timeout of an answer that is streamed.
const STREAM_TIMEOUT: Duration = Duration::from_hours(1);
/// The timeout of placing a call; the server itself resolves a call whose fate is unknown.
const DIAL_TIMEOUT: Duration = Duration::from_mins(1);
/// The fewest last characters of its id that name a call.
const SHORT_ID: usize = 4;

/// A client with a supervisors' token.
#[derive(Debug)]
pub(super) struct Api {
    client: reqwest::Client,
    server: Url,
    token: SecretString,
}

impl Api {
    /// For a server, by default the one on this machine; `token` overrides the configured one.
    pub(super) fn new(
        config: &Config,
        server: Option<&Url>,
        token: Option<SecretString>,
    ) -> anyhow::Result<Self> {
        let local = || Url::parse(&format!("http://127.0.0.1:{}", config.port));
        let server = server.cloned().map_or_else(local, Ok).context("the server's address")?;
        let token = token.or_else(|| admin_token(config, &server)).with_context(|| {
            format!(
                "there is no supervisors' token for {}: give it with --token or in \
                 PHONY_ADMIN_TOKEN. The server keeps it in its data folder (--data-dir), in the \
                 file admin-token",
                origin(&server)
            )
        })?;
        Ok(Self { client: client(TIMEOUT)?, server, token })
    }

    /// Sends a GET request, and returns the JSON of the answer.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.answer(self.client.get(self.url(path, query)?)).await
    }

    /// Sends a POST request with a JSON body.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> anyhow::Result<()> {
        self.answer(self.client.post(self.url(path, &[])?).json(body)).await.map(drop)
    }

    /// Sends a DELETE request.
    pub(super) async fn delete(&self, path: &[&str]) -> anyhow::Result<()> {
        self.answer(self.client.delete(self.url(path, &[])?)).await.map(drop)
    }

    /// Sends a GET request, and returns the answer with its body still to be read.
    pub(super) async fn stream(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<reqwest::Response> {
        let request = self.client.get(self.url(path, query)?).timeout(STREAM_TIMEOUT);
        let answer = request.bearer_auth(self.token.expose_secret()).send().await;
        let answer = answer.map_err(|_| anyhow::anyhow!(self.nobody()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await.unwrap_or_default();
        Err(self.refusal(status.as_u16(), &body).into())
    }

    /// Whether a server answers at all.
    pub(super) async fn is_there(&self) -> bool {
        let Ok(url) = self.url(&["healthz"], &[]) else { return false };
        self.client.get(url).send().await.is_ok()
    }

    /// Places a call; `key` is the idempotency key.
    pub(super) async fn place(&self, order: &Value, key: &str) -> anyhow::Result<Value> {
        let request = self.client.post(self.url(&["calls"], &[])?).timeout(DIAL_TIMEOUT);
        self.answer(request.header("Idempotency-Key", key).json(order)).await
    }

    /// A page of calls, newest first, and whether there are more.
    pub(super) async fn calls(
        &self,
        which: &[(&str, &str)],
        limit: u16,
    ) -> anyhow::Result<(Vec<Value>, bool)> {
        let limit = limit.to_string();
        let mut query = which.to_vec();
        query.push(("limit", &limit));
        let mut page = self.get(&["calls"], &query).await?;
        let more = page["next"].is_string();
        let Value::Array(calls) = page["calls"].take() else {
            bail!("{} does not answer as a Phony server does", origin(&self.server));
        };
        Ok((calls, more))
    }

    /// The ids of the calls that are live now, newest first.
    pub(super) async fn live(&self) -> anyhow::Result<Vec<CallSid>> {
        let (calls, _) = self.calls(&[("live", "true")], 200).await?;
        Ok(calls.iter().filter_map(sid_of).collect())
    }

    /// The call of this id, or with these last characters of its id.
    pub(super) async fn find(&self, wanted: &str) -> anyhow::Result<CallSid> {
        let (calls, _) = self.calls(&[("q", wanted)], 200).await?;
        let mut calls: Vec<_> = calls.iter().filter_map(sid_of).collect();
        if named(wanted, &calls).is_empty() {
            // It may be an order that led to no call.
            for status in ["refused", "failed", "unknown"] {
                let (orders, _) = self.calls(&[("q", wanted), ("status", status)], 200).await?;
                let id = |order: &Value| CallSid::parse(order["orderId"].as_str()?).ok();
                calls.extend(orders.iter().filter_map(id));
            }
        }
        match named(wanted, &calls).as_slice() {
            [call] => Ok((*call).clone()),
            [] => bail!(
                "the server knows no call `{}`; `phony calls list` shows those it knows",
                clean(wanted)
            ),
            several => bail!(
                "several calls end in `{}`; write more of the id: {}",
                clean(wanted),
                several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// Everything about a call.
    pub(super) async fn call(&self, call: &CallSid) -> anyhow::Result<Value> {
        self.get(&["calls", call.as_str()], &[]).await
    }

    /// The handshake of the event socket, for events after sequence number `after`.
    pub(super) fn events(
        &self,
        call: Option<&CallSid>,
        after: u64,
    ) -> anyhow::Result<http::Request<()>> {
        let after = after.to_string();
        let query = call.map(|call| [("callSid", call.as_str()), ("after", &after)]);
        let mut url = self.url(&["events", "ws"], query.as_ref().map_or(&[], |query| query))?;
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // Cannot fail: both are special schemes of the URL standard.
        let _ = url.set_scheme(scheme);
        let mut request = url.as_str().into_client_request().context("the server's address")?;
        let bearer = format!("Bearer {}", self.token.expose_secret());
        let bearer = bearer.parse().map_err(|_| anyhow::anyhow!("the token is no text"))?;
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        Ok(request)
    }

    /// The error of an answer that is no success.
    pub(super) fn refusal(&self, status: u16, body: &[u8]) -> Refusal {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = match body["error"]["message"].as_str() {
            Some(message) if status == 401 => format!(
                "{} refuses the token ({}): give the server's own with --token or in \
                 PHONY_ADMIN_TOKEN; it is in the file admin-token of the server's data folder",
                origin(&self.server),
                clean(message)
            ),
            Some(message) => clean(message),
            None => format!(
                "{} answers with {status}, and not as a Phony server does",
                origin(&self.server)
            ),
        };
        Refusal { status, message }
    }

    /// The message that no server answers.
    pub(super) fn nobody(&self) -> String {
        no_server(&origin(&self.server))
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let request = request.bearer_auth(self.token.expose_secret());
        let answer = request.send().await.map_err(|_| anyhow::anyhow!(self.nobody()))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|_| anyhow::anyhow!(self.nobody()))?;
        if !status.is_success() {
            return Err(self.refusal(status.as_u16(), &body).into());
        }
        serde_json::from_slice(&body).map_err(|_| self.refusal(status.as_u16(), &body).into())
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Url> {
        let mut url = self.server.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("the server's address takes no path"))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// The server refused a request.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
}

/// An HTTP client without redirects and proxies; `timeout` holds for each request.
pub(super) fn client(timeout: Duration) -> anyhow::Result<reqwest::Client> {
    // Fails only if a provider is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let no_redirects = reqwest::redirect::Policy::none();
    Ok(reqwest::Client::builder().timeout(timeout).redirect(no_redirects).no_proxy().build()?)
}

/// The supervisors' token: the configured one, or the one in the data folder, which is only for the
/// server on this machine.
pub(super) fn admin_token(config: &Config, server: &Url) -> Option<SecretString> {
    let kept = || {
        let token = std::fs::read_to_string(config.data_dir.join("admin-token")).ok()?;
        Some(SecretString::from(token.trim()))
    };
    config.admin_token.clone().or_else(|| is_here(server).then(kept).flatten())
}

/// The message that no server answers at an address, with advice.
pub(super) fn no_server(origin: &str) -> String {
    format!(
        "no Phony server answers at {origin}. Start one with `phony serve`, name another with \
         --server URL, or try `phony demo`, which needs none"
    )
}

/// Parses a server's address.
pub(super) fn server_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.filter(Url::has_host)
        .ok_or_else(|| "give its address, such as http://127.0.0.1:24187".to_owned())
}

/// The calls named so: by their id, or by the last characters of it.
pub(super) fn named<'a>(name: &str, calls: &'a [CallSid]) -> Vec<&'a CallSid> {
    let name = name.to_ascii_lowercase();
    let fits = |call: &&CallSid| {
        let id = call.as_str().to_ascii_lowercase();
        id == name || (name.len() >= SHORT_ID && id.ends_with(&name))
    };
    calls.iter().filter(fits).collect()
}

/// The last characters of a call's id, for people.
pub(super) fn short(call: &str) -> &str {
    let at = call.char_indices().rev().nth(SHORT_ID - 1).map_or(0, |(at, _)| at);
    &call[at..]
}

fn sid_of(call: &Value) -> Option<CallSid> {
    CallSid::parse(call["callSid"].as_str()?).ok()
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether the server is on this machine.
fn is_here(server: &Url) -> bool {
    let Some(host) = server.host_str() else { return false };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(text: &str) -> CallSid {
        CallSid::parse(text).unwrap()
    }

    #[test]
    fn a_call_is_named_by_its_id_or_the_end_of_it() {
        let calls = [sid("CA1"), sid("CA00aaBB"), sid("CA11aaBB")];
        assert_eq!(named("ca1", &calls), [&calls[0]]);
        assert_eq!(named("0aabb", &calls), [&calls[1]]);
        assert_eq!(named("aabb", &calls).len(), 2);
        assert!(named("bb", &calls).is_empty(), "too short to be meant");
        assert_eq!((short("CA00aaBB"), short("CA1")), ("aaBB", "CA1"));
    }

    #[test]
    fn the_token_in_the_data_folder_is_for_this_machine_only() {
        let here = |text| is_here(&Url::parse(text).unwrap());
        assert!(here("http://localhost:1") && here("http://127.0.0.1:1") && here("http://[::1]:1"));
        assert!(!here("http://localhost.example.com") && !here("http://192.0.2.1"));
    }
}
