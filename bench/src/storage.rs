//! What the port costs on each store, beside the same work by hand on its driver, and on pgx.
//!
//! The two take turns in short batches (ABAB…), so that what else the machine does falls on both; a ratio is the median
//! of those of the pairs. By hand is written as one would without us: the same documents decoded and encoded, one
//! transaction for each unit, each update conditional on its version, a row for each event, the driver's own
//! defaults of durability, which are the adapter's as well. rusqlite blocks, so by hand it runs in `spawn_blocking`.
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use staffa::Context;
use xtask_servers::Setup;

mod contestant;
mod item;
mod mongodb;
mod ours;
mod pair;
mod pgx;
mod postgres;
mod sqlite;

use contestant::Contestant;
use ours::Ours;
use pair::Pairs;

const USAGE: &str = "usage: bench storage [--only sqlite|postgres|mongodb] [--pairs N]";

/// How many items each store has, and how many there are in a group.
pub(crate) const ITEMS: i64 = 10_000;
pub(crate) const GROUP: i64 = 100;

/// Measures each store, and prints a table of each.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut only = None;
    let mut pairs = 21;
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { bail!(USAGE) };
        match name.as_str() {
            "--only" => only = Some(value.clone()),
            "--pairs" => pairs = value.parse().context(USAGE)?,
            _ => bail!(USAGE),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let ctx = Context::background();
        for store in ["sqlite", "postgres", "mongodb"] {
            if only.as_ref().is_none_or(|only| only == store) {
                measure(&ctx, store, pairs).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn measure(ctx: &Context, store: &str, pairs: usize) -> anyhow::Result<()> {
    let target = target_folder()?;
    let folder = tempfile::tempdir()?;
    let setup = Setup::default();
    let server = match store {
        "postgres" => Some(xtask_servers::postgres(&target, &setup).map_err(|error| anyhow!(error))?),
        "mongodb" => Some(xtask_servers::mongodb(&target, &setup).map_err(|error| anyhow!(error))?),
        _ => None,
    };
    let url = match &server {
        Some(server) => server.url().to_owned(),
        None => format!("sqlite:{}", folder.path().display()),
    };
    let by_hand: Arc<dyn Contestant> = match store {
        "postgres" => Arc::new(postgres::ByHand::fill(&url, "by_hand").await?),
        "mongodb" => Arc::new(mongodb::ByHand::fill(&url).await?),
        _ => Arc::new(sqlite::ByHand::fill(folder.path())?),
    };
    let ours: Arc<dyn Contestant> = Arc::new(Ours::fill(ctx, &url).await?);
    let pgx = if store == "postgres" { pgx::Pgx::fill(&url).await? } else { None };
    let measured = Pairs::measure(&ours, &by_hand, pgx.as_ref(), pairs).await?;
    measured.print(store);
    Ok(())
}

/// The folder that this program was built in: servers are unpacked below it.
fn target_folder() -> anyhow::Result<std::path::PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).context("the program is in no target folder")?;
    Ok(folder.to_path_buf())
}
