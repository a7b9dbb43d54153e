//! Kills the shop under load, again and again, and looks whether anything is lost or doubled.
//!
//! A round is made of numbers that follow from its seed: customers place orders over HTTP, with idempotency keys and
//! with agreed prices among them, call them off, pack and ship them, and repeat what they did not hear the end of
//! under the same key. At a random moment the shop, or the server of its store, or both are killed as `kill -9` does,
//! and started again. At the end of a round all that was promised must be there, once.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the lines are for a person")]

mod call;
mod customer;
mod held;
mod ledger;
mod random;
mod reconcile;
mod round;
mod shop;
mod store;
mod strike;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use staffa_context::Context;

use crate::round::Rounds;
use crate::shop::Shop;
use crate::store::Store;

#[derive(Debug, Parser)]
struct Options {
    /// The shop's program
    #[arg(long)]
    shop: PathBuf,

    /// Cargo's target folder, below which servers are unpacked
    #[arg(long)]
    target: PathBuf,

    /// `sqlite:PATH`, or `sqlite:` for a folder of its own; `postgres:` or `mongodb:` for a server of its own, which is
    /// killed as well; or the URL of a server, which is not
    #[arg(long, value_name = "URL")]
    store: String,

    /// How many rounds
    #[arg(long, value_name = "N", default_value_t = 100)]
    rounds: u64,

    /// The seed of the first round; each further round has the next number
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let store = Store::open(&options.store, &options.target)?;
    let shop = Shop::new(&options.shop, store.url())?;
    let first = options.seed.unwrap_or_else(|| RandomState::new().hash_one("seed") % 1_000_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let ctx = Context::background();
        let mut rounds = Rounds::begin(&ctx, shop, store).await?;
        for seed in (first..).take(usize::try_from(options.rounds)?) {
            match rounds.play(&ctx, seed).await {
                Ok(told) => println!("seed {seed}: {told}"),
                Err(error) => {
                    eprintln!("{error:#}");
                    bail!("the round with the seed {seed} failed; again: --rounds 1 --seed {seed}");
                }
            }
        }
        println!("{}", rounds.end(&ctx).await?);
        Ok(())
    })
}
