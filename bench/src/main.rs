//! Benchmarks beside their rivals: `cargo run --release -p bench -- context`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark is a command-line program")]

use std::process::ExitCode;

mod context;
mod rival;
mod sample;
mod table;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("context") => context::run(),
        _ => {
            eprintln!("usage: bench context");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
