//! The calls in the data folder of a stopped server.

use std::sync::Arc;

use crate::cli::api::Api;
use crate::config::Config;
use crate::data_dir::is_there;
use crate::history::History;
use crate::store::{Sqlite, sqlite};

/// The calls of this machine's server, if it is stopped and has stored any.
pub(super) async fn find(
    config: &Config,
    api: &anyhow::Result<Api>,
) -> anyhow::Result<Option<History>> {
    let runs = match api {
        Ok(api) => api.is_there().await,
        Err(_) => false,
    };
    let path = config.data_dir.join(sqlite::FILE);
    if runs || config.redis_url.is_some() || !is_there(&path)? {
        return Ok(None);
    }
    let store = Sqlite::open(&path).map_err(|error| anyhow::anyhow!(error.chain()))?;
    // No call is live here, so there is nothing to write.
    let (history, _writer) = History::new(Arc::new(store));
    Ok(Some(history))
}
