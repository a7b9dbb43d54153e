//! `cargo xtask bundle`: the page, from the crate `shop-web` and its static files into one folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};
use std::{fs, thread};

use crate::command::{self, Result};
use crate::options::Options;
use crate::workspace::Workspace;

/// What runs on this machine is built for a short build; see the workspace's manifest.
pub(crate) const NATIVE_PROFILE: &str = "shop";
/// What runs in the browser is built small.
const WEB_PROFILE: &str = "web";
const STATIC: &str = "examples/shop/web/static";

pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    Options::parse(arguments, &[])?;
    let workspace = Workspace::find()?;
    build(&workspace, &[], &[])?;
    measure(&workspace)
}

/// What `cargo xtask shop` builds, with the limit on the page's size.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    build(workspace, &["shop"], &[])?;
    measure(workspace)
}

/// Where the page is once it is built.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("page")
}

fn measure(workspace: &Workspace) -> Result<()> {
    command::run(bundler(workspace).arg("--size").arg(folder(workspace)))
}

/// Builds the page, and these packages of the workspace with these features at the same time; gives the page's
/// folder.
pub(crate) fn build(workspace: &Workspace, packages: &[&str], features: &[String]) -> Result<PathBuf> {
    workspace.need_wasm()?;
    compile(workspace, packages, features)?;
    let page = folder(workspace);
    let stamp = workspace.target.join("page.stamp");
    let wasm = workspace.wasm(WEB_PROFILE, "shop_web");
    let inputs = inputs(workspace, &wasm)?;
    if page.is_dir() && fs::read_to_string(&stamp).is_ok_and(|last| last == inputs) {
        return Ok(page);
    }
    command::run(bundler(workspace).arg(&wasm).arg(workspace.root.join(STATIC)).arg(&page))?;
    fs::write(&stamp, inputs)?;
    Ok(page)
}

fn bundler(workspace: &Workspace) -> Command {
    Command::new(workspace.binary(NATIVE_PROFILE, "xtask-bundle"))
}

/// The two targets share nothing, so each fills the other's waits; only one shows its progress.
fn compile(workspace: &Workspace, packages: &[&str], features: &[String]) -> Result<()> {
    let mut native = workspace.cargo(["build", "--profile", NATIVE_PROFILE, "-p", "xtask-bundle"]);
    for package in packages {
        native.args(["-p", package]);
    }
    native.args(features);
    let mut web = workspace.cargo(["build", "--quiet", "--profile", WEB_PROFILE, "-p", "shop-web"]);
    web.arg("--target=wasm32-unknown-unknown");
    thread::scope(|scope| {
        let web = scope.spawn(|| command::output(&mut web));
        command::run(&mut native)?;
        web.join().map_err(|_| "the build of the page panicked")??;
        Ok(())
    })
}

/// Every file that the page is made of with its length and time of change, a line each.
fn inputs(workspace: &Workspace, wasm: &Path) -> Result<String> {
    let mut files = vec![wasm.to_path_buf(), workspace.root.join("Cargo.lock")];
    for folder in [STATIC, "xtask/bundle/src"] {
        list(&workspace.root.join(folder), &mut files)?;
    }
    files.sort();
    let mut lines = String::new();
    for file in files {
        let facts = fs::metadata(&file)?;
        let changed = facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        writeln!(lines, "{} {} {}", file.display(), facts.len(), changed.as_nanos())?;
    }
    Ok(lines)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
