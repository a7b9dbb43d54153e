//! Who links a store's driver: the shop only the one that its URL asks for, and its core and contract none.

use crate::command::{self, Result};
use crate::tally::Tally;
use crate::workspace::Workspace;

/// What only a server's adapter links.
const SERVERS: &[&str] = &[
    "staffa-storage-postgres",
    "tokio-postgres",
    "staffa-storage-mongodb",
    "mongodb",
    "async-nats",
    "rustls",
];

/// A feature of the shop, what it must bring, and what it must not.
const FEATURES: &[(&str, &str, &[&str])] = &[
    ("postgres", "tokio-postgres", &["mongodb", "async-nats", "rusqlite"]),
    ("mongodb", "mongodb", &["tokio-postgres", "async-nats", "rusqlite"]),
    ("nats", "async-nats", &["tokio-postgres", "mongodb", "rusqlite"]),
];

/// The packages in which the shop's logic is: entities, use cases, endpoints.
const LOGIC: &[&str] = &["shop-core", "shop-contract"];

/// What a store is known by: its driver or its adapter.
fn is_store(package: &str) -> bool {
    package.starts_with("staffa-storage-")
        || package.starts_with("staffa-messaging-")
        || ["rusqlite", "libsqlite3-sys", "deadpool-postgres", "bson"].contains(&package)
        || SERVERS.contains(&package)
}

pub(crate) fn check(workspace: &Workspace, tally: &mut Tally) {
    tally.check("the shop's logic knows no store", || {
        LOGIC.iter().try_for_each(|package| knows_no_store(workspace, package))
    });
    tally.check("a plain start links no driver of a server", || {
        let packages = tree(workspace, &["-p", "shop"])?;
        lacks("shop", &packages, SERVERS)?;
        brings("shop", &packages, "rusqlite")
    });
    tally.check("each store of the shop links its own driver alone", || {
        FEATURES.iter().try_for_each(|(feature, driver, others)| {
            let words = ["-p", "shop", "--no-default-features", "--features", feature];
            let packages = tree(workspace, &words)?;
            lacks(feature, &packages, others)?;
            brings(feature, &packages, driver)
        })
    });
}

fn knows_no_store(workspace: &Workspace, package: &str) -> Result<()> {
    let packages = tree(workspace, &["-p", package, "--all-features", "--target=all"])?;
    brings(package, &packages, "staffa-storage")?;
    match packages.iter().find(|package| is_store(package)) {
        Some(store) => Err(format!("{package} brings {store}: the logic must know no store").into()),
        None => Ok(()),
    }
}

fn lacks(what: &str, packages: &[String], unwanted: &[&str]) -> Result<()> {
    match packages.iter().find(|package| unwanted.contains(&package.as_str())) {
        Some(found) => Err(format!("`{what}` brings {found}").into()),
        None => Ok(()),
    }
}

/// That something is there shows that the tree was read at all.
fn brings(what: &str, packages: &[String], wanted: &str) -> Result<()> {
    if packages.iter().any(|package| package == wanted) {
        return Ok(());
    }
    Err(format!("`{what}` does not bring {wanted}").into())
}

/// The names of the packages that are linked, each once or more.
fn tree(workspace: &Workspace, words: &[&str]) -> Result<Vec<String>> {
    let mut cargo = workspace.cargo(["tree", "--edges=normal", "--prefix=none", "--format={p}"]);
    let tree = command::output(cargo.args(words))?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_and_drivers_are_stores_and_the_port_is_none() {
        for store in
            ["staffa-storage-sqlite", "staffa-storage-indexeddb", "rusqlite", "mongodb", "async-nats"]
        {
            assert!(is_store(store), "{store}");
        }
        for other in ["staffa-storage", "staffa-messaging", "serde"] {
            assert!(!is_store(other), "{other}");
        }
    }

    #[test]
    fn a_driver_that_is_there_is_told() {
        let packages = ["shop".to_owned(), "mongodb".to_owned()];
        assert!(lacks("shop", &packages, SERVERS).is_err());
        assert!(lacks("shop", &packages[..1], SERVERS).is_ok());
        assert!(brings("shop", &packages, "mongodb").is_ok());
        assert!(brings("shop", &packages, "rusqlite").is_err());
    }
}
