//! `shop replay`: places a file's invoices as orders, and reconciles what the services hold with the file.
use std::process::ExitCode;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Replay {}

impl Replay {
    pub(crate) fn run(self) -> ExitCode {
        ExitCode::FAILURE
    }
}
