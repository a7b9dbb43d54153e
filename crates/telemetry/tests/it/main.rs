//! What the telemetry of a process tells, seen from outside.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod export;
mod logs;
mod metrics;
mod receiver;
mod spans;
