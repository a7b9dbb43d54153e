//! One process at a time: a locked file beside the data file. The operating system frees it with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use staffa_storage::{Error, Result};

use crate::call::Call;

/// How often a taken lock is tried again.
const TRY_EVERY: Duration = Duration::from_millis(10);

/// Locks `path` for this process until the file is dropped. Blocks for `wait` at most, or until the call ends.
pub(crate) fn lock(path: &Path, wait: Duration, call: &Call) -> Result<File> {
    let beside = beside(path);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&beside)
        .map_err(|error| refused(path, &error))?;
    let tries = wait.as_millis() / TRY_EVERY.as_millis();
    for left in (0..=tries).rev() {
        call.check()?;
        match file.try_lock() {
            Ok(()) => return named(file).map_err(|error| refused(path, &error)),
            #[expect(
                clippy::disallowed_methods,
                reason = "this is a blocking thread, and `check` above ends it"
            )]
            Err(TryLockError::WouldBlock) if left > 0 => sleep(TRY_EVERY),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(refused(path, &error)),
        }
    }
    let mut owner = String::new();
    // Whose lock it is helps a person, and no more: the file may be empty for a moment.
    let _ = file.read_to_string(&mut owner);
    Err(Error::Unavailable(format!(
        "{} is in use by another process ({}): stop that one, or choose another file",
        path.display(),
        if owner.trim().is_empty() { "unknown" } else { owner.trim() },
    )))
}

/// Writes whose lock it is into the file.
fn named(mut file: File) -> std::io::Result<File> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {}", std::process::id())?;
    Ok(file)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn refused(path: &Path, error: &std::io::Error) -> Error {
    let path = path.display();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Unavailable(format!(
            "{path} cannot be opened: the disk is full: free space, or choose another folder"
        )),
        _ => Error::Unusable(format!(
            "{path} cannot be opened: its folder must exist and be writable ({error})"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_blamed_on_the_folder() {
        let words = refused(Path::new("/data/x.sqlite"), &ErrorKind::StorageFull.into()).to_string();
        assert!(words.contains("/data/x.sqlite cannot be opened: the disk is full: free space"), "{words}");
        assert!(!words.contains("writable"), "{words}");
    }
}
