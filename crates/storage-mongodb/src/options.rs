use std::time::Duration;

use staffa_storage::Migrate;

/// How a store works. The defaults are safe, and suit a service on a machine with a few cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The database. Default: the one that the URL names; a store needs one of the two.
    pub database: Option<String>,
    /// The service that owns the store: its database is the one of the URL, `_` and this. Not used when `database` is given.
    /// Default: none, and the database is the URL's own.
    pub service: Option<String>,
    /// Connections for operations at most, and so operations at once; a further one waits for a place. The URL's `maxPoolSize`
    /// wins, unless it is 0, which asks for no limit: then this holds. A few more connections watch the servers and stop operations. At least 1. Default: 64.
    pub connections_max: u32,
    /// How long an operation waits for a place when its deadline is later or there is none; then the store is unavailable.
    /// Default: 5 s.
    pub place_wait: Duration,
    /// How long an operation waits for a server that can serve it, such as a new primary; then the store is unavailable. The
    /// URL's `serverSelectionTimeoutMS` wins. Default: 5 s.
    pub server_wait: Duration,
    /// How long opening goes on while no server answers, as one that is just starting. Default: 10 s.
    pub start_wait: Duration,
    /// How long the server works on one operation at most, when its deadline is later or there is none. Default: 30 s.
    pub operation_max: Duration,
    /// What to do when the database lacks what the schemas ask for. Default: [`Migrate::Apply`].
    pub migrate: Migrate,
    /// How long opening waits for new indexes to be whole. It then goes on without, and reads by them are unavailable until they
    /// are. Default: 5 s.
    pub build_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            database: None,
            service: None,
            connections_max: 64,
            place_wait: Duration::from_secs(5),
            server_wait: Duration::from_secs(5),
            start_wait: Duration::from_secs(10),
            operation_max: Duration::from_secs(30),
            migrate: Migrate::Apply,
            build_wait: Duration::from_secs(5),
        }
    }
}
