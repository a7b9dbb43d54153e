//! A server's temporary folder, and the user that owns it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

use crate::Result;

/// A user of the system by its numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

/// Removed by the shell that watches over the server, or here when it never came to that.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Whom the server runs as, where that is not us.
    user: Option<User>,
}

impl Folder {
    /// An empty folder that only its owner can enter.
    pub(crate) fn new(name: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("staffa-{name}-{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let folder = Self { path, user: None };
        folder.keep_private(&folder.path)?;
        Ok(folder)
    }

    /// As [`Folder::new`]; when we are root, it belongs to `nobody`, for a server that refuses to run as
    /// root.
    pub(crate) fn of_nobody(name: &str) -> Result<Self> {
        let mut folder = Self::new(name)?;
        if is_root(&folder.path)? {
            folder.user = Some(nobody()?);
            folder.give(&folder.path)?;
        }
        Ok(folder)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> Result<()> {
        let file = self.path.join(name);
        fs::write(&file, content).map_err(|error| format!("{}: {error}", file.display()))?;
        self.keep_private(&file)?;
        self.give(&file)
    }

    /// A command of the folder's owner, in a process group of its own: a Ctrl-C on the terminal does not
    /// reach it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.path);
        self.owned(&mut command);
        command
    }

    /// Whether the folder's owner can run this program: folders above it may be closed to others.
    pub(crate) fn reaches(&self, program: &Path) -> bool {
        self.command(program).arg("--version").output().is_ok_and(|output| output.status.success())
    }

    /// Copies a folder with all that is in it, and gives the copy to the owner.
    pub(crate) fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let done = |command: &mut Command| command.status().is_ok_and(|status| status.success());
        let copied = done(Command::new("cp").arg("-RL").arg(from).arg(to));
        let given = self.user.is_none_or(|user| {
            done(Command::new("chown").args(["-R", &format!("{}:{}", user.uid, user.gid)]).arg(to))
        });
        if copied && given {
            return Ok(());
        }
        Err(format!("{} cannot be copied to {}", from.display(), to.display()).into())
    }

    #[cfg(unix)]
    fn owned(&self, command: &mut Command) {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
    }

    #[cfg(not(unix))]
    fn owned(&self, _command: &mut Command) {}

    #[cfg(unix)]
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        match self.user {
            Some(user) => Ok(std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))?),
            None => Ok(()),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn give(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    #[cfg(unix)]
    fn keep_private(&self, path: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
    }

    #[cfg(not(unix))]
    fn keep_private(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The watching shell removes it, too; whoever is first.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What we made belongs to us: the owner's number tells who we are.
#[cfg(unix)]
fn is_root(ours: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata(ours)?.uid() == 0)
}

#[cfg(not(unix))]
fn is_root(_ours: &Path) -> Result<bool> {
    Ok(false)
}

fn nobody() -> Result<User> {
    let users = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let user = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("nobody:")?.split(':').skip(1);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    });
    user.ok_or_else(|| "PostgreSQL does not run as root, and there is no user `nobody` to run it as".into())
}
