//! The data folder: one server at a time, and the errors where it cannot be used.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use crate::support::program::{Done, Run, Serving, free_port};
use crate::support::wait::eventually;

/// A user that owns nothing.
const NOBODY: u32 = 65534;

fn serve(folder: &str) -> Run {
    Run::new(&["serve"]).with("PORT", "0").with("PHONY_DATA_DIR", folder)
}

/// A running server, and its address.
fn serving(folder: &str) -> (Serving, String) {
    let (server, lines) = serve(folder).serving("Phony listens on");
    let line = lines.iter().find(|line| line.contains("Phony listens on")).unwrap();
    let address = line.split(' ').next_back().unwrap().to_owned();
    (server, address)
}

fn contents(folder: &Path) -> BTreeMap<String, u64> {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
        .collect()
}

#[test]
fn a_second_server_is_refused_and_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let (mut first, address) = serving(&data);
    let Done { code, err, .. } = serve(&data).done();
    assert_eq!(code, Some(1), "{err}");
    let process = format!("process {}", first.id());
    for told in [process.as_str(), &address, &data, "PHONY_DATA_DIR"] {
        assert!(err.contains(told), "{told}: {err}");
    }
    // Commands may run beside a server.
    let run = |arguments: &[&str]| Run::new(arguments).with("PHONY_DATA_DIR", &data).done();
    assert_eq!(run(&["dnc", "add", "+12125550123"]).code, Some(0));
    assert!(run(&["dnc", "list"]).out.contains("+12125550123"));
    assert_eq!(run(&["ledger", "verify"]).code, Some(0));
    // The lock holds even if its file is removed as left over.
    std::fs::remove_file(folder.path().join("phony.lock")).unwrap();
    let Done { code, err, .. } = serve(&data).done();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("in use by another Phony"), "{err}");
    // The process holds the folder, not the file that it leaves behind.
    first.kill();
    drop(first);
    // The ledger is written by one server.
    let verify = Run::new(&["ledger", "verify"]).with("PHONY_DATA_DIR", &data).done();
    assert_eq!(verify.code, Some(0), "{}{}", verify.out, verify.err);
    assert!(folder.path().join("phony.lock").exists());
    drop(serving(&data));
}

#[tokio::test]
async fn a_demonstration_has_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let (_server, _) = serving(&data);
    // The log is written in the background, and this is its last line.
    eventually(async || {
        let log = std::fs::read_to_string(folder.path().join("call.log")).unwrap_or_default();
        log.contains("server started").then_some(())
    })
    .await;
    let before = contents(folder.path());
    let port = free_port().to_string();
    let demo = Run::new(&["demo", "--auto", "--speed", "8"]).with("PHONY_DATA_DIR", &data);
    let Done { code, out, err } = demo.with("PORT", &port).done();
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(
        contents(folder.path()).keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    let size = |of: &BTreeMap<String, u64>, name: &str| of.get(name).copied();
    for name in ["call.log", "ledger.jsonl", "phony.db"] {
        assert_eq!(size(&contents(folder.path()), name), size(&before, name), "{name}");
    }
}

/// Runs a command as a user without access to what this test has made. A test that runs as root
/// changes the user; any other takes its own permissions away, which gives another message.
fn as_a_stranger(run: Run) -> Done {
    as_a_stranger_in(run, Path::new("/"))
}

fn as_a_stranger_in(mut run: Run, place: &Path) -> Done {
    run.command.current_dir(place);
    if is_root() {
        run.command.uid(NOBODY).gid(NOBODY);
    }
    run.done()
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn assert_told(err: &str, culprit: &Path, folder: &Path) {
    assert!(err.contains(&culprit.display().to_string()), "{err}");
    let helps = if is_root() {
        assert!(err.contains("belongs to user 0"), "{err}");
        assert!(err.contains(&format!("runs as user {NOBODY}")), "{err}");
        format!("chown -R {NOBODY}:{NOBODY} {}", folder.display())
    } else {
        "chmod u+rw".to_owned()
    };
    assert!(err.contains(&helps), "{err}");
}

#[test]
fn a_folder_of_somebody_else_is_told_with_its_owner_and_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let forbid = |mode: u32| {
        let permissions = std::fs::Permissions::from_mode(if is_root() { 0o700 } else { mode });
        std::fs::set_permissions(folder.path(), permissions).unwrap();
    };
    let data = folder.path().display().to_string();
    for (command, mode) in [
        (vec!["ledger", "verify"], 0),
        (vec!["serve"], 0o500),
        (vec!["dnc", "add", "+12125550123"], 0o500),
    ] {
        forbid(mode);
        let run = Run::new(&command).with("PORT", "0").with("PHONY_DATA_DIR", &data);
        let Done { code, err, .. } = as_a_stranger(run);
        assert_eq!(code, Some(1), "{command:?}: {err}");
        assert_told(&err, folder.path(), folder.path());
    }
    // One that cannot be created, because its parent belongs to another user.
    let inner = folder.path().join("phony");
    let Done { code, err, .. } = as_a_stranger(serve(&inner.display().to_string()));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&folder.path().display().to_string()), "{err}");
    assert!(!err.contains("chown -R"), "what is above stays as it is: {err}");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_file_of_somebody_else_is_told_with_its_owner_and_what_helps() {
    for name in [
        "phony.db",
        "phony.db-wal",
        "ledger.jsonl",
        "call.log",
        "admin-token",
        "phony.lock",
        "do-not-call.jsonl",
        "spend.json",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        let mode = if is_root() { 0o600 } else { 0 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.path().display().to_string();
        // A server without its list still takes calls, and places none.
        let run = match name {
            "do-not-call.jsonl" => {
                Run::new(&["dnc", "add", "+12125550123"]).with("PHONY_DATA_DIR", &data)
            }
            _ => serve(&data),
        };
        let Done { code, err, .. } = as_a_stranger(run);
        assert_eq!(code, Some(1), "{name}: {err}");
        assert_told(&err, &path, folder.path());
    }
}

#[test]
fn a_server_that_cannot_read_what_calls_have_cost_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spend.json");
    std::fs::write(&path, "{\"date\":\"2026-01").unwrap();
    let data = folder.path().display().to_string();
    let Done { code, err, .. } = serve(&data).done();
    assert_eq!(code, Some(1), "{err}");
    for told in [path.display().to_string().as_str(), "move the file away", "from zero"] {
        assert!(err.contains(told), "{told}: {err}");
    }
    // Its advice works.
    std::fs::rename(&path, folder.path().join("spend.json.broken")).unwrap();
    drop(serving(&data));
}

#[test]
fn a_configuration_of_somebody_else_is_told_with_its_owner_and_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let told = |run: Run, culprit: &Path, what: &str| {
        let Done { code, out, err } = as_a_stranger_in(run, folder.path());
        let err = out + &err;
        assert!(code.is_some_and(|code| code != 0), "{what}: {err}");
        assert!(err.contains(what) && err.contains("ermission denied"), "{what}: {err}");
        let to = if is_root() { format!("{NOBODY}:{NOBODY} ") } else { String::new() };
        let helps = format!("{to}{}", culprit.display());
        assert!(err.contains(&helps) && err.contains("belongs to user"), "{what}: {err}");
        assert!(!err.contains(&format!("mkdir -p {}", culprit.display())), "{err}");
    };
    for name in [".env", "phony.toml"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        mode(&path, if is_root() { 0o600 } else { 0 });
        told(Run::new(&["agents", "check"]), &path, name);
        std::fs::remove_file(&path).unwrap();
    }
    for (table, whole, one) in [
        ("agents", "folder of agents", "agent's file"),
        ("scenarios", "folder of scenarios", "scenario's file"),
    ] {
        let own = folder.path().join(table);
        std::fs::create_dir(&own).unwrap();
        let file = own.join("baker.toml");
        std::fs::write(&file, "").unwrap();
        let text = format!("[{table}]\nfolder = '{}'\n", own.display());
        std::fs::write(folder.path().join("phony.toml"), text).unwrap();
        mode(&file, if is_root() { 0o600 } else { 0 });
        mode(&own, 0o755);
        told(Run::new(&["agents", "check"]), &file, one);
        mode(&own, if is_root() { 0o700 } else { 0 });
        told(Run::new(&["agents", "check"]), &own, whole);
        mode(&own, 0o700);
    }
}

#[test]
fn a_list_that_root_makes_belongs_to_the_owner_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    if !is_root() {
        return;
    }
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let data = folder.path().display().to_string();
    let run = |arguments: &[&str]| Run::new(arguments).with("PHONY_DATA_DIR", &data);
    assert_eq!(run(&["dnc", "add", "+12125550123"]).done().code, Some(0));
    let list = std::fs::metadata(folder.path().join("do-not-call.jsonl")).unwrap();
    assert_eq!((list.uid(), list.gid(), list.mode() & 0o777), (NOBODY, NOBODY, 0o600));
    let Done { code, out, err } = as_a_stranger(run(&["dnc", "list"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("+12125550123"), "{out}");
}
