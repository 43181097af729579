//! The numbering plans of the world: unfolded when the first number is looked up, and not before,
//! for they take 4 MB and a tenth of a second.

use phony_call::{Action, Country, PhoneNumber};
use tokio::sync::OnceCell;

/// Any number that there is.
const SOME_NUMBER: &str = "+14155552671";

/// Unfolds the plans where blocking is allowed, if that has not been done: whatever else runs on
/// this thread shall not wait for it. To be awaited before a number is looked up.
pub(crate) async fn unfolded() {
    static UNFOLDED: OnceCell<()> = OnceCell::const_new();
    let unfold = || PhoneNumber::parse(SOME_NUMBER).ok().as_ref().and_then(Country::of);
    UNFOLDED
        .get_or_init(|| async {
            // If it fails it is done by whoever looks a number up.
            drop(tokio::task::spawn_blocking(unfold).await);
        })
        .await;
}

/// The same, if a call will look a number up to do this.
pub(crate) async fn unfolded_for(action: &Action) {
    if matches!(action, Action::Transfer(_)) {
        unfolded().await;
    }
}
