//! Watches the day's budget, and tells the calls of ours when it runs low or out; and has the files
//! of the rules written.

use std::sync::Arc;
use std::time::Duration;

use phony_call::Budget;

use crate::calls::Calls;
use crate::calls::registry::CallMessage;
use crate::safety::Safety;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Looks after the budget until the server ends.
pub async fn watch(switchboard: Arc<Calls>) {
    let kill = switchboard.shutdown.kill.clone();
    let safety = &switchboard.safety;
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    while kill.run_until_cancelled(interval.tick()).await.is_some() {
        let clock = switchboard.clock;
        let (budget, spent) = safety.spend.budget((clock.now)(), (clock.wall)());
        metrics::gauge!("phony_outbound_spent_usd").set(spent);
        if budget != told {
            if let Some(budget) = budget {
                tracing::warn!(?budget, spent, "the day's money for outbound calls runs out");
            }
            told = budget;
        }
        if let Some(budget) = budget {
            tell(&switchboard, budget).await;
        }
        keep(safety).await;
    }
    keep(safety).await;
    safety.ledger.flush().await;
}

/// Writes the day's costs, and what was said about who must not be called.
async fn keep(safety: &Safety) {
    let (costs, list) = (Arc::clone(&safety.spend), Arc::clone(&safety.do_not_call));
    let kept = tokio::task::spawn_blocking(move || {
        list.keep();
        costs.keep()
    });
    if let Ok(Err(error)) = kept.await {
        tracing::warn!(%error, "the day's costs cannot be kept");
    }
}

/// A call that knows already takes no notice.
async fn tell(switchboard: &Calls, budget: Budget) {
    for call in switchboard.safety.spend.live() {
        if let Some(handle) = switchboard.find(&call) {
            handle.send(CallMessage::Budget(budget)).await;
        }
    }
}
