//! Runs the storage conformance suite against any store: a line a case, then the summary. Or makes the README's table
//! of rules and adapters from what such runs recorded.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the lines are for a person")]

mod files;
mod line;
mod proxy;
mod runner;
mod stores;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use staffa_context::Context;
use staffa_messaging::conformance::relays;
use staffa_storage::conformance::{self, Report};
use tokio::runtime::Runtime;

#[derive(Debug, Parser)]
struct Options {
    /// `memory:`, `sqlite:FOLDER`, `sqlite:` for a folder of its own, `postgres://…` or `mongodb://…`
    #[arg(required_unless_present = "table")]
    store: Option<String>,

    /// Only the cases whose name has this part
    #[arg(long, alias = "cases", value_name = "PART", default_value = "")]
    filter: String,

    /// How many rounds the cases take that try something at random
    #[arg(long, value_name = "N", default_value_t = 100)]
    rounds: usize,

    /// Writes the lines to this file as well
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Makes the table of the README in the current folder from the runs recorded in this one, a file for each adapter
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = "target/conformance")]
    table: Option<PathBuf>,

    /// With `--table`: changes nothing, and fails when the README has another table
    #[arg(long, requires = "table")]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    match (&options.table, &options.store) {
        (Some(folder), _) if options.check => table::check(folder, Path::new("README.md")),
        (Some(folder), _) => table::write(folder, Path::new("README.md")),
        (None, Some(url)) => Runtime::new()?.block_on(run_on(url, options)),
        (None, None) => bail!("which store?"),
    }
}

async fn run_on(url: &str, options: &Options) -> Result<()> {
    let ctx = Context::background();
    let stores = Arc::new(stores::open(&ctx, url, options.rounds).await?);
    let mut record = String::new();
    let mut tell = |report: &Report| {
        println!("{report}");
        // Writing to a text cannot fail.
        let _ = writeln!(record, "{report}");
    };
    let mut summary = conformance::run_all(&ctx, &*stores, &options.filter, &mut tell).await;
    // What outbox, relay and inbox promise together on this store.
    let relays = relays::run_all(&ctx, stores, &options.filter, tell).await;
    summary.passed += relays.passed;
    summary.skipped += relays.skipped;
    summary.failed.extend(relays.failed);
    println!("{summary}");
    if let Some(file) = &options.record {
        write_record(file, &record)?;
    }
    if summary.is_passed() { Ok(()) } else { bail!("the store does not pass the suite") }
}

fn write_record(file: &Path, record: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("the folder {}", folder.display()))?;
    }
    fs::write(file, record).with_context(|| format!("the file {}", file.display()))
}
