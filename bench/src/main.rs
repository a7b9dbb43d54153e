//! Benchmarks beside their rivals: `cargo xtask bench context`, `http` and `storage`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark is a command-line program")]

use std::process::ExitCode;

mod context;
mod http;
mod rival;
mod sample;
mod serve;
mod storage;
mod table;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let ended = match name.as_str() {
        "context" => {
            context::run();
            Ok(ExitCode::SUCCESS)
        }
        "http" => http::run(&rest),
        "serve" => serve::run(&rest),
        "storage" => storage::run(&rest),
        _ => Err(anyhow::anyhow!("usage: bench context | bench http | bench storage")),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}
