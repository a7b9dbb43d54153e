//! The bus over a real NATS server, whose URL `STAFFA_TEST_NATS` gives.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod aside;
mod listening;
mod open;
mod restart;
mod suite;

use std::sync::Arc;

use staffa_context::{Context, Failure};
use staffa_messaging_nats::{Nats, Options};

/// The server's URL.
fn url() -> String {
    std::env::var("STAFFA_TEST_NATS").unwrap_or_else(|_| {
        panic!("STAFFA_TEST_NATS names no server: these tests are run by `cargo xtask test`")
    })
}

/// The same with another path.
fn at(prefix: &str) -> String {
    let url = url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let hosts = rest.split('/').next().unwrap();
    format!("{scheme}://{hosts}/{prefix}")
}

/// A place of a test's own.
fn place(ctx: &Context) -> String {
    format!("test{}", ctx.uuid().simple())
}

/// Options under which a test does not wait long.
fn quick() -> Options {
    let moment = std::time::Duration::from_millis(1);
    Options { lease: std::time::Duration::from_secs(1), backoff: moment, ..Options::default() }
}

async fn open(ctx: &Context, place: &str, options: Options) -> Result<Arc<Nats>, Failure> {
    Nats::open(ctx, &at(place), options).await
}
