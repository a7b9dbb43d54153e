//! What a server holds at most.
use std::time::Duration;

/// What a server accepts, queues and waits for at most. Each field is a setting; the defaults suit a small service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in hand at once; beyond it a request is answered 503 with `Retry-After`. 512.
    pub concurrency: usize,
    /// Server-sent event streams at once; beyond it 503 with `Retry-After`. 1,024.
    pub streams: usize,
    /// Open connections; beyond it new ones wait in the system's backlog. 10,000.
    pub connections: usize,
    /// The largest request body in bytes unless an endpoint says otherwise; beyond it 413. 1 MiB.
    pub body_max: usize,
    /// The largest request head (target and headers) in bytes; beyond it 431. 16 KiB.
    pub header_max: usize,
    /// The most header fields of a request; beyond it 431. 64.
    pub headers_max: usize,
    /// The longest that a call may take unless its endpoint says otherwise; a caller can only shorten it. 30 s.
    pub timeout: Duration,
    /// The longest wait for a whole request head; the connection is then closed. 10 s. A connection that is kept
    /// alive idles no longer than this either.
    pub header_read: Duration,
    /// The longest wait for a whole request body; then 408. 15 s.
    pub body_read: Duration,
    /// How long work may go on after its context ended, before it is dropped. 5 s.
    pub grace: Duration,
    /// How long a stopping server lets requests in hand end by themselves. 20 s.
    pub drain: Duration,
    /// The pause between heartbeats of a quiet event stream. 15 s.
    pub heartbeat: Duration,
    /// The longest life of an event stream; the client then comes back by `Last-Event-ID`. 1 h.
    pub stream_age: Duration,
    /// Events that wait for one slow client. 64.
    pub stream_queue: usize,
    /// How long the queue of a slow client may stay full before its stream is ended. 5 s.
    pub stream_patience: Duration,
    /// Streams of one HTTP/2 connection at once. 128.
    pub http2_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 512,
            streams: 1_024,
            connections: 10_000,
            body_max: 1 << 20,
            header_max: 16 << 10,
            headers_max: 64,
            timeout: Duration::from_secs(30),
            header_read: Duration::from_secs(10),
            body_read: Duration::from_secs(15),
            grace: Duration::from_secs(5),
            drain: Duration::from_secs(20),
            heartbeat: Duration::from_secs(15),
            stream_age: Duration::from_secs(3_600),
            stream_queue: 64,
            stream_patience: Duration::from_secs(5),
            http2_streams: 128,
        }
    }
}
