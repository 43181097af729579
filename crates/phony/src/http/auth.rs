//! Who may come in: supervisors, by the token or by the cookie that a log-in sets.
//!
//! [`Supervisor`] is an extractor: a handler without it has no way to a call.

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

use super::{Http, Peer};
use crate::cluster::Cluster;
use crate::error::{ApiError, ErrorCode};
use crate::registry::{hex, random_token};
use crate::switchboard::Switchboard;

/// The cookie that a log-in sets.
pub(super) const COOKIE: &str = "phony_session";

/// How long a log-in lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One-time codes that may be open at once.
const CODES: usize = 16;

/// The supervisors' secret and what is derived from it.
#[derive(Debug)]
pub struct Auth {
    token: SecretString,
    /// Codes of log-in links that nobody has used yet.
    codes: Mutex<Vec<Code>>,
    /// Whether cookies travel over TLS alone.
    secure: bool,
    wall: fn() -> Timestamp,
    /// The other servers, on which a link works as well.
    cluster: Option<Arc<Cluster>>,
}

#[derive(Debug)]
struct Code {
    code: String,
    /// Other servers know it, too.
    is_shared: bool,
}

impl Auth {
    /// `secure` is for servers that browsers reach over TLS.
    #[must_use]
    pub fn new(token: SecretString, secure: bool, wall: fn() -> Timestamp) -> Self {
        Self { token, codes: Mutex::default(), secure, wall, cluster: None }
    }

    /// As one of several servers: a link that one of them shows works on all, once.
    #[must_use]
    pub fn shared(mut self, cluster: Option<Arc<Cluster>>) -> Self {
        self.cluster = cluster;
        self
    }

    /// A code that logs in once, for a link that is shown to the operator.
    pub async fn one_time_code(&self) -> String {
        let code = random_token();
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
        // Hashes are of one length, so that the comparison tells nothing about the token's.
        let hash = |text: &str| Sha256::digest(text.as_bytes());
        hash(text).ct_eq(&hash(self.token.expose_secret())).into()
    }

    /// Which log-in a token or a cookie is, the same on every server that shares the token. The
    /// secret cannot be found from it.
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

    /// Uses a code up, whichever server has shown it; false if it is none, or was used.
    pub(super) async fn redeem(&self, code: &str) -> bool {
        let own = self.redeem_own(code);
        let Some(cluster) = &self.cluster else { return own.is_some() };
        match cluster.redeem_code(code).await {
            // Whoever takes it away there is the first.
            Ok(first) => first || own == Some(false),
            Err(error) => {
                // Only a code that no other server was told of cannot have been used elsewhere.
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

    /// Uses up a code that was shown here; if it is one, whether others were told of it.
    fn redeem_own(&self, code: &str) -> Option<bool> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |open: &Code| open.code.as_bytes().ct_eq(code.as_bytes()).into();
        let at = codes.iter().position(same)?;
        Some(codes.remove(at).is_shared)
    }

    /// The `Set-Cookie` of a new session.
    pub(super) fn cookie(&self) -> HeaderValue {
        let ends = (self.wall)().as_second().saturating_add(SESSION.as_secs());
        let session = format!("{ends}.{}", self.seal(ends));
        self.set_cookie(&session, SESSION.as_secs())
    }

    /// The `Set-Cookie` that ends a session.
    pub(super) fn no_cookie(&self) -> HeaderValue {
        self.set_cookie("", 0)
    }

    fn set_cookie(&self, value: &str, max_age: i64) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let cookie = format!(
            "{COOKIE}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
        );
        HeaderValue::try_from(cookie).expect("hexadecimal digits fit into a header")
    }

    fn is_session(&self, cookie: &str) -> bool {
        let Some((ends, seal)) = cookie.split_once('.') else { return false };
        let Ok(ends) = ends.parse::<i64>() else { return false };
        let sealed: bool = self.seal(ends).as_bytes().ct_eq(seal.as_bytes()).into();
        sealed && (self.wall)().as_second() < ends
    }

    fn seal(&self, ends: i64) -> String {
        let key = self.token.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(b"phony session until ");
        mac.update(ends.to_string().as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

/// A supervisor, who may look at calls and act on them.
#[derive(Debug)]
pub(super) struct Supervisor {
    http: Http,
    by_cookie: bool,
    id: SupervisorId,
}

impl Supervisor {
    /// Whose hand this is, for the ledger: a short print of the token, from which it cannot be
    /// found, and how it was shown.
    pub(super) fn fingerprint(&self) -> String {
        let how = if self.by_cookie { "cookie" } else { "token" };
        format!("{how}:{}", self.http.auth.fingerprint())
    }

    /// Whose hand this is, by name: the token of the configuration is the admin's.
    #[expect(clippy::unused_self, reason = "there is one supervisor by name")]
    pub(super) fn name(&self) -> &'static str {
        "admin"
    }

    /// Which log-in this is.
    pub(super) fn id(&self) -> &SupervisorId {
        &self.id
    }

    pub(super) fn switchboard(&self) -> &Arc<Switchboard> {
        &self.http.switchboard
    }
}

impl FromRequestParts<Http> for Supervisor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, ApiError> {
        let Peer(from) = Peer::from_request_parts(parts, http).await?;
        let now = (http.switchboard.clock.now)();
        match presented(&parts.headers) {
            None => {
                http.limits.stranger(from, now)?;
                Err(unauthorized("log in, or send the token as Authorization: Bearer"))
            }
            Some(Credential::Bearer(token)) if http.auth.is_token(token) => Ok(()),
            Some(Credential::Cookie(cookie)) if http.auth.is_session(cookie) => Ok(()),
            Some(Credential::Bearer(_)) => {
                http.limits.wrong_token(from, now)?;
                Err(unauthorized("the token is wrong"))
            }
            Some(Credential::Cookie(_)) => {
                http.limits.stranger(from, now)?;
                Err(unauthorized("the session has ended; log in"))
            }
        }?;
        http.limits.request(from, now)?;
        let shown = presented(&parts.headers);
        let by_cookie = matches!(shown, Some(Credential::Cookie(_)));
        let id = http.auth.supervisor(shown.map_or("", Credential::secret));
        if !parts.method.is_safe() {
            http.switchboard.supervisors.ordered(&id);
        }
        Ok(Self { http: http.clone(), by_cookie, id })
    }
}

/// Refuses pages of other sites: a browser sends its cookies with a socket whoever opens it.
pub(super) fn check_origin(headers: &HeaderMap, switchboard: &Switchboard) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let port = switchboard.port;
    let own = [
        format!("https://{}", switchboard.authority()),
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
        format!("http://[::1]:{port}"),
    ];
    if own.iter().any(|own| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes())) {
        Ok(())
    } else {
        Err(ApiError::new(ErrorCode::Forbidden, "pages of other sites may not connect"))
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

/// What a request brings; a token wins over a cookie.
fn presented(headers: &HeaderMap) -> Option<Credential<'_>> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Credential::Bearer(token.trim()))
    });
    bearer.or_else(|| {
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut pairs = cookies.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(';'));
        pairs.find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE).then_some(Credential::Cookie(value))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(wall: fn() -> Timestamp) -> Auth {
        Auth::new(SecretString::from("correct horse"), true, wall)
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
    fn a_session_lasts_its_time_and_no_longer() {
        let cookie = value_of(&auth(early).cookie());
        assert!(auth(early).is_session(&cookie));
        assert!(!auth(late).is_session(&cookie));
        let other = Auth::new(SecretString::from("another"), true, early);
        assert!(!other.is_session(&cookie), "a new token ends all sessions");
        let (ends, seal) = cookie.split_once('.').unwrap();
        let longer = format!("{}.{seal}", ends.parse::<i64>().unwrap() + 1);
        assert!(!auth(early).is_session(&longer), "its end cannot be moved");
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
