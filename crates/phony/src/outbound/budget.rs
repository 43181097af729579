//! Watches the day's budget, tells live outbound calls when it runs low or out, and saves the costs
//! and the do-not-call list. Owns no state; `server` runs [`watch`] until it stops.

use std::sync::Arc;
use std::time::Duration;

use phony_call::Budget;
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::calls::registry::CallMessage;
use crate::clock::Clock;
use crate::safety::Safety;

/// How often the budget is checked.
const EVERY: Duration = Duration::from_secs(1);

/// Watches the budget until `kill`, then saves and flushes once more.
pub async fn watch(calls: Arc<Calls>, safety: Arc<Safety>, clock: Clock, kill: CancellationToken) {
    let safety = &*safety;
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    while kill.run_until_cancelled(interval.tick()).await.is_some() {
        let (budget, spent) = safety.spend.budget((clock.now)(), (clock.wall)());
        metrics::gauge!("phony_outbound_spent_usd").set(spent);
        if budget != told {
            if let Some(budget) = budget {
                tracing::warn!(?budget, spent, "the day's money for outbound calls runs out");
            }
            told = budget;
        }
        if let Some(budget) = budget {
            tell(&calls, safety, budget).await;
        }
        keep(safety).await;
    }
    keep(safety).await;
    safety.ledger.flush().await;
}

/// Saves the day's costs and the do-not-call list.
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

/// Tells the live calls; a call that was told already ignores it.
async fn tell(calls: &Calls, safety: &Safety, budget: Budget) {
    for call in safety.spend.live() {
        if let Some(handle) = calls.find(&call) {
            handle.send(CallMessage::Budget(budget)).await;
        }
    }
}
