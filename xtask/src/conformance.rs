//! `cargo xtask conformance --store URL`: the storage suite against any store, a line a case.

use crate::command::{self, Result};
use crate::options::Options;
use crate::workspace::Workspace;

pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    let options = Options::parse(arguments, &["--store", "--cases"])?;
    let store = options.get("--store").ok_or("which store? --store memory: or --store sqlite:PATH")?;
    let mut cargo = Workspace::find()?.cargo(["run", "--quiet", "-p", "xtask-conformance", "--"]);
    command::run(cargo.arg(store).args(options.get("--cases")))
}
