//! What a request costs on a server of ours, beside axum by hand and Go's `net/http`.
//!
//! Every server is a process of its own. In each round they answer one after the other, so that what else the
//! machine does falls on all alike; a ratio is the median of those of the rounds. The load generator shares the
//! machine with the server, which draws the ratios of requests per second towards 1: CPU time has the server alone.
//!
//! Ours have everything on that is on by default: deadline, limits, spans, metrics, the log at `info`, request ids.
//! By default every trace is recorded, and kept in memory until others take its place; the second line of ours is
//! without (`trace.sample = 0`).
use std::process::ExitCode;
use std::time::Duration;

use tempfile::TempDir;

use crate::rival::Rival;
use crate::serve::{constant, product};

mod contestant;
mod load;
mod options;
mod products;
mod server;
mod table;

use contestant::Contestant;
use load::Load;
use options::Options;
use server::Server;

/// How long each server answers before the first round.
const WARM_UP: Duration = Duration::from_millis(500);

/// Measures both comparisons, and prints a table of each.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let options = Options::read(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        table::print_head(&options);
        if options.measures("constant") {
            constant_answer(&options).await?;
        }
        if options.measures("product") {
            product_by_code(&options).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn constant_answer(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let own = |name| Server::own(name, folder.path());
    let mut contestants = vec![
        Contestant::rival("bare axum", own("constant-axum").await?),
        Contestant::ours("staffa, every trace recorded", 0.95, own("constant-staffa").await?),
        Contestant::ours("staffa, no trace recorded", 0.95, own("constant-staffa-unsampled").await?),
    ];
    let go = Rival::go("http");
    if let Some(go) = &go {
        contestants.push(Contestant::rival("Go net/http", Server::rival(go, folder.path()).await?));
    }
    measure("constant answer", options, contestants, vec![constant::PATH.to_owned()]).await
}

async fn product_by_code(options: &Options) -> anyhow::Result<()> {
    let products = products::shipped()?;
    // A store is one process's own, so each has a folder.
    let (by_hand, sampled, unsampled) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    product::fill_by_hand(by_hand.path(), &products)?;
    product::fill(sampled.path(), &products).await?;
    product::fill(unsampled.path(), &products).await?;
    let own = async |name, folder: &TempDir| Server::own(name, folder.path()).await;
    let contestants = vec![
        Contestant::rival("axum and rusqlite by hand", own("product-axum", &by_hand).await?),
        Contestant::ours("staffa, every trace recorded", 0.90, own("product-staffa", &sampled).await?),
        Contestant::ours(
            "staffa, no trace recorded",
            0.90,
            own("product-staffa-unsampled", &unsampled).await?,
        ),
    ];
    let targets = products.iter().map(|product| product::path(&product.code)).collect();
    measure("product by code", options, contestants, targets).await
}

/// Rounds of all contestants in turn over the same targets; the first one is what the others are compared with.
async fn measure(
    title: &str,
    options: &Options,
    mut contestants: Vec<Contestant>,
    targets: Vec<String>,
) -> anyhow::Result<()> {
    let load = Load::of(targets, options.connections, contestants[0].address()).await?;
    for contestant in &contestants[1..] {
        load.compare(contestant.address()).await?;
    }
    for contestant in &contestants {
        load.run(contestant.address(), WARM_UP).await?;
    }
    for _ in 0..options.rounds {
        for contestant in &mut contestants {
            contestant.measure(&load, options.seconds).await?;
        }
    }
    table::print(title, &contestants);
    Ok(())
}
