//! Authentication of supervisors, by the token or by the cookie that a log-in sets.
//!
//! [`Supervisor`] is an extractor, which every handler that reaches a call takes.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use phony_call::SupervisorId;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;

use super::sessions::{EndedSessions, Session};
use super::{AppState, Client};
use crate::cluster::Cluster;
use crate::http::error::{ApiError, ErrorCode};
use crate::token::{self, hex};

/// The cookie that a log-in sets.
pub(super) const COOKIE: &str = "phony_session";

/// How long a log-in lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The most one-time codes that are valid at once.
const CODES: usize = 16;

/// The supervisors' secret and what is derived from it.
#[derive(Debug)]
pub struct Auth {
    token: SecretString,
    /// Codes of log-in links that are not used yet.
    codes: Mutex<Vec<Code>>,
    ended: Arc<EndedSessions>,
    wall: fn() -> Timestamp,
    /// The other servers, on which log-in links work too.
    cluster: Option<Arc<Cluster>>,
}

#[derive(Debug)]
struct Code {
    code: String,
    /// Whether the other servers know it too.
    is_shared: bool,
}

impl Auth {
    /// Log-outs are remembered until this is dropped, unless [`remember`](Self::remember) is
    /// called.
    #[must_use]
    pub fn new(token: SecretString, wall: fn() -> Timestamp) -> Self {
        Self { token, codes: Mutex::default(), ended: Arc::default(), wall, cluster: None }
    }

    /// Stores log-outs in this folder.
    pub fn remember(mut self, folder: &Path) -> io::Result<Self> {
        self.ended = Arc::new(EndedSessions::open(folder, self.now())?);
        Ok(self)
    }

    /// Shares log-in links with the other servers: a link that one of them shows works on all,
    /// once.
    #[must_use]
    pub fn shared(mut self, cluster: Option<Arc<Cluster>>) -> Self {
        self.cluster = cluster;
        self
    }

    /// Synchronizes log-outs with the other servers, if there are any, until `kill`.
    pub async fn synchronize(self: Arc<Self>, kill: CancellationToken) {
        let Some(cluster) = self.cluster.clone() else { return };
        let now = || self.now();
        Arc::clone(&self.ended).synchronize(cluster, now, kill).await;
    }

    /// A code that logs in once, for a link shown to the operator.
    pub async fn one_time_code(&self) -> String {
        let code = token::random();
        let is_shared = match &self.cluster {
            None => false,
            Some(cluster) => cluster.share_code(&code).await,
        };
        if self.cluster.is_some() && !is_shared {
            tracing::warn!("a log-in link works on this server alone: Redis does not answer");
        }
        self.open(code.clone(), is_shared);
        code
    }

    fn open(&self, code: String, is_shared: bool) {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if codes.len() == CODES {
            codes.remove(0);
        }
        codes.push(Code { code, is_shared });
    }

    pub(super) fn is_token(&self, text: &str) -> bool {
        // Hashes have one length, so that the comparison reveals nothing about that of the token.
        let hash = |text: &str| Sha256::digest(text.as_bytes());
        hash(text).ct_eq(&hash(self.token.expose_secret())).into()
    }

    /// The id of the log-in behind a token or a cookie, the same on every server that shares the
    /// token. The secret cannot be derived from it.
    fn supervisor(&self, secret: &str) -> SupervisorId {
        let key = self.token.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(b"phony supervisor ");
        mac.update(secret.as_bytes());
        let id = hex(&mac.finalize().into_bytes()[..8]);
        SupervisorId::parse(&id).expect("hexadecimal digits are an id")
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"phony fingerprint of ");
        hash.update(self.token.expose_secret().as_bytes());
        hex(&hash.finalize()[..4])
    }

    /// Redeems a code of any of the servers; false if it is invalid or was used.
    pub(super) async fn redeem(&self, code: &str) -> bool {
        let own = self.redeem_own(code);
        let Some(cluster) = &self.cluster else { return own.is_some() };
        match cluster.redeem_code(code).await {
            // The first server to delete it in Redis redeems it.
            Ok(first) => first || own == Some(false),
            Err(error) => {
                // Only a code that was never shared cannot have been used elsewhere.
                let is_unused = own == Some(false);
                if is_unused {
                    cluster.forget_code(code);
                } else if own.is_some() {
                    tracing::warn!(%error, "a log-in link waits until Redis answers");
                }
                is_unused
            }
        }
    }

    /// Redeems a code of this server; returns whether it was shared, or `None` if it is invalid.
    fn redeem_own(&self, code: &str) -> Option<bool> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |open: &Code| open.code.as_bytes().ct_eq(code.as_bytes()).into();
        let at = codes.iter().position(same)?;
        Some(codes.remove(at).is_shared)
    }

    /// The `Set-Cookie` of a new session; `secure` if the browser uses TLS.
    pub(super) fn cookie(&self, secure: bool) -> HeaderValue {
        let ends = self.now().saturating_add(SESSION.as_secs());
        let id = &token::random()[..32];
        let session = format!("{ends}.{id}.{}", self.seal(&[SEAL, id, " until "], ends));
        set_cookie(&session, SESSION.as_secs(), secure)
    }

    /// The `Set-Cookie` that ends a session.
    pub(super) fn no_cookie(secure: bool) -> HeaderValue {
        set_cookie("", 0, secure)
    }

    /// Ends the session of a request for good, if it has one.
    pub(super) async fn log_out(&self, headers: &HeaderMap) {
        let sessions = cookies(headers).filter_map(|cookie| self.session(cookie));
        for session in sessions.collect::<Vec<_>>() {
            self.ended.end(&session, self.now()).await;
        }
    }

    /// Waits until this session is logged out; for ever if there is none.
    pub(super) async fn until_logged_out(&self, session: Option<&Session>) {
        match session {
            Some(session) => self.ended.until_ended(session).await,
            None => std::future::pending().await,
        }
    }

    /// The session of a cookie, if it is valid and has not ended.
    fn session(&self, cookie: &str) -> Option<Session> {
        let (ends, rest) = cookie.split_once('.')?;
        let ends: i64 = ends.parse().ok()?;
        let (seal, sealed) = match rest.split_once('.') {
            Some((id, seal)) => (seal, self.seal(&[SEAL, id, " until "], ends)),
            // The format before sessions had ids.
            None => (rest, self.seal(&["phony session until "], ends)),
        };
        let is_sealed: bool = sealed.as_bytes().ct_eq(seal.as_bytes()).into();
        let key = hex(&Sha256::digest(sealed.as_bytes())[..16]);
        let session = Session { key, ends };
        (is_sealed && self.now() < ends && !self.ended.contains(&session)).then_some(session)
    }

    fn seal(&self, parts: &[&str], ends: i64) -> String {
        let key = self.token.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part.as_bytes());
        }
        mac.update(ends.to_string().as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    fn now(&self) -> i64 {
        (self.wall)().as_second()
    }
}

/// The prefix of what a session's seal signs.
const SEAL: &str = "phony session named ";

fn set_cookie(value: &str, max_age: i64, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(cookie).expect("hexadecimal digits fit into a header")
}

/// An authenticated supervisor.
#[derive(Debug)]
pub(super) struct Supervisor {
    auth: Arc<Auth>,
    id: SupervisorId,
    /// The session of the cookie, unless a token was given.
    session: Option<Session>,
}

impl Supervisor {
    /// Identifies the supervisor in the ledger: a short fingerprint of the token, from which it
    /// cannot be derived, and how it was presented.
    pub(super) fn fingerprint(&self) -> String {
        let how = if self.session.is_some() { "cookie" } else { "token" };
        format!("{how}:{}", self.auth.fingerprint())
    }

    /// The supervisor's name: the token of the configuration is the admin's.
    #[expect(clippy::unused_self, reason = "there is one supervisor by name")]
    pub(super) fn name(&self) -> &'static str {
        "admin"
    }

    /// The id of this log-in.
    pub(super) fn id(&self) -> &SupervisorId {
        &self.id
    }

    /// Waits until this supervisor has logged out, which closes their open connections.
    pub(super) async fn until_logged_out(self) {
        self.auth.until_logged_out(self.session.as_ref()).await;
    }
}

impl FromRequestParts<AppState> for Supervisor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Client { network, .. } = Client::from_request_parts(parts, state).await?;
        let now = (state.app.clock.now)();
        let session = match presented(&parts.headers) {
            None => {
                state.limits.stranger(network, now)?;
                return Err(unauthorized("log in, or send the token as Authorization: Bearer"));
            }
            Some(Credential::Bearer(token)) => {
                if !state.is_right(token, network)? {
                    return Err(unauthorized("the token is wrong"));
                }
                None
            }
            Some(Credential::Cookie(cookie)) => {
                let session = state.auth.session(cookie);
                if session.is_none() {
                    state.limits.stranger(network, now)?;
                    return Err(unauthorized("the session has ended; log in"));
                }
                session
            }
        };
        state.limits.request(network, now)?;
        let shown = presented(&parts.headers);
        let id = state.auth.supervisor(shown.map_or("", Credential::secret));
        if !parts.method.is_safe() {
            state.app.supervisors.acted(&id);
        }
        Ok(Self { auth: Arc::clone(&state.auth), id, session })
    }
}

pub(super) fn unauthorized(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, message)
}

enum Credential<'a> {
    Bearer(&'a str),
    Cookie(&'a str),
}

impl<'a> Credential<'a> {
    fn secret(self) -> &'a str {
        match self {
            Self::Bearer(secret) | Self::Cookie(secret) => secret,
        }
    }
}

/// The credentials of a request; a token takes precedence over a cookie.
fn presented(headers: &HeaderMap) -> Option<Credential<'_>> {
    let cookie = || cookies(headers).next().map(Credential::Cookie);
    bearer(headers).map(Credential::Bearer).or_else(cookie)
}

/// The token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Every session cookie of a request, since a browser may send several.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(wall: fn() -> Timestamp) -> Auth {
        Auth::new(SecretString::from("correct horse"), wall)
    }

    fn early() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn late() -> Timestamp {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    fn value_of(cookie: &HeaderValue) -> String {
        let text = cookie.to_str().unwrap();
        text[COOKIE.len() + 1..text.find(';').unwrap()].to_owned()
    }

    #[test]
    fn a_session_expires() {
        let cookie = value_of(&auth(early).cookie(true));
        assert!(auth(early).session(&cookie).is_some());
        assert!(auth(late).session(&cookie).is_none());
        let other = Auth::new(SecretString::from("another"), early);
        assert!(other.session(&cookie).is_none(), "a new token ends all sessions");
        let (ends, rest) = cookie.split_once('.').unwrap();
        let longer = format!("{}.{rest}", ends.parse::<i64>().unwrap() + 1);
        assert!(auth(early).session(&longer).is_none(), "its end cannot be moved");
        let (_, seal) = rest.split_once('.').unwrap();
        let renamed = format!("{ends}.another.{seal}");
        assert!(auth(early).session(&renamed).is_none(), "nor can its name");
    }

    #[tokio::test]
    async fn a_session_in_the_format_without_an_id_is_valid_and_can_be_ended() {
        let auth = auth(early);
        let ends = auth.now() + 60;
        let cookie = format!("{ends}.{}", auth.seal(&["phony session until "], ends));
        assert!(auth.session(&cookie).is_some());
        let line = format!("{COOKIE}={cookie}").parse().unwrap();
        auth.log_out(&HeaderMap::from_iter([(header::COOKIE, line)])).await;
        assert!(auth.session(&cookie).is_none());
    }

    #[test]
    fn a_code_logs_in_once() {
        let auth = auth(early);
        auth.open("code".into(), false);
        assert!(auth.redeem_own("guess").is_none());
        assert!(auth.redeem_own("code").is_some());
        assert!(auth.redeem_own("code").is_none());
    }
}
