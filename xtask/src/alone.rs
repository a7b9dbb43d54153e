//! Each library crate alone: a project that depends on it only, by path, builds it, and brings no
//! other crate of ours than the design allows. The shop's core is held to more.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::command::{self, Result};
use crate::tally::Tally;
use crate::workspace::Workspace;

/// A crate's folder in `crates/`, and the others of ours that it may bring.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("context", &[]),
    ("channel", &["context"]),
    ("storage", &["context"]),
    ("storage-sqlite", &["context", "storage"]),
    ("storage-postgres", &["context", "storage"]),
    ("storage-mongodb", &["context", "storage"]),
    ("storage-indexeddb", &["context", "storage"]),
    ("messaging", &["context", "storage"]),
    ("messaging-nats", &["context", "storage", "messaging"]),
    ("transport", &["context"]),
    ("telemetry", &["context"]),
    ("staffa", &["context", "channel", "storage", "storage-sqlite", "messaging", "transport", "telemetry"]),
];

/// Those that live in the browser alone.
const IN_THE_BROWSER: &[&str] = &["storage-indexeddb"];

/// What the facade and the shop are built with: each feature alone, and none.
const FEATURES: &[(&str, &[&str])] = &[
    ("staffa", &["", "channel", "sqlite", "postgres", "mongodb", "messaging", "nats"]),
    ("shop", &["sqlite", "postgres", "mongodb"]),
];

/// The beginnings of what a core never links: sockets, drivers, HTTP, exporters.
const OUTSIDE: &[&str] = &[
    "mio",
    "socket2",
    "rusqlite",
    "libsqlite3",
    "tokio-postgres",
    "mongodb",
    "async-nats",
    "http",
    "hyper",
    "axum",
    "tower",
    "tonic",
    "opentelemetry",
    "reqwest",
    "rustls",
];

pub(crate) fn check(workspace: &Workspace, tally: &mut Tally) {
    tally.check("every library crate is in the table of what it may bring", || all_listed(workspace));
    for (library, allowed) in LIBRARIES {
        tally.check(&format!("`{library}` alone"), || builds_alone(workspace, library, allowed));
    }
    for (package, features) in FEATURES {
        tally.check(&format!("each feature of `{package}` alone"), || {
            features.iter().try_for_each(|feature| feature_alone(workspace, package, feature))
        });
    }
    tally.check("the shop's core has no driver, socket or HTTP", || core_is_pure(workspace));
}

fn all_listed(workspace: &Workspace) -> Result<()> {
    for entry in fs::read_dir(workspace.root.join("crates"))? {
        let folder = entry?.file_name();
        if !LIBRARIES.iter().any(|(library, _)| folder == *library) {
            return Err(format!("crates/{} is missing in xtask/src/alone.rs", folder.display()).into());
        }
    }
    Ok(())
}

fn builds_alone(workspace: &Workspace, library: &str, allowed: &[&str]) -> Result<()> {
    let package = package(library);
    let path = workspace.root.join("crates").join(library);
    let project = Project::new(workspace, &format!("alone-{library}"))?;
    fs::create_dir(project.folder.join("src"))?;
    fs::write(project.folder.join("src/lib.rs"), format!("pub use {}::*;\n", package.replace('-', "_")))?;
    project.manifest(&format!(
        "[package]\nname = \"alone\"\nedition = \"2024\"\n\n[dependencies]\n{package} = {{ path = {path:?} }}\n"
    ))?;
    let mut check = project.cargo(&["check", "--quiet"]);
    if IN_THE_BROWSER.contains(&library) {
        check.arg("--target=wasm32-unknown-unknown");
    }
    command::run(&mut check)?;
    let tree = command::output(&mut project.cargo(&[
        "tree",
        "--edges=normal,build",
        "--prefix=none",
        "--format={p}",
    ]))?;
    let ours =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| name.starts_with("staffa"));
    match ours
        .clone()
        .find(|name| *name != package && !allowed.iter().any(|other| self::package(other) == *name))
    {
        Some(other) => Err(format!("{package} brings {other}, which the design does not allow").into()),
        None if ours.count() == 0 => Err(format!("cargo tree does not show {package}").into()),
        None => Ok(()),
    }
}

fn feature_alone(workspace: &Workspace, package: &str, feature: &str) -> Result<()> {
    let mut check = workspace.cargo(["check", "--quiet", "-p", package, "--no-default-features"]);
    command::run(check.args(["--features", feature]))
}

/// A folder is named as its package without the prefix; the facade has the bare name.
fn package(library: &str) -> String {
    if library == "staffa" { library.to_owned() } else { format!("staffa-{library}") }
}

fn core_is_pure(workspace: &Workspace) -> Result<()> {
    let tree = |target: &str| {
        let words =
            ["tree", "-p", "shop-core", "--edges=normal", "--prefix=none", "--format={p}|{f}", target];
        command::output(&mut workspace.cargo(words))
    };
    let native = tree("--target=all")?;
    let browser = tree("--target=wasm32-unknown-unknown")?;
    if let Some(outside) = native.lines().find(|line| OUTSIDE.iter().any(|name| line.starts_with(name))) {
        return Err(format!("shop-core brings {outside}").into());
    }
    if browser.lines().any(|line| line.starts_with("tokio ")) {
        return Err("shop-core brings tokio to the browser".into());
    }
    let features =
        native.lines().find(|line| line.starts_with("tokio ")).and_then(|line| line.split('|').nth(1));
    match features
        .unwrap_or_default()
        .split([',', ' '])
        .find(|feature| !["rt", "time", "sync", "default", "(*)", ""].contains(feature))
    {
        Some(feature) => Err(format!("shop-core brings tokio with `{feature}`").into()),
        None => Ok(()),
    }
}

/// A project outside of the workspace, removed when it is dropped. It has the workspace's lock file
/// and profiles and fills the same target folder, so that little is built a second time.
pub(crate) struct Project<'a> {
    workspace: &'a Workspace,
    pub(crate) folder: PathBuf,
}

impl<'a> Project<'a> {
    pub(crate) fn new(workspace: &'a Workspace, name: &str) -> Result<Self> {
        let folder = env::temp_dir().join(format!("staffa-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { workspace, folder })
    }

    /// Writes the manifest, and adds the workspace's profiles to it.
    pub(crate) fn manifest(&self, text: &str) -> Result<()> {
        let root = command::read(&self.workspace.root.join("Cargo.toml"))?;
        let profiles = root.find("[profile.").and_then(|start| root.get(start..)).unwrap_or_default();
        Ok(fs::write(self.folder.join("Cargo.toml"), format!("{text}\n[workspace]\n\n{profiles}"))?)
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = self.workspace.cargo(arguments.iter().copied());
        cargo.current_dir(&self.folder);
        cargo
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        // What stays behind is a few kilobytes in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
