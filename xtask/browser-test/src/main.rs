//! Cargo's runner for tests built for wasm32: it drives the browser whose driver `CHROMEDRIVER` names.
#![expect(clippy::print_stderr, reason = "the runner's error is for a person")]

use std::env;
use std::process::{Command, ExitCode};

use wasm_bindgen_cli::wasm_bindgen_test_runner;

/// The name of the variable that tells the inner of two processes from the outer.
const INNER: &str = "STAFFA_BROWSER_TEST_INNER";

fn main() -> ExitCode {
    let result = if env::var_os(INNER).is_some() { run() } else { run_apart() };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    wasm_bindgen_test_runner::run_cli_with_args(env::args_os())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs in a process whose folder for temporary files goes with it: a browser leaves 25 MB there each time.
fn run_apart() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let mut inner = Command::new(env::current_exe()?);
    inner.args(env::args_os().skip(1)).env(INNER, "yes").env("TMPDIR", folder.path());
    let status = inner.status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
