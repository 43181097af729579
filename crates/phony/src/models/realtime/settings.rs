//! The settings of the adapter.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use url::Url;

use crate::agents::TurnSettings;
use crate::models::Tool;

/// Settings that are the same for every call.
#[derive(Debug)]
pub struct RealtimeSettings {
    /// `ws` or `wss`, with the model in its query.
    pub(crate) url: Url,
    pub(crate) api_key: SecretString,
    pub(crate) tls: Arc<ClientConfig>,
    /// The proxies of the environment.
    pub(crate) proxies: Matcher,
    /// The longest reply in tokens, tool calls and reasoning included; `None` for the server's
    /// limit.
    pub max_output_tokens: Option<u32>,
    /// Timeouts and intervals.
    pub timing: Timing,
}

/// Timeouts and intervals. The defaults are meant for telephone calls.
#[derive(Debug, Clone)]
pub struct Timing {
    /// From the start of a connection to `session.created`, and from there to `session.updated`.
    pub connect: Duration,
    /// Pauses before the attempts to connect; the last one repeats.
    pub retries: Vec<Duration>,
    /// From `response.create` to `response.created`, after which the connection counts as dead.
    pub created: Duration,
    /// From one event of a reply to the next, after which the connection counts as dead.
    pub silence: Duration,
    /// From the cancel of a reply to its end, which the next reply waits for.
    pub drain: Duration,
    /// Between two pings.
    pub ping: Duration,
    /// From a ping to the next frame, whatever it is.
    pub pong: Duration,
    /// For a write, after which the connection counts as dead.
    pub write: Duration,
    /// From a close frame to its answer.
    pub close: Duration,
    /// How long before its announced end a session is replaced. An end that is nearer than this
    /// when the session opens is ignored: the clocks disagree.
    pub roll_over_before: Duration,
    /// The age at which a session is replaced at the latest.
    pub roll_over_at: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            retries: [0, 250, 1_000, 2_000, 5_000].map(Duration::from_millis).to_vec(),
            created: Duration::from_secs(3),
            silence: Duration::from_secs(30),
            drain: Duration::from_secs(1),
            ping: Duration::from_secs(20),
            pong: Duration::from_secs(10),
            write: Duration::from_secs(5),
            close: Duration::from_millis(500),
            roll_over_before: Duration::from_mins(5),
            roll_over_at: Duration::from_mins(55),
        }
    }
}

/// Settings that differ from call to call.
#[derive(Debug, Clone, Default)]
pub struct SessionSettings {
    /// Who the model is and how it behaves.
    pub instructions: Arc<str>,
    /// The voice, if the model itself speaks.
    pub voice: Option<String>,
    /// What the model may call; see [`crate::models::call_tools`].
    pub tools: Vec<Arc<Tool>>,
    /// A hash that lets the provider's abuse checks tell callers apart without identifying them.
    pub safety_identifier: Option<String>,
    /// Set if the model itself hears and speaks; otherwise it reads and writes.
    pub speech: Option<SpeechSettings>,
}

/// How a session hears. Both directions are μ-law at 8 kHz.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechSettings {
    /// What decides that the caller's turn is over, and who transcribes it.
    pub turns: TurnSettings,
    /// The language that the transcription expects, ISO 639-1; `None` if unknown.
    pub language: Option<String>,
}

/// Settings that cannot lead to a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// The base URL is not a URL of a supported scheme.
    #[error("not a URL of http, https, ws or wss such as https://api.openai.com/v1")]
    BaseUrl,
    /// The API key holds characters that no header can carry.
    #[error("the API key holds characters that no HTTP header can carry")]
    ApiKey,
    /// The cryptography library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl RealtimeSettings {
    /// `base_url` is that of the HTTP API, such as `https://api.openai.com/v1`; the socket is at
    /// `/realtime` under it (OpenAI Realtime guide, WebSocket connections).
    pub fn new(base_url: &str, api_key: SecretString, model: &str) -> Result<Self, BadSettings> {
        let mut url = Url::parse(base_url.trim()).map_err(|_| BadSettings::BaseUrl)?;
        let scheme = match url.scheme() {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            _ => return Err(BadSettings::BaseUrl),
        };
        url.set_scheme(scheme).map_err(|()| BadSettings::BaseUrl)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(BadSettings::BaseUrl);
        }
        url.path_segments_mut().map_err(|()| BadSettings::BaseUrl)?.pop_if_empty().push("realtime");
        url.query_pairs_mut().append_pair("model", model);
        bearer(&api_key).ok_or(BadSettings::ApiKey)?;
        let (tls, proxies, timing) = (tls()?, Matcher::from_env(), Timing::default());
        Ok(Self { url, api_key, tls, proxies, max_output_tokens: None, timing })
    }
}

/// The value of the `Authorization` header, which no log shows; `None` if the key holds characters
/// that no header can carry.
pub(super) fn bearer(key: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The TLS configuration that all calls share, since the roots alone take more memory than a call.
fn tls() -> Result<Arc<ClientConfig>, BadSettings> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BadSettings::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Without this the server would choose HTTP/2, which has another WebSocket handshake.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str) -> Result<String, BadSettings> {
        RealtimeSettings::new(base, "key".into(), "gpt-realtime-2.1").map(|s| s.url.to_string())
    }

    #[test]
    fn the_socket_is_under_the_base_url() {
        let socket = "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1";
        assert_eq!(url("https://api.openai.com/v1").as_deref(), Ok(socket));
        assert_eq!(url("https://api.openai.com/v1/").as_deref(), Ok(socket));
        let local = "ws://127.0.0.1:9/v1/realtime?model=gpt-realtime-2.1";
        assert_eq!(url("http://127.0.0.1:9/v1").as_deref(), Ok(local));
    }

    #[test]
    fn an_invalid_base_url_is_refused() {
        for base in ["", "api.openai.com", "ftp://api.openai.com/", "mailto:a@b"] {
            assert_eq!(url(base), Err(BadSettings::BaseUrl), "{base}");
        }
        let settings = RealtimeSettings::new("https://api.openai.com", "a\nb".into(), "m");
        assert_eq!(settings.err(), Some(BadSettings::ApiKey));
    }
}
