//! The bus of a process: what carries events between services.

use std::sync::Arc;

use staffa_context::Context;
use staffa_messaging::{Bus, InProcess};

use crate::settings;
use crate::{Error, Result};

/// Reaches the bus at its URL; without one, the services of this process have one among themselves.
pub(crate) async fn open(ctx: &Context, settings: &settings::Bus) -> Result<Arc<dyn Bus>> {
    let Some(url) = &settings.url else { return Ok(Arc::new(InProcess::new())) };
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme {
        "nats" | "tls" | "ws" | "wss" => nats(ctx, url).await,
        _ => Err(Error::settings(format!(
            "bus.url: no bus is known for `{scheme}:`; use `nats://HOST:PORT`, or leave it out for services of one process"
        ))),
    }
}

#[cfg(not(feature = "nats"))]
async fn nats(_: &Context, _: &str) -> Result<Arc<dyn Bus>> {
    Err(Error::settings(
        "bus.url: this binary is built without a bus at `nats:`: build it with the feature `nats`, as in `cargo build --features nats`",
    ))
}
