//! Twilio's official SDK against the stand-in, with Twilio's description in between.

use std::path::Path;
use std::process::Command;

use tokio::runtime::Runtime;

use crate::support::program::{Run, value};
use crate::support::twilio_spec::Checked;

#[test]
#[ignore = "needs the SDK: `scripts/sdk.sh` runs it, as `make test` does"]
fn twilios_sdk_finds_nothing_to_object_to_and_its_description_neither() {
    let flags = ["sim", "twilio", "--port", "0", "--speed", "20", "--number", "+15005550006"];
    let (_network, lines) = Run::new(&flags).serving("Ctrl-C");
    let runtime = Runtime::new().unwrap();
    let checked = runtime.block_on(Checked::before(&value(&lines, "TWILIO_API_BASE_URL")));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sdk = Command::new(root.join(".cache/venv/bin/python"));
    sdk.arg(root.join("tests/sdk/twilio_rest.py")).arg(checked.base_url());
    for name in ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"] {
        sdk.env(name, value(&lines, name));
    }
    let done = sdk.output().expect("the SDK's Python is there");
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.contains(" passed, 0 failed"), "{told}");
}
