//! `cargo xtask conformance --store URL`: the storage suite against any store, a line a case; with `--table` the README's
//! table from what such runs recorded.

use crate::command::{self, Result};
use crate::workspace::Workspace;

pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    let words = positional(arguments);
    let workspace = Workspace::find()?;
    let mut cargo = workspace.cargo(["run", "--quiet", "-p", "xtask-conformance"]);
    if let Some(feature) = words.iter().find_map(|word| feature(word)) {
        cargo.args(["--features", feature]);
    }
    command::run(cargo.arg("--").args(words))
}

/// The suite's own words: its URL has no name there.
fn positional(arguments: Vec<String>) -> Vec<String> {
    let unnamed = |word: String| match word.strip_prefix("--store=") {
        Some(url) => url.to_owned(),
        None => word,
    };
    arguments.into_iter().filter(|word| word != "--store").map(unnamed).collect()
}

/// What the URL needs to be built: an adapter that is not asked for is not compiled.
fn feature(url: &str) -> Option<&'static str> {
    match url.split(':').next() {
        Some("postgres" | "postgresql") => Some("postgres"),
        Some("mongodb" | "mongodb+srv") => Some("mongodb"),
        _ => None,
    }
}
