//! What the telemetry of a process tells, seen from outside.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and drives the runtime itself"
)]

mod export;
mod logs;
mod metrics;
mod receiver;
mod spans;
