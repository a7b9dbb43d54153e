//! The shop's program.
use std::process::ExitCode;

fn main() -> ExitCode {
    shop::main()
}
