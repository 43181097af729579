//! Signed socket tokens: claims that are valid by themselves, after a restart of a single node and
//! while Redis is away. Owns the list of the tokens used that way; [`super::Calls`] calls it.
//!
//! Every node signs its tokens with the carrier's secret (HMAC-SHA-256), which all nodes have.
//! While Redis is away the claims decide: a call that is live here gets the socket, and one that
//! another node had just opened begins here, under a higher term, with the agent that the token
//! names. A token then works once on each node rather than once in all; the carrier's signature of
//! the socket is checked all the same.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use phony_call::CallSid;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::calls::registry::NextSocket;
use crate::token::{self, hex};

/// How long a token is valid, in seconds.
const LIFE_S: i64 = 120;
/// How many used tokens are remembered: many more than are valid at a time.
const USED: usize = 4096;
/// How often a new socket is asked for without knowing which node has the call, for one call; and
/// how many such attempts are remembered.
const TRIES: (usize, usize) = (10, 1024);

/// Signs tokens, and remembers those that were redeemed by their claims alone.
#[derive(Debug)]
pub(super) struct SocketTokens {
    key: Option<SecretString>,
    used: Mutex<VecDeque<String>>,
    tried: Mutex<VecDeque<CallSid>>,
}

/// The claims of a token that a single node signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NextClaims {
    /// How many sockets came before.
    pub(super) after: u32,
    /// The agent, if no socket came before.
    pub(super) agent: Option<String>,
}

/// The claims of a signed token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenClaims {
    /// The agent of a call that had just been opened; `None` if the call had gone further.
    pub(super) agent: Option<String>,
}

/// The contents of a token with a valid signature.
struct Read<'a> {
    first: &'a str,
    agent: Option<&'a str>,
    seal: String,
}

/// Until when a token handed out at `second` is valid, both in Unix seconds.
pub(super) const fn good_from(second: i64) -> i64 {
    second.saturating_add(LIFE_S)
}

impl SocketTokens {
    /// Signs with this secret; without one, tokens carry no claims.
    #[must_use]
    pub(super) fn new(key: Option<SecretString>) -> Self {
        Self { key, used: Mutex::default(), tried: Mutex::default() }
    }

    /// Whether tokens are signed at all.
    pub(super) fn are_signed(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the carrier may be told to open a new socket of a call whose node is unknown: the
    /// node that has the call accepts its signed token. At most `TRIES.0` times a call, for there
    /// may be no such node.
    pub(super) fn may_send_blindly(&self, call: &CallSid) -> bool {
        let mut sent = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = sent.iter().filter(|known| *known == call).count();
        if !self.are_signed() || tries >= TRIES.0 {
            return false;
        }
        if sent.len() == TRIES.1 {
            sent.pop_front();
        }
        sent.push_back(call.clone());
        true
    }

    /// Makes the token of a call's next socket in a cluster.
    pub(super) fn sign(
        &self,
        call: &CallSid,
        random: String,
        wall: Timestamp,
        agent: Option<&str>,
    ) -> String {
        let until = good_from(wall.as_second());
        let said = format!("{random}.{until}.{}", agent.unwrap_or_default());
        match self.seal(call, &said) {
            Some(seal) => format!("{said}.{seal}"),
            None => random,
        }
    }

    /// Makes the token of a call's next socket on a single node. It holds how many sockets came
    /// before, so that after a restart the call's record tells whether it was used, and the first
    /// token of a call is the same again. The first one names the agent as well: a call whose record
    /// was not written before a crash begins again with it.
    pub(super) fn sign_next(
        &self,
        call: &CallSid,
        next: NextSocket,
        wall: Timestamp,
        agent: Option<&str>,
    ) -> String {
        let NextSocket { after, first_until } = next;
        let until = if after == 0 { first_until } else { good_from(wall.as_second()) };
        let agent = agent.filter(|_| after == 0).unwrap_or_default();
        let said = format!("{after}.{until}.{agent}");
        match self.seal(call, &said) {
            Some(seal) => format!("{said}.{seal}"),
            None => token::random(),
        }
    }

    /// The claims of a token; `None` unless a single node signed it for this call and it is still
    /// valid. The tokens of a cluster begin with a longer number.
    pub(super) fn read_next(
        &self,
        call: &CallSid,
        token: &str,
        wall: Timestamp,
    ) -> Option<NextClaims> {
        let Read { first, agent, .. } = self.read(call, token, wall)?;
        Some(NextClaims { after: first.parse().ok()?, agent: agent.map(str::to_owned) })
    }

    /// Redeems a token by its claims: `None` unless it was signed for this call, is still valid,
    /// and was not redeemed here before.
    pub(super) fn take(&self, call: &CallSid, token: &str, wall: Timestamp) -> Option<TokenClaims> {
        let Read { agent, seal: own, .. } = self.read(call, token, wall)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.iter().any(|seal| *seal == own) {
            return None;
        }
        if used.len() == USED {
            used.pop_front();
        }
        used.push_back(own);
        Some(TokenClaims { agent: agent.map(str::to_owned) })
    }

    fn read<'a>(&self, call: &CallSid, token: &'a str, wall: Timestamp) -> Option<Read<'a>> {
        let (said, shown) = token.rsplit_once('.')?;
        let seal = self.seal(call, said)?;
        if !bool::from(seal.as_bytes().ct_eq(shown.as_bytes())) {
            return None;
        }
        let mut parts = said.splitn(3, '.');
        let first = parts.next()?;
        let until: i64 = parts.next()?.parse().ok()?;
        let agent = parts.next().filter(|agent| !agent.is_empty());
        (wall.as_second() <= until).then_some(Read { first, agent, seal })
    }

    /// The token without its signature, for another node, which has the secret itself; it is of no
    /// use to others who read it in Redis.
    pub(crate) fn without_seal<'a>(&self, token: &'a str) -> &'a str {
        let said = self.key.as_ref().and_then(|_| token.rsplit_once('.'));
        said.map_or(token, |(said, _)| said)
    }

    /// Signs a token again whose signature was removed.
    pub(super) fn with_seal(&self, call: &CallSid, said: &str) -> String {
        self.seal(call, said).map_or_else(|| said.to_owned(), |seal| format!("{said}.{seal}"))
    }

    fn seal(&self, call: &CallSid, said: &str) -> Option<String> {
        let key = self.key.as_ref()?.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(b"phony socket ");
        mac.update(call.as_str().as_bytes());
        mac.update(b" ");
        mac.update(said.as_bytes());
        Some(hex(&mac.finalize().into_bytes()[..16]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_token_is_redeemed_once_by_nodes_with_the_secret() {
        let socket_tokens = |key: &str| SocketTokens::new(Some(SecretString::from(key)));
        let (one, two, stranger) =
            (socket_tokens("secret"), socket_tokens("secret"), socket_tokens("other"));
        let (call, other) = (CallSid::parse("CA1").unwrap(), CallSid::parse("CA2").unwrap());
        let now: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-01-15T12:02:01Z".parse().unwrap();
        let token = one.sign(&call, "random".into(), now, Some("my.clerk"));
        assert_eq!(two.take(&other, &token, now), None, "another call's");
        assert_eq!(stranger.take(&call, &token, now), None, "not signed by us");
        assert_eq!(two.take(&call, &token, later), None, "too old");
        let changed = token.replace("my.clerk", "another");
        assert_eq!(two.take(&call, &changed, now), None, "changed");
        assert_eq!(
            two.take(&call, &token, now),
            Some(TokenClaims { agent: Some("my.clerk".into()) })
        );
        assert_eq!(two.take(&call, &token, now), None, "used");
        let token = one.sign(&call, "random".into(), now, None);
        assert_eq!(two.with_seal(&call, one.without_seal(&token)), token);
        assert_eq!(two.take(&call, &token, now), Some(TokenClaims { agent: None }));
        let next = |after| NextSocket { after, first_until: now.as_second() + 120 };
        let clerk = Some("my.clerk");
        let token = one.sign_next(&call, next(0), now, clerk);
        let later_on = "2026-01-15T12:01:00Z".parse().unwrap();
        assert_eq!(one.sign_next(&call, next(0), later_on, clerk), token);
        let seventh = one.sign_next(&call, next(7), now, clerk);
        assert_ne!(seventh, token);
        let claims = |after, agent: Option<&str>| {
            Some(NextClaims { after, agent: agent.map(str::to_owned) })
        };
        assert_eq!(two.read_next(&call, &token, now), claims(0, clerk));
        assert_eq!(two.read_next(&call, &seventh, now), claims(7, None));
        assert_eq!(two.read_next(&other, &token, now), None, "another call's");
        assert_eq!(two.read_next(&call, &token.replacen('0', "1", 1), now), None, "changed");
        assert_eq!(stranger.read_next(&call, &token, now), None, "not signed by us");
        assert_eq!(two.read_next(&call, &token, later), None, "too old");
        assert_eq!(two.read_next(&call, "", now), None);
        let silent = SocketTokens::new(None);
        let unsigned = || silent.sign_next(&call, next(0), now, None);
        assert_ne!(unsigned(), unsigned());
        assert_eq!(silent.sign(&call, "random".into(), now, None), "random");
        assert_eq!(silent.with_seal(&call, silent.without_seal("random")), "random");
        assert_eq!(silent.take(&call, &token, now), None);
    }
}
