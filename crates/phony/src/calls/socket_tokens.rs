//! What a token for a socket says by itself: after a restart of a server that is alone, and for the time
//! in which Redis cannot say it.
//!
//! Every node signs its tokens with the carrier's secret, which all have. While Redis is away a node
//! takes another's word for it: a call that is live here may have the socket, and one that had just
//! been taken elsewhere begins here, under a higher term, with the agent that the token names. That a
//! token works once is then true of each node and not of all together; the socket itself must still
//! be signed by the carrier.

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

/// How long a token is good, in seconds.
const LIFE_S: i64 = 120;
/// Used tokens that are remembered: many more than are good at a time.
const USED: usize = 4096;
/// How often a socket of one call is sent to whoever has it, and how many such attempts are
/// remembered.
const TRIES: (usize, usize) = (10, 1024);

/// Signs tokens, and remembers those that were used on its word alone.
#[derive(Debug)]
pub struct SocketTokens {
    key: Option<SecretString>,
    used: Mutex<VecDeque<String>>,
    tried: Mutex<VecDeque<CallSid>>,
}

/// What a signed token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenClaims {
    /// Who answers a call that had just been taken; `None` for one that had been spoken in.
    pub(super) agent: Option<String>,
}

/// What stands in a token whose seal is right.
struct Read<'a> {
    first: &'a str,
    agent: Option<&'a str>,
    seal: String,
}

/// Until when a token is good that is handed out then, both in seconds since 1970.
pub(super) const fn good_from(second: i64) -> i64 {
    second.saturating_add(LIFE_S)
}

impl SocketTokens {
    /// Signed with this secret; without one tokens say nothing.
    #[must_use]
    pub fn new(key: Option<SecretString>) -> Self {
        Self { key, used: Mutex::default(), tried: Mutex::default() }
    }

    /// Whether tokens are signed at all.
    pub(super) fn are_signed(&self) -> bool {
        self.key.is_some()
    }

    /// Whether a socket of a call that is somewhere else may be asked for: whoever has the call will
    /// believe its token, should it come to him. Not for ever: there may be nobody.
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

    /// Makes a token of what is random in it.
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

    /// Makes the token of the next socket of a call of a server that is alone. It says how many sockets
    /// came before, so the record of the call tells after a restart whether it was used, and the first
    /// token of a call is the same again.
    pub(super) fn sign_next(&self, call: &CallSid, next: NextSocket, wall: Timestamp) -> String {
        let NextSocket { after, first_until } = next;
        let until = if after == 0 { first_until } else { good_from(wall.as_second()) };
        let said = format!("{after}.{until}.");
        match self.seal(call, &said) {
            Some(seal) => format!("{said}.{seal}"),
            None => token::random(),
        }
    }

    /// How many sockets came before the one that this token is for, if it was signed for this call by a
    /// server that is alone and is still good.
    pub(super) fn read_next(&self, call: &CallSid, token: &str, wall: Timestamp) -> Option<u32> {
        let Read { first, agent, .. } = self.read(call, token, wall)?;
        if agent.is_some() { None } else { first.parse().ok() }
    }

    /// What a token says, if it was signed for this call, is still good, and was not used here on
    /// its word alone; it has been now.
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

    /// What of a token another server needs that has the secret itself: none can be made of it by
    /// whoever else hears it.
    pub(crate) fn without_seal<'a>(&self, token: &'a str) -> &'a str {
        let said = self.key.as_ref().and_then(|_| token.rsplit_once('.'));
        said.map_or(token, |(said, _)| said)
    }

    /// The token of which this is left.
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
    fn a_token_says_who_answers_once_and_to_those_who_have_the_secret() {
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
        let token = one.sign_next(&call, next(0), now);
        assert_eq!(one.sign_next(&call, next(0), "2026-01-15T12:01:00Z".parse().unwrap()), token);
        assert_ne!(one.sign_next(&call, next(1), now), token);
        assert_eq!(two.read_next(&call, &token, now), Some(0));
        assert_eq!(two.read_next(&call, &one.sign_next(&call, next(7), now), now), Some(7));
        assert_eq!(two.read_next(&other, &token, now), None, "another call's");
        assert_eq!(two.read_next(&call, &token.replacen('0', "1", 1), now), None, "changed");
        assert_eq!(stranger.read_next(&call, &token, now), None, "not signed by us");
        assert_eq!(two.read_next(&call, &token, later), None, "too old");
        assert_eq!(two.read_next(&call, "", now), None);
        let silent = SocketTokens::new(None);
        assert_ne!(silent.sign_next(&call, next(0), now), silent.sign_next(&call, next(0), now));
        assert_eq!(silent.sign(&call, "random".into(), now, None), "random");
        assert_eq!(silent.with_seal(&call, silent.without_seal("random")), "random");
        assert_eq!(silent.take(&call, &token, now), None);
    }
}
