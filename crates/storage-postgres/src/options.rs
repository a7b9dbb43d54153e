use std::time::Duration;

use staffa_storage::{Error, Migrate, Result};

/// How a store works. The defaults suit a service beside a few others on one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The PostgreSQL schema that holds the store and nothing else: 1 to 63 of `a-z`, `0-9` and `_`, a letter first and
    /// not `pg_`. Each service has one of its own, named after it. Default: `staffa`.
    pub schema: String,
    /// Connections at most; at least 2. An operation that finds none free waits for one. Default: 16.
    pub connections_max: usize,
    /// How long an operation waits for a connection that is free when its deadline is later or there is none; then the store
    /// is unavailable. Default: 5 s.
    pub place_wait: Duration,
    /// How long to try to reach a server that is starting or away when the store is opened, within the context.
    /// Default: 10 s.
    pub connect_wait: Duration,
    /// Statements that each connection keeps prepared at most; 0: none, each is sent as text every time. It is 0 by itself
    /// behind a pooler (PgBouncer in transaction mode), which is recognised. Default: 256.
    pub statement_cache: usize,
    /// What to do when the schema lacks something. Default: [`Migrate::Apply`].
    pub migrate: Migrate,
    /// How long opening waits for new indexes to be whole; then they are built on in the background, and reads by them
    /// are unavailable meanwhile. Default: 5 s.
    pub build_wait: Duration,
}

impl Options {
    pub(crate) fn check(&self) -> Result<()> {
        let name = &self.schema;
        let letters = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let first = name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.starts_with("pg_");
        if letters && first && name.len() <= 63 {
            return Ok(());
        }
        let rule = "1 to 63 of a-z, 0-9 and _, a letter first and not pg_";
        Err(Error::Unusable(format!("the PostgreSQL schema {name:?} is not {rule}")))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schema: "staffa".into(),
            connections_max: 16,
            place_wait: Duration::from_secs(5),
            connect_wait: Duration::from_secs(10),
            statement_cache: 256,
            migrate: Migrate::Apply,
            build_wait: Duration::from_secs(5),
        }
    }
}
