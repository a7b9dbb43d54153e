//! The shop as its users meet it, with servers beside it: `cargo xtask test` runs it, and names the servers and the
//! binary that is built with everything.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(clippy::print_stderr, reason = "what a test saw is shown when it fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests of processes have no context: they wait for them on threads"
)]

mod apart;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/data.rs"]
mod data;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/http.rs"]
mod http;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/orders.rs"]
mod orders;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/program.rs"]
mod program;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/shop.rs"]
mod shop;
#[path = "../system/soon.rs"]
mod soon;
