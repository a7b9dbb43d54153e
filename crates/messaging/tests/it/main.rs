//! What outbox, relay, inbox and the bus in this process promise, on every store of this workspace that needs no server.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod gauges;
mod inbox;
mod logs;
mod paused;
mod suites;
