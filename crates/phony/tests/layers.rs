//! Who imports whom: every room of the program imports only rooms that stand before it in the list
//! of `src/lib.rs`, and no folder of any crate has an import cycle among its modules. A parent and
//! its children are one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module, as the names on the way to it from the crate's root.
type Module = Vec<String>;

/// The sources of one crate, tests left out.
struct Sources(BTreeMap<Module, String>);

impl Sources {
    fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        list(root, &mut files);
        let sources = files.into_iter().filter_map(|file| {
            let name = file.strip_prefix(root).ok()?.with_extension("");
            let mut module: Module =
                name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            let last = module.last()?.as_str();
            if last == "tests" {
                return None;
            }
            if matches!(last, "mod" | "lib" | "main") {
                module.pop();
            }
            Some((module, code(&fs::read_to_string(file).ok()?)))
        });
        Self(sources.collect())
    }

    /// What every module imports, each as the deepest module that is named.
    fn imports(&self) -> impl Iterator<Item = (&Module, Module)> {
        self.0.iter().flat_map(move |(module, code)| {
            let paths = paths(code).into_iter();
            paths.filter_map(move |path| Some((module, self.target(module, &path)?)))
        })
    }

    /// The module that a path in another one leads to.
    fn target(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut target = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => from.clone(),
            _ => return None,
        };
        for part in path {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(target.pop()),
                name => target.push(name.to_owned()),
            }
        }
        while !self.0.contains_key(&target) {
            target.pop()?;
        }
        Some(target)
    }

    /// For every folder, which of its modules import which others of it.
    fn siblings(&self) -> BTreeMap<Module, BTreeSet<(String, String)>> {
        let mut folders: BTreeMap<Module, BTreeSet<(String, String)>> = BTreeMap::new();
        for (from, to) in self.imports() {
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) {
                let arrow = (a.clone(), b.clone());
                folders.entry(from[..shared].to_vec()).or_default().insert(arrow);
            }
        }
        folders
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The code of a file without comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path that begins with `crate`, `self` or `super`, those in braces written out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                expand(&code[at..], &[], &mut found);
            }
        }
    }
    found
}

/// Reads one path, and what its braces hold; gives what follows it.
fn expand<'a>(code: &'a str, prefix: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = code;
    loop {
        rest = rest.trim_start();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = expand(rest, &path, found).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            return rest.strip_prefix('}').unwrap_or(rest);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            // `*`, or something that is no path.
            rest = rest.strip_prefix('*').unwrap_or(rest);
            break;
        }
        path.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(more) => rest = more,
            None => break,
        }
    }
    found.push(path);
    // A new name: `a as b`.
    match rest.trim_start().strip_prefix("as ") {
        Some(name) => name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
        None if prefix.is_empty() => rest,
        None if rest.trim_start().starts_with([',', '}']) => rest,
        // Inside braces something that is not read: up to the next of them.
        None => &rest[rest.find([',', '}']).unwrap_or(rest.len())..],
    }
}

fn crate_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src")
}

/// The rooms, as the list in the program's documentation has them.
fn rooms() -> Vec<String> {
    let text = fs::read_to_string(crate_folder("phony").join("lib.rs")).expect("lib.rs");
    let items = text.lines().filter_map(|line| line.strip_prefix("//! - `"));
    let names = items.filter_map(|item| item.split("`:").next());
    names.flat_map(|names| names.split("`, `").map(str::to_owned)).collect()
}

#[test]
fn every_room_imports_only_rooms_before_it() {
    let sources = Sources::read(&crate_folder("phony"));
    let rooms = rooms();
    let place = |room: &String| rooms.iter().position(|name| name == room);
    let is_room = |module: &&Module| module.len() == 1 && module[0] != "main";
    let unlisted: Vec<_> =
        sources.0.keys().filter(is_room).filter(|m| place(&m[0]).is_none()).collect();
    assert!(unlisted.is_empty(), "not in the list of lib.rs: {unlisted:?}");
    let upward: BTreeSet<_> = sources
        .imports()
        .filter_map(|(from, to)| Some((from, from.first()?, to.first()?.clone())))
        .filter(|(_, from, to)| *from != to && place(to) > place(from))
        .map(|(module, _, to)| format!("{} imports {to}", module.join("::")))
        .collect();
    assert!(upward.is_empty(), "imports that the list of lib.rs does not allow: {upward:#?}");
    // The reader of imports sees them at all.
    let arrows = sources.siblings();
    assert!(arrows[&Vec::new()].contains(&("calls".to_owned(), "cluster".to_owned())));
}

#[test]
fn no_folder_has_an_import_cycle() {
    let mut cycles = Vec::new();
    for name in ["call", "wire", "simulator", "phony"] {
        for (folder, arrows) in Sources::read(&crate_folder(name)).siblings() {
            // What imports nothing that is left, or is imported by nothing, is in no cycle.
            let mut left = arrows;
            loop {
                let from: BTreeSet<_> = left.iter().map(|(from, _)| from.clone()).collect();
                let to: BTreeSet<_> = left.iter().map(|(_, to)| to.clone()).collect();
                let before = left.len();
                left.retain(|(a, b)| from.contains(b) && to.contains(a));
                if left.len() == before {
                    break;
                }
            }
            if !left.is_empty() {
                cycles.push(format!("{name}/{}: {left:?}", folder.join("/")));
            }
        }
    }
    assert!(cycles.is_empty(), "{cycles:#?}");
}

#[test]
fn paths_are_read_as_they_are_written() {
    let of =
        |code: &str| paths(code).into_iter().map(|path| path.join("::")).collect::<BTreeSet<_>>();
    let set = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect();
    assert_eq!(of("use crate::a::B;"), set(&["crate::a::B"]));
    assert_eq!(
        of("pub(crate) use crate::a::{self, b::{C, D as E}, F as _};\nuse std::x;"),
        set(&["crate::a::self", "crate::a::b::C", "crate::a::b::D", "crate::a::F"])
    );
    assert_eq!(of("super::x::run(1); crate::y::<T>()"), set(&["super::x::run", "crate::y"]));
    assert_eq!(of("mycrate::a; $crate::b"), BTreeSet::new());
    assert_eq!(code("a // crate::b\nc\n#[cfg(test)]\nmod tests {\nd"), "a \nc");
}
