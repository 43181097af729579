//! Loads the numbering plans of the world. They take 4 MB and a tenth of a second, so they are
//! loaded only when the first number is looked up.

use phony_call::{Action, Country, PhoneNumber};
use tokio::sync::OnceCell;

/// Any valid number.
const VALID_NUMBER: &str = "+14155552671";

/// Loads the plans on a thread for blocking work, if they are not loaded yet. Awaited before a
/// number is looked up, so that the tasks of this thread are not delayed.
pub(crate) async fn load() {
    static LOADED: OnceCell<()> = OnceCell::const_new();
    let look_up = || PhoneNumber::parse(VALID_NUMBER).ok().as_ref().and_then(Country::of);
    LOADED
        .get_or_init(|| async {
            // If this fails, the first look-up loads them.
            drop(tokio::task::spawn_blocking(look_up).await);
        })
        .await;
}

/// As [`load`], if the action makes the call look up a number.
pub(crate) async fn load_for(action: &Action) {
    if matches!(action, Action::Transfer(_)) {
        load().await;
    }
}
