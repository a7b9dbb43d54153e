//! What a client waits for and takes at most.
use std::time::Duration;

/// What a client waits for, keeps and tries at most. Each field is a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// The longest that a call may take with all its tries, unless its endpoint says otherwise. 30 s.
    pub timeout: Duration,
    /// The largest response in bytes. 16 MiB.
    pub response_max: usize,
    /// How often an idempotent call is tried in all. 3.
    pub attempts: u32,
    /// The pause before the second try; it doubles for each further one, and a random half of it is taken away. 50 ms.
    pub backoff: Duration,
    /// The longest pause; a server that asks for a longer one gets it. 2 s.
    pub backoff_max: Duration,
    /// The longest silence of an event stream, heartbeats included; it is then opened again. 45 s.
    pub silence_max: Duration,
    /// How often in a row a lost event stream is opened again in vain. 10.
    pub reopen_attempts: u32,
    /// Requests over HTTP at once; further ones wait within their deadline. 256.
    pub concurrency: usize,
    /// The longest wait for a connection. 2 s.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept; shorter than servers keep theirs, so that none is used as it closes. 5 s.
    pub idle_timeout: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            response_max: 16 << 20,
            attempts: 3,
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            silence_max: Duration::from_secs(45),
            reopen_attempts: 10,
            concurrency: 256,
            connect_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(5),
        }
    }
}
