//! Runs the storage conformance suite against any store: a line a case, then the summary.
//!
//! `xtask-conformance URL [CASES]`; CASES is a part of the names of the cases to run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the lines are for a person")]

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};
use staffa_context::Context;
use staffa_storage::conformance::{self, Memories, Open};
use tokio::runtime::Runtime;

use crate::files::Files;

mod files;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().unwrap_or_default();
    let cases = arguments.next().unwrap_or_default();
    let stores = stores(&url)?;
    let summary = Runtime::new()?.block_on(async {
        conformance::run_all(&Context::background(), &*stores, &cases, |report| println!("{report}")).await
    });
    println!("{summary}");
    if summary.is_passed() { Ok(()) } else { bail!("{url} does not pass the suite") }
}

fn stores(url: &str) -> Result<Box<dyn Open>> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Box::new(Memories::default())),
        Some(("sqlite", path)) if !path.is_empty() => Ok(Box::new(Files::new(path)?)),
        _ => bail!(
            "`{url}` is no store that this suite opens; it opens memory: and sqlite:PATH, where PATH is a folder"
        ),
    }
}
