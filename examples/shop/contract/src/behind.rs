//! What was behind a request: its trace, as the page draws it.
use std::time::Duration;

use serde::{Deserialize, Serialize};
use staffa_context::Failure;
use staffa_transport::Endpoint;

/// The finished operations of one trace, as far as this process remembers them.
pub const BEHIND: Endpoint<BehindOf, Behind, Failure> = Endpoint::get("/behind/{trace}")
    .timeout(Duration::from_secs(2))
    .summary("What was behind a request: its operations from handler to store");

/// Which trace is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BehindOf {
    /// The trace id: 32 hexadecimal digits.
    pub trace: String,
}

/// The operations of a trace, in the order of their start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Behind {
    /// The operations.
    pub passages: Vec<Passage>,
}

/// One finished operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// Its span id: 16 hexadecimal digits.
    pub span: String,
    /// The span that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The service that it happened in.
    pub service: String,
    /// What it did.
    pub name: String,
    /// When it started, in microseconds since 1970 (UTC).
    pub start_micros: i64,
    /// How long it took in microseconds.
    pub micros: u64,
    /// The budget that was left when it started, in microseconds; none without a deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_micros: Option<u64>,
    /// Why it failed or stopped; none when it went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it noted, as name and value, in order.
    #[serde(default)]
    pub notes: Vec<(String, String)>,
}
