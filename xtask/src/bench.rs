//! `cargo xtask bench NAME`: a benchmark beside its rivals, built in release.

use crate::command::{self, Result};
use crate::workspace::Workspace;

/// The rest of the line belongs to the benchmark, which also lists the names.
pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    let mut cargo = Workspace::find()?.cargo(["run", "--release", "-p", "bench", "--"]);
    command::run(cargo.args(arguments))
}
