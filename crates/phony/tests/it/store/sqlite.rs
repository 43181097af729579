//! The embedded store.

use std::sync::Arc;

use phony::store::{Sqlite, Store};

use super::conforms;

#[tokio::test]
async fn the_suite_holds() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    conforms(async || {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{n}.db"));
        Arc::new(Sqlite::open(&path).unwrap()) as Arc<dyn Store>
    })
    .await;
}
