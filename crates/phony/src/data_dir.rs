//! The data folder: private to its owner, locked by one server at a time, with errors that say what
//! to do.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The name of the lock file.
pub const LOCK: &str = "phony.lock";

/// How long to wait for a file's lock. Other processes hold it for milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause between two attempts to lock it.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Why a data folder cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another server uses it.
    #[error(
        "the data folder {folder} is in use by another Phony ({holder}): stop that one, or give this \
         one a folder of its own with PHONY_DATA_DIR"
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other server's process and address.
        holder: String,
    },
    /// It cannot be used.
    #[error(transparent)]
    Unusable(#[from] io::Error),
}

/// The lock of a data folder, held until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DataDirLock {
    /// The lock file, which names the holder.
    file: File,
    /// The folder itself is locked too, in case the lock file is removed as a leftover.
    _folder: Option<File>,
}

/// The holder of a folder, as the lock file names it; if the lock is free, its last holder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    address: Option<SocketAddr>,
}

impl DataDirLock {
    /// Locks the folder, which is made if it does not exist.
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        make_folder(folder)?;
        let path = folder.join(LOCK);
        // Until it is locked, the content is another server's.
        let file = private(OpenOptions::new().read(true).write(true).create(true)).open(&path);
        let file = file.map_err(|error| explained(&path, &error))?;
        let itself = open_folder(folder);
        for part in [Some(&file), itself.as_ref()].into_iter().flatten() {
            match part.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = Holder::read(&file);
                    return Err(LockError::InUse { folder: folder.to_owned(), holder });
                }
                // Not every file system supports locks, or locks of folders.
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(%error, "the data folder cannot be locked against all servers");
                }
            }
        }
        let mut lock = Self { file, _folder: itself };
        lock.write(&Holder { pid: std::process::id(), address: None });
        Ok(lock)
    }

    /// Adds the server's address to the lock file.
    pub fn set_address(&mut self, address: SocketAddr) {
        self.write(&Holder { pid: std::process::id(), address: Some(address) });
    }

    /// Writes the holder. An error is ignored: on a full disk the folder is locked all the same.
    fn write(&mut self, holder: &Holder) {
        let text = serde_json::to_string(holder).unwrap_or_default();
        let written = self.file.set_len(0).and_then(|()| self.file.rewind());
        drop(written.and_then(|()| self.file.write_all(text.as_bytes())));
    }
}

impl Holder {
    fn read(mut file: &File) -> String {
        let mut text = String::new();
        let read = file.read_to_string(&mut text).ok();
        let holder = read.and_then(|_| serde_json::from_str::<Self>(&text).ok());
        match holder {
            Some(Self { pid, address: Some(address) }) => format!("process {pid}, on {address}"),
            Some(Self { pid, address: None }) => format!("process {pid}, which is starting"),
            None => "its process is not known".to_owned(),
        }
    }
}

/// Makes the data folder, private to its owner, if it does not exist.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| explained_in(folder, Some(folder), &error))
}

/// Opens a folder so that it can be locked, where the system allows it.
#[cfg(unix)]
fn open_folder(folder: &Path) -> Option<File> {
    // Without the right to read the folder, the lock file must do.
    File::open(folder).ok()
}

#[cfg(not(unix))]
fn open_folder(_: &Path) -> Option<File> {
    None
}

/// Whether a file exists; an error if that cannot be determined.
pub(crate) fn is_there(path: &Path) -> io::Result<bool> {
    path.try_exists().map_err(|error| explained(path, &error))
}

/// Opens a file for reading and appending, and makes it, private to its owner, if it does not
/// exist. If root makes it in another user's folder, as with a command beside a server, that user
/// owns it.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    private(options.read(true).append(true));
    match options.create_new(true).open(path) {
        Ok(file) => {
            // Only a file made here, never the target of a link.
            give_to_owner_of_folder(&file, path)?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create_new(false).create(true).open(path)
        }
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn give_to_owner_of_folder(file: &File, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::metadata(folder.unwrap_or_else(|| Path::new(".")))?;
    if folder.uid() == 0 {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid()))
}

#[cfg(not(unix))]
fn give_to_owner_of_folder(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a new file private to its owner.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Checks that a file, if it exists, can be read and written.
pub(crate) fn check_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().read(true).append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened.map(drop).map_err(|error| explained(path, &error)),
    }
}

/// Locks a file briefly, against other processes that write to it. If another process keeps the
/// lock, as a stopped one does, this returns without it after [`LOCK_TIMEOUT`].
pub(crate) fn lock_shortly(file: &File, shared: bool) {
    let mut waited = Duration::ZERO;
    loop {
        let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
        match locked {
            Err(TryLockError::WouldBlock) if waited < LOCK_TIMEOUT => {
                std::thread::sleep(LOCK_RETRY);
                waited += LOCK_RETRY;
            }
            Ok(()) | Err(_) => return,
        }
    }
}

/// An error that names the file, and says what to do about it.
pub(crate) fn explained(path: &Path, error: &io::Error) -> io::Error {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    explained_in(path, Some(folder.unwrap_or_else(|| Path::new("."))), error)
}

/// As [`explained`], for a file outside the data folder, such as a configuration: the advice does
/// not touch its folder.
pub(crate) fn explained_alone(path: &Path, error: &io::Error) -> io::Error {
    explained_in(path, None, error)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most errors need no advice")]
fn explained_in(path: &Path, folder: Option<&Path>, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => denied(path, folder),
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("the file system is read-only: mount it for writing".to_owned())
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("the disk is full: make room".to_owned())
        }
        io::ErrorKind::IsADirectory => {
            Some("there is a folder where a file belongs: move it away".to_owned())
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("there is a file where a folder belongs: move it away".to_owned())
        }
        _ => None,
    };
    let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
    let text = format!("{}: {error}{advice}", path.display());
    io::Error::new(error.kind(), text)
}

/// The file or folder that denies this process access to `path`, its owner, and the command that
/// gives access. `folder` is the data folder that is or holds `path`, if there is one.
#[cfg(unix)]
fn denied(path: &Path, folder: Option<&Path>) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let path = std::path::absolute(path).ok()?;
    let folder = folder.map(std::path::absolute).transpose().ok()?;
    // The file itself if it is visible, else the folder that hides it.
    let known = |part: &Path| Some((part.to_owned(), std::fs::metadata(part).ok()?));
    let (culprit, found) = path.ancestors().find_map(known)?;
    let shown = culprit.display();
    let kind = if found.is_dir() { "folder" } else { "file" };
    let (owner, mode) = (found.uid(), found.mode() & 0o777);
    let way = if owner == user {
        format!("chmod {} {shown}", if found.is_dir() { "u+rwx" } else { "u+rw" })
    } else {
        match folder.as_ref().map(|folder| (folder.display(), culprit.starts_with(folder))) {
            Some((place, true)) => format!("sudo chown -R {user}:{group} {place}"),
            // A folder above the data folder may be the system's, so it stays unchanged.
            Some((place, false)) => {
                format!("sudo mkdir -p {place} && sudo chown {user}:{group} {place}")
            }
            None if culprit != path => format!("sudo chmod o+x {shown}"),
            None if found.is_dir() => format!("sudo chown -R {user}:{group} {shown}"),
            None => format!("sudo chown {user}:{group} {shown}"),
        }
    };
    Some(format!(
        "the {kind} {shown} belongs to user {owner} (mode {mode:03o}), and this process runs as \
         user {user}: `{way}` helps"
    ))
}

#[cfg(not(unix))]
fn denied(_: &Path, _: Option<&Path>) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once_and_free_when_its_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        // The lock file of a killed process locks nothing.
        std::fs::write(folder.path().join(LOCK), "{\"pid\":1,\"address\":\"10.0.0.1:1\"}").unwrap();
        let mut first = DataDirLock::acquire(folder.path()).unwrap();
        let refused = DataDirLock::acquire(folder.path()).unwrap_err().to_string();
        let starting = format!("process {}, which is starting", std::process::id());
        assert!(refused.contains(&starting), "{refused}");
        first.set_address("127.0.0.1:24187".parse().unwrap());
        let refused = DataDirLock::acquire(folder.path()).unwrap_err().to_string();
        let whose = format!("process {}, on 127.0.0.1:24187", std::process::id());
        assert!(refused.contains(&whose) && refused.contains("PHONY_DATA_DIR"), "{refused}");
        assert!(refused.contains(&folder.path().display().to_string()), "{refused}");
        drop(first);
        drop(DataDirLock::acquire(folder.path()).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_stays_locked_when_the_lock_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDirLock::acquire(folder.path()).unwrap();
        for _ in 0..2 {
            std::fs::remove_file(folder.path().join(LOCK)).unwrap();
            let refused = DataDirLock::acquire(folder.path()).unwrap_err();
            assert!(matches!(refused, LockError::InUse { .. }), "{refused}");
        }
        drop(first);
        drop(DataDirLock::acquire(folder.path()).unwrap());
    }

    #[test]
    fn an_error_says_which_file_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        std::fs::create_dir(&path).unwrap();
        let error = check_file(&path).unwrap_err().to_string();
        assert!(error.contains("ledger.jsonl") && error.contains("move it away"), "{error}");
        assert!(check_file(&folder.path().join("nothing")).is_ok());
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = make_folder(&folder.path().join("file").join("data")).unwrap_err().to_string();
        assert!(error.contains("move it away"), "{error}");
        let full = explained(&path, &io::ErrorKind::StorageFull.into()).to_string();
        assert!(full.contains("make room"), "{full}");
    }
}
