//! A temporary folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::server::make_folder;
use crate::token;

/// A folder of this process alone, removed with its content when dropped.
#[derive(Debug)]
pub struct TempFolder(PathBuf);

impl TempFolder {
    /// Makes one in the system's temporary folder.
    pub fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("phony-{}", token::random()));
        make_folder(&folder)?;
        Ok(Self(folder))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system, which clears its temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_and_all_in_it_are_gone_with_their_owner() {
        let folder = TempFolder::new().unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("file"), "text").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
