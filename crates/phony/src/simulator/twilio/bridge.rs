//! Two calls joined: the account rings a number of its own, and each side hears the other.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::dial_in;
use super::network::{Callee, Network};
use crate::simulator::callers::{Act, Caller, LiveEvent};

/// If this is a number of the account with TwiML of its own, whoever answers there: another call,
/// inbound, whose words are heard on this one.
pub(crate) fn to_own_number(net: &Arc<Network>, from: &str, to: &str) -> Option<Callee> {
    net.number(to).filter(|number| !number.voice_url.is_empty())?;
    let (near, near_line) = Caller::live();
    let callee = Callee::person(near);
    let (from, to) = (from.to_owned(), to.to_owned());
    let shared = Arc::clone(net);
    net.tracker.spawn(async move {
        let (near_acts, mut near_events) = near_line.split();
        // The far side rings when the near one is answered.
        if near_events.recv().await != Some(LiveEvent::Answered) {
            return;
        }
        let (far, far_line) = Caller::live();
        if dial_in(&shared, &from, &to, far).is_err() {
            drop(near_acts.send(Act::HangUp).await);
            return;
        }
        let (far_acts, far_events) = far_line.split();
        tokio::join!(carry(near_events, far_acts), carry(far_events, near_acts));
    });
    Some(callee)
}

/// What is heard on one call is said on the other, until one of them is over.
async fn carry(mut heard: mpsc::Receiver<LiveEvent>, said: mpsc::Sender<Act>) {
    loop {
        let act = match heard.recv().await {
            Some(LiveEvent::Heard(text)) => Act::Say(text),
            Some(LiveEvent::Digits(digits)) => Act::Press(digits),
            Some(LiveEvent::Answered | LiveEvent::AgentSpeaking(_)) => continue,
            Some(LiveEvent::Ended) | None => {
                drop(said.send(Act::HangUp).await);
                return;
            }
        };
        if said.send(act).await.is_err() {
            return;
        }
    }
}
