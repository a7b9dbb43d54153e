use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use staffa_storage::Migrate;
use staffa_transport::Limits;

use super::{Period, Url};

/// The sections that every process has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Common {
    /// The listener of the services.
    pub http: Http,
    /// The listener for health, metrics and the log's level. It answers anyone who reaches it: bind it to an
    /// address that only operators do.
    pub admin: Admin,
    /// What is kept, and where.
    pub store: Storage,
    /// What carries events between services.
    pub bus: Bus,
    /// The log, on standard error.
    pub log: Log,
    /// Traces.
    pub trace: Trace,
    /// How the process stops on SIGTERM or SIGINT. It takes at most window + drain + `http.grace` + twice grace.
    pub stop: Stop,
    /// Where the services are that this process does not host: name = "http://host:port".
    pub services: BTreeMap<String, String>,
}

/// The listener of the services, and what it accepts, queues and waits for at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Http {
    /// IP address and port. Port 0 takes any free one.
    pub bind: SocketAddr,
    /// Requests in hand at once; beyond it a request is answered 503 with `Retry-After`.
    #[serde(deserialize_with = "positive")]
    pub concurrency: usize,
    /// Server-sent event streams at once; beyond it 503 with `Retry-After`.
    pub streams: usize,
    /// Open connections; beyond it new ones wait in the system's backlog.
    pub connections: usize,
    /// The largest request body in bytes unless an endpoint says otherwise; beyond it 413.
    pub body_max: usize,
    /// The largest request head (target and headers) in bytes; beyond it 431.
    #[serde(deserialize_with = "positive")]
    pub header_max: usize,
    /// The most header fields of a request; beyond it 431.
    #[serde(deserialize_with = "positive")]
    pub headers_max: usize,
    /// The longest that a call may take unless its endpoint says otherwise; a caller can only shorten it.
    #[serde(deserialize_with = "positive")]
    pub timeout: Period,
    /// The longest wait for a whole request head, and the longest that a connection idles.
    #[serde(deserialize_with = "positive")]
    pub header_read: Period,
    /// The longest wait for a whole request body; then 408.
    #[serde(deserialize_with = "positive")]
    pub body_read: Period,
    /// How long work may go on after its context ended, before it is dropped.
    pub grace: Period,
    /// The pause between heartbeats of a quiet event stream.
    pub heartbeat: Period,
    /// The longest life of an event stream; the client then comes back where it was.
    pub stream_age: Period,
    /// Events that wait for one slow client; the next one ends its stream.
    pub stream_queue: usize,
    /// How long a slow client of an event stream may leave a full connection unread; then its stream ends.
    pub stream_patience: Period,
    /// Streams of one HTTP/2 connection at once.
    pub http2_streams: u32,
}

impl Http {
    /// What the server is started with.
    pub(crate) fn limits(&self, stop: &Stop) -> Limits {
        Limits {
            concurrency: self.concurrency,
            streams: self.streams,
            connections: self.connections,
            body_max: self.body_max,
            header_max: self.header_max,
            headers_max: self.headers_max,
            timeout: *self.timeout,
            header_read: *self.header_read,
            body_read: *self.body_read,
            grace: *self.grace,
            drain: *stop.drain,
            heartbeat: *self.heartbeat,
            stream_age: *self.stream_age,
            stream_queue: self.stream_queue,
            stream_patience: *self.stream_patience,
            http2_streams: self.http2_streams,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            concurrency: limits.concurrency,
            streams: limits.streams,
            connections: limits.connections,
            body_max: limits.body_max,
            header_max: limits.header_max,
            headers_max: limits.headers_max,
            timeout: limits.timeout.into(),
            header_read: limits.header_read.into(),
            body_read: limits.body_read.into(),
            grace: limits.grace.into(),
            heartbeat: limits.heartbeat.into(),
            stream_age: limits.stream_age.into(),
            stream_queue: limits.stream_queue,
            stream_patience: limits.stream_patience.into(),
            http2_streams: limits.http2_streams,
        }
    }
}

/// The listener for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Admin {
    /// IP address and port. Port 0 takes any free one.
    pub bind: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self { bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)) }
    }
}

/// What is kept, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Storage {
    /// `sqlite:FOLDER` keeps a file for each service in this folder, made when it is missing; `postgres://…/DATABASE` a schema
    /// for each in this database; `mongodb://…/NAME` a database `NAME_<service>` for each; `memory:` forgets everything at the end.
    pub url: Url,
    /// What is done when a store lacks what this binary asks for.
    pub schema: SchemaWork,
    /// How long a start waits for new indexes to be filled; after that they are filled beside the work, and readiness says
    /// no until they are whole.
    pub build_wait: Period,
    /// How long answers to idempotency keys, inbox records and sent events are kept, at least.
    pub keep: Period,
    /// Connections of each PostgreSQL or MongoDB store at most, 2 or more; an operation that finds none free waits for one,
    /// within its deadline.
    pub connections: usize,
    /// How long a start waits for a server that is starting or away.
    pub connect_wait: Period,
    /// What a SQLite commit waits for.
    pub synchronous: Synchronous,
    /// Threads of each SQLite store that read, each with a connection of its own.
    pub readers: usize,
    /// Reads, and writes, that wait for a thread of a SQLite store at most, 1 or more; a further one waits for a place,
    /// within its deadline.
    pub queue: usize,
    /// Units that share one commit of a SQLite store at most.
    pub group: usize,
    /// How long a SQLite store waits for another process that holds its file.
    pub busy_wait: Period,
    /// Bytes of pages that each connection of a SQLite store keeps in memory.
    pub cache: usize,
    /// Bytes that the file of a SQLite store may grow to; beyond them a commit is refused as with a full disk.
    /// Without it the disk's end is the limit.
    pub file_max: Option<u64>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            url: "sqlite:data".into(),
            schema: SchemaWork::Apply,
            build_wait: Period::secs(5),
            keep: Period::secs(7 * 86_400),
            connections: 16,
            connect_wait: Period::secs(10),
            synchronous: Synchronous::Full,
            readers: 4,
            queue: 1_024,
            group: 128,
            busy_wait: Period::secs(2),
            cache: 8 << 20,
            file_max: None,
        }
    }
}

/// What is done when a store lacks what this binary asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaWork {
    /// It is made when the service starts, beside writers.
    Apply,
    /// Nothing is changed: the service does not start, and says what is missing.
    Check,
}

impl From<SchemaWork> for Migrate {
    fn from(work: SchemaWork) -> Self {
        match work {
            SchemaWork::Apply => Self::Apply,
            SchemaWork::Check => Self::Check,
        }
    }
}

/// What carries events between services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bus {
    /// `nats://HOST:PORT` joins services of several processes; without it, services that are joined by events start in one
    /// process.
    pub url: Option<Url>,
}

/// What a SQLite commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Synchronous {
    /// The disk has it: it survives a loss of power.
    Full,
    /// The operating system has it: it survives the process, and a loss of power may undo the last commits.
    Normal,
}

/// The log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`, also by target: `info,orders=debug`. The admin port changes it
    /// while the process runs.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: "info".to_owned() }
    }
}

/// How a log record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Traces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// The OTLP collector to send to, `http://host:4318`; without one, nothing is sent.
    pub otlp: Option<String>,
    /// The share of traces that are recorded when the caller did not decide, 0 to 1.
    #[serde(deserialize_with = "share")]
    pub sample: f64,
    /// How many recent traces are kept in memory for looking at.
    pub recent: usize,
}

impl Default for Trace {
    fn default() -> Self {
        Self { otlp: None, sample: 1.0, recent: 256 }
    }
}

/// How the process stops on SIGTERM or SIGINT. It takes at most `window` + `drain` + `http.grace` + twice `grace`; a second signal ends it at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stop {
    /// How long it goes on as before while readiness already says no, so that a balancer looks away in time.
    /// Behind one, longer than its probe's interval.
    pub window: Period,
    /// How long requests and streams then have to end by themselves. What is left is cancelled. Jobs are told to end
    /// after them, and have the rest of it.
    pub drain: Period,
    /// How long jobs have to come to their end at the least before they are dropped, stores to close, and telemetry
    /// to be sent.
    pub grace: Period,
}

impl Default for Stop {
    fn default() -> Self {
        Self { window: Period::millis(500), drain: Period::secs(10), grace: Period::secs(2) }
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    let within = (0.0..=1.0).contains(&share);
    within.then_some(share).ok_or_else(|| serde::de::Error::custom(format!("{share} is not from 0 to 1")))
}

/// A limit that would turn every request away at zero.
fn positive<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default + PartialEq>(
    deserializer: D,
) -> Result<T, D::Error> {
    let limit = T::deserialize(deserializer)?;
    let is_zero = limit == T::default();
    if is_zero { Err(serde::de::Error::custom("it must be more than 0")) } else { Ok(limit) }
}
