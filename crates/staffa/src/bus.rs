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
        "nats" | "tls" => nats(ctx, url).await,
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

#[cfg(feature = "nats")]
async fn nats(ctx: &Context, url: &str) -> Result<Arc<dyn Bus>> {
    use staffa_context::Kind;
    use staffa_messaging_nats::{Nats, Options};
    match Nats::open(ctx, url, Options::default()).await {
        Ok(bus) => Ok(bus),
        Err(failure) if matches!(failure.kind, Kind::Invalid | Kind::Unauthenticated) => {
            Err(Error::settings(format!("bus.url: {}", failure.words)))
        }
        Err(failure) => Err(Error::from(failure).context("bus.url")),
    }
}
