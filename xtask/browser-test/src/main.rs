//! Cargo's runner for tests built for wasm32: it drives the browser whose driver `CHROMEDRIVER` names.
#![expect(clippy::print_stderr, reason = "the runner's error is for a person")]

use std::env;
use std::process::ExitCode;

use wasm_bindgen_cli::wasm_bindgen_test_runner;

fn main() -> ExitCode {
    match wasm_bindgen_test_runner::run_cli_with_args(env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
