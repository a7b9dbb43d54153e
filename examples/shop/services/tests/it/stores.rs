//! Which files of the shop know a store: the adapters of its own ports, and what composes them.
use std::fs;
use std::path::{Path, PathBuf};

/// What names a store, its language or its driver.
const NAMES: [&str; 8] =
    ["sqlite", "postgres", "mongodb", "indexeddb", "Adapter::", "SELECT", "$match", "CREATE TABLE"];

/// The files that may: adapters, the choice between them, and words for people about URLs.
const KNOWING: [&str; 9] = [
    "services/src/reporting.rs",
    "services/src/reporting/",
    "services/src/slow.rs",
    "services/src/catalog.rs",
    "services/src/stores.rs",
    "services/src/serve.rs",
    "services/src/import.rs",
    "services/src/copy.rs",
    "web/src/kept/",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn only_adapters_and_composition_know_a_store() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for part in ["core/src", "contract/src", "services/src"] {
        sources(&shop.join(part), &mut found);
    }
    assert!(found.len() > 40, "{found:?}");
    for path in found {
        let name = path.strip_prefix(shop).unwrap().display().to_string();
        if KNOWING.iter().any(|knowing| name.starts_with(knowing)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let knows = NAMES.iter().find(|store| text.contains(*store));
        assert_eq!(knows, None, "{name} knows a store");
    }
}

#[test]
fn the_core_and_the_contract_link_no_store() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for part in ["core", "contract"] {
        let manifest = fs::read_to_string(shop.join(part).join("Cargo.toml")).unwrap();
        let dependencies = manifest.lines().filter(|line| !line.starts_with('#'));
        for line in dependencies {
            let linked = ["staffa-storage-", "staffa ", "staffa.", "rusqlite", "tokio-postgres", "mongodb"];
            assert!(!linked.iter().any(|store| line.starts_with(store)), "shop-{part} links {line}");
        }
    }
}
