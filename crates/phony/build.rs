//! Embeds the dashboard in the binary: every file of `dashboard/dist`, which is built first if its
//! sources are newer and Node is installed. If there is no such folder, a page with instructions is
//! embedded instead; the Rust build never fails over it. `PHONY_SKIP_DASHBOARD=1` skips building.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs, io};

const SOURCES: [&str; 6] =
    ["src", "public", "index.html", "package.json", "package-lock.json", "vite.config.ts"];

fn main() {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let dashboard = manifest.join("../../dashboard");
    println!("cargo::rerun-if-env-changed=PHONY_SKIP_DASHBOARD");
    println!("cargo::rerun-if-changed=build.rs");
    if dashboard.join("package.json").exists() {
        // Watching a path that does not exist would run this script at every build.
        let watched =
            SOURCES.into_iter().chain(["dist/index.html"]).map(|name| dashboard.join(name));
        for path in watched.filter(|path| path.exists()) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        if variable("PHONY_SKIP_DASHBOARD").is_empty() && is_stale(&dashboard) {
            build(&dashboard);
        }
    }
    let dist = dashboard.join("dist");
    let mut files = Vec::new();
    if dist.join("index.html").exists() {
        collect(&dist, "", &mut files);
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    if files.is_empty() {
        let page = out.join("index.html");
        fs::write(&page, PLACEHOLDER).expect("the output folder can be written to");
        files.push(("index.html".into(), page));
    }
    files.sort();
    let entries = files.iter().map(|(name, path)| {
        format!("({name:?}, include_bytes!({:?}).as_slice()),\n", path.display().to_string())
    });
    let table = format!("&[\n{}]", entries.collect::<String>());
    fs::write(out.join("dashboard.rs"), table).expect("the output folder can be written to");
}

const PLACEHOLDER: &str =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Phony</title>
<h1>The dashboard is not in this binary</h1>
<p>Install Node 20 or newer, then build again: <code>cargo build</code> builds the page in
<code>dashboard/</code> by itself.</p></html>
";

#[expect(clippy::disallowed_methods, reason = "a build script is configured by its environment")]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Whether the built page is missing or older than its sources.
fn is_stale(dashboard: &Path) -> bool {
    let built = fs::metadata(dashboard.join("dist/index.html")).and_then(|page| page.modified());
    let Ok(built) = built else { return true };
    SOURCES.iter().any(|source| newest(&dashboard.join(source)).is_some_and(|time| time > built))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let about = fs::metadata(path).ok()?;
    if !about.is_dir() {
        return about.modified().ok();
    }
    let entries = fs::read_dir(path).ok()?.filter_map(Result::ok);
    entries.filter_map(|entry| newest(&entry.path())).max()
}

fn build(dashboard: &Path) {
    let npm = |arguments: &[&str]| -> io::Result<bool> {
        let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        let output = command.args(arguments).current_dir(dashboard).output()?;
        Ok(output.status.success())
    };
    let install = ["ci", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"];
    let installed = dashboard.join("node_modules/.package-lock.json").exists();
    let done = (installed || matches!(npm(&install), Ok(true)))
        && matches!(npm(&["run", "build"]), Ok(true));
    if !done {
        println!("cargo::warning=the dashboard was not built; see dashboard/README.md");
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files);
        } else {
            files.push((format!("{prefix}{name}"), path));
        }
    }
}
