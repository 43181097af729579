//! Real messages, one file each.

use std::path::Path;

/// The files of a folder of `tests/fixtures`: name without extension, and text.
pub(crate) fn all(folder: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let entries = std::fs::read_dir(&path).expect("the folder is part of the project");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("the folder can be read").path();
            let name = path.file_stem().expect("files have names").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("fixtures are UTF-8");
            (name, text.trim_end().to_owned())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

/// One of them.
pub(crate) fn one(folder: &str, name: &str) -> String {
    let found = all(folder).into_iter().find(|(file, _)| file == name);
    found.unwrap_or_else(|| panic!("no {folder}/{name}.json")).1
}
