//! Joins two calls: one that the account places to a number of its own, and the inbound call there.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::callee::Callee;
use super::network::Network;
use super::ringing::dial_in;
use crate::callers::{Caller, LiveAction, LiveEvent};

/// The callee for a number of the account that has a `VoiceUrl`: an inbound call to it, joined to
/// the outbound one. `None` for any other number.
pub(crate) fn to_own_number(net: &Arc<Network>, from: &str, to: &str) -> Option<Callee> {
    net.number(to).filter(|number| !number.voice_url.is_empty())?;
    let (near, near_line) = Caller::live();
    let callee = Callee::person(near);
    let (from, to) = (from.to_owned(), to.to_owned());
    let shared = Arc::clone(net);
    net.tracker.spawn(async move {
        let (near_acts, mut near_events) = near_line.split();
        // The inbound call starts once the outbound one is answered.
        if near_events.recv().await != Some(LiveEvent::Answered) {
            return;
        }
        let (far, far_line) = Caller::live();
        if dial_in(&shared, &from, &to, far).is_err() {
            drop(near_acts.send(LiveAction::HangUp).await);
            return;
        }
        let (far_acts, far_events) = far_line.split();
        let (near_speaks, near_is_heard) = watch::channel(false);
        let (far_speaks, far_is_heard) = watch::channel(false);
        tokio::join!(
            carry(near_events, near_speaks, far_acts, far_is_heard),
            carry(far_events, far_speaks, near_acts, near_is_heard)
        );
    });
    Some(callee)
}

/// Repeats on one call what is said on the other, an utterance at a time, until one of them ends.
/// It waits while the other side speaks, since two agents that interrupt each other would never
/// finish.
async fn carry(
    mut heard: mpsc::Receiver<LiveEvent>,
    speaks: watch::Sender<bool>,
    said: mpsc::Sender<LiveAction>,
    mut other_speaks: watch::Receiver<bool>,
) {
    let mut words = String::new();
    loop {
        let ready = !words.is_empty() && !*speaks.borrow();
        let act = tokio::select! {
            biased;
            event = heard.recv() => match event {
                Some(LiveEvent::Heard(text)) => {
                    if !words.is_empty() {
                        words.push(' ');
                    }
                    words.push_str(text.trim());
                    continue;
                }
                Some(LiveEvent::AgentSpeaking(on)) => {
                    speaks.send_replace(on);
                    continue;
                }
                Some(LiveEvent::Answered) => continue,
                Some(LiveEvent::Digits(digits)) => LiveAction::Press(digits),
                Some(LiveEvent::Ended) | None => {
                    drop(said.send(LiveAction::HangUp).await);
                    return;
                }
            },
            () = silence(&mut other_speaks), if ready => LiveAction::Relay(std::mem::take(&mut words)),
        };
        if said.send(act).await.is_err() {
            return;
        }
    }
}

/// Waits until the other side is silent; a call that is over is.
async fn silence(speaks: &mut watch::Receiver<bool>) {
    let _ = speaks.wait_for(|speaks| !speaks).await.is_ok();
}
