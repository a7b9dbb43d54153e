//! Which stores a URL names.

use std::sync::Arc;

use anyhow::{Result, bail};
use staffa_context::Context;
use staffa_storage::conformance::{Memories, Open};

use crate::files::Files;
use crate::line::Line;
use crate::proxy::Proxy;
use crate::runner::Runner;

/// The stores of this URL; those of a server through a proxy of ours, where their line can be cut.
pub(crate) async fn open(ctx: &Context, url: &str, rounds: usize) -> Result<Runner> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Runner::local(Arc::new(Memories::default()), rounds)),
        Some(("sqlite", folder)) => Ok(Runner::local(Arc::new(Files::new(folder)?), rounds)),
        Some(("postgres" | "postgresql", _)) => server(ctx, url, 5432, "", postgres, rounds).await,
        // The driver would ask the server for its own address, and go there.
        Some(("mongodb", _)) => server(ctx, url, 27017, "directConnection=true", mongodb, rounds).await,
        _ => bail!(
            "`{url}` is no store that this suite opens; it opens memory:, sqlite:, sqlite:FOLDER, postgres://… and mongodb://…"
        ),
    }
}

async fn server(
    ctx: &Context,
    url: &str,
    port: u16,
    option: &str,
    stores: fn(&str) -> Result<Arc<dyn Open>>,
    rounds: usize,
) -> Result<Runner> {
    let direct = stores(url)?;
    let Some(line) = Line::of(url, port) else { return Ok(Runner::local(direct, rounds)) };
    let proxy = Proxy::start(ctx, line.server.clone()).await?;
    let through = stores(&line.through(proxy.address(), option))?;
    Ok(Runner::remote(direct, through, proxy, rounds))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Arc<dyn Open>> {
    Ok(Arc::new(staffa_storage_postgres::conformance::Databases::new(url)))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_url: &str) -> Result<Arc<dyn Open>> {
    bail!("this program was built without its feature `postgres`")
}

#[cfg(feature = "mongodb")]
fn mongodb(url: &str) -> Result<Arc<dyn Open>> {
    Ok(Arc::new(staffa_storage_mongodb::conformance::Databases::new(url)))
}

#[cfg(not(feature = "mongodb"))]
fn mongodb(_url: &str) -> Result<Arc<dyn Open>> {
    bail!("this program was built without its feature `mongodb`")
}
