//! The shop's page as a visitor meets it: headless Chromium before a real shop.
//!
//! `cargo xtask test` builds the shop and its page and says where they are. By hand:
//!
//! ```sh
//! cargo xtask bundle && cargo build --profile shop -p shop && cargo test -p system-tests --test browser
//! ```
//!
//! The pictures are left in `target/screenshots`.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(clippy::print_stderr, reason = "what a test saw is shown when it fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests of processes have no context: they wait for them on threads"
)]

mod basket;
mod behind;
mod browser;
mod cancel;
mod driver;
mod keyboard;
mod layout;
mod page;
mod pictures;
mod shopping;
mod traced;
mod trouble;

// What the system tests have as well. Each of the two programs uses a part of it.
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/data.rs"]
mod data;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/http.rs"]
mod http;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/orders.rs"]
mod orders;
#[path = "../system/otlp.rs"]
mod otlp;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/program.rs"]
mod program;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../system/shop.rs"]
mod shop;
#[path = "../system/soon.rs"]
mod soon;
