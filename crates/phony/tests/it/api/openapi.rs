//! The description of the HTTP API.

use std::path::Path;

#[test]
fn the_committed_description_is_that_of_the_handlers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let made = serde_json::to_string_pretty(&phony::server::openapi()).unwrap();
    assert!(
        committed.trim_end() == made,
        "openapi.json is not up to date: cargo run -q -- openapi > openapi.json"
    );
}
