//! Sockets of calls: hands out the single-use token of a call's next socket, and redeems it when
//! the socket comes, on whichever node it comes. Owns no state: tokens are in [`super::registry`],
//! in Redis, and signed by [`super::socket_tokens`]. The Twilio webhooks and the relay endpoint
//! call it.

use std::sync::Arc;
use std::time::Duration;

use phony_call::{CallSid, Direction, Identity};

use super::failover::{FailoverError, RetryLimit};
use super::registry::Handle;
use super::socket_tokens::TokenClaims;
use super::{CallOrigin, Calls};
use crate::store::FIRST_TERM;
use crate::token;

/// How long a socket waits for its call to fail over to this node.
const SOCKET_LIMIT: Duration = Duration::from_secs(5);

impl Calls {
    /// Returns the single-use token of the call's next socket. It is valid on every node and stays
    /// the same until that socket has come; `None` if no node could take the socket.
    pub async fn next_token(&self, call: &CallSid) -> Option<String> {
        let wall = (self.clock.wall)();
        let Some(cluster) = &self.cluster else {
            let agent = self.registry.agent_of(call);
            let agent = agent.as_ref().map(|agent| agent.call.id.as_str());
            let make = |next| self.socket_tokens.sign_next(call, next, wall, agent);
            return self.registry.next_token(call, make).map(|(token, _)| token);
        };
        // A call in which nothing has happened yet can begin on any node.
        let is_new = self
            .hub
            .summary(call)
            .is_none_or(|line| line.last_seq == 1 && line.direction == Direction::Inbound);
        let agent = self.registry.agent_of(call).filter(|_| is_new);
        let agent = agent.as_ref().map(|agent| agent.call.id.as_str());
        let token = self.socket_tokens.sign(call, token::random(), wall, agent);
        let is_here = match self.registry.next_token(call, |_| token.clone()) {
            // A token that was handed out before may have been used meanwhile.
            Some((known, false)) => return Some(known),
            known => known.is_some(),
        };
        let shared = cluster.share_token(call, &token).await;
        (is_here || shared || self.socket_tokens.are_signed()).then_some(token)
    }

    /// Redeems the token of a socket and returns the call that the socket belongs to; `None` if the
    /// token is not valid for `call`. A call of another node fails over to this one, which has its
    /// line from now on. `inbound` is the caller and the callee as the socket names them, if the
    /// call is inbound.
    pub async fn attach(
        &self,
        call: &CallSid,
        token: &str,
        inbound: Option<Identity>,
    ) -> Option<Handle> {
        let Some(cluster) = &self.cluster else {
            return self.attach_single_node(call, token, inbound).await;
        };
        let wall = (self.clock.wall)();
        if let Some(handle) = self.registry.redeem(call, token) {
            // It must not work a second time while Redis is away.
            self.socket_tokens.take(call, token, wall);
            let (cluster, token) = (Arc::clone(cluster), token.to_owned());
            self.tasks.spawn(async move { cluster.delete_token(&token).await });
            return Some(handle);
        }
        let retry = RetryLimit::new(self, SOCKET_LIMIT);
        let mark = token::random();
        let holder = loop {
            match cluster.redeem_token(call, token, &mark).await {
                Ok(holder) => {
                    self.socket_tokens.take(call, token, wall);
                    break holder?;
                }
                Err(error) => {
                    if let Some(claims) = self.socket_tokens.take(call, token, wall) {
                        tracing::warn!(callSid = %call, %error, "a token is believed by itself");
                        return self.attach_by_claims(call, &claims, inbound);
                    }
                    retry.wait(call, &FailoverError::Redis(error)).await?;
                }
            }
        };
        loop {
            match self.resume_from(call, Some(&holder)).await {
                Ok(handle) => {
                    self.registry.connected(call);
                    return Some(handle);
                }
                Err(FailoverError::Ended) => return None,
                Err(error) => retry.wait(call, &error).await?,
            }
        }
    }

    /// The same as [`Self::attach`] on a single node. The token may have been made by the previous
    /// process; the number of sockets in the call's record tells whether it was used. A call without
    /// a record, whose process was killed before it was written, begins here.
    async fn attach_single_node(
        &self,
        call: &CallSid,
        token: &str,
        inbound: Option<Identity>,
    ) -> Option<Handle> {
        if let Some(handle) = self.registry.redeem(call, token) {
            return Some(handle);
        }
        let claims = self.socket_tokens.read_next(call, token, (self.clock.wall)())?;
        let retry = RetryLimit::new(self, SOCKET_LIMIT);
        while self.find(call).is_none() {
            match self.resume_from(call, None).await {
                Ok(_) => break,
                Err(FailoverError::Unknown) => {
                    let agent = claims.agent.as_deref()?;
                    self.open(inbound.clone()?, Some(agent)).ok()?;
                }
                Err(FailoverError::Ended) => return None,
                Err(error) => retry.wait(call, &error).await?,
            }
        }
        self.registry.until_read(call).await;
        let handle = self.registry.admit(call, claims.after)?;
        tracing::info!(callSid = %call, "a token of before the restart is believed");
        Some(handle)
    }

    /// Returns the call of a token whose signed claims are all there is to go by, because Redis is
    /// away: a call of this node, or one that another node has just opened and that begins here.
    /// The other node loses it to the higher term as soon as the store is back.
    fn attach_by_claims(
        &self,
        call: &CallSid,
        claims: &TokenClaims,
        inbound: Option<Identity>,
    ) -> Option<Handle> {
        if let Some(handle) = self.find(call) {
            self.registry.connected(call);
            return Some(handle);
        }
        let agent = self.agents.find(claims.agent.as_deref()?)?;
        let identity = inbound?;
        let registered = self.registry.register(call, self.shutdown.stop.child_token())?;
        let publisher = self.hub.reopen(call, Vec::new(), FIRST_TERM + 1, true);
        self.registry.connected(call);
        self.begin(registered, identity, agent, publisher, CallOrigin::New);
        self.find(call)
    }
}
