//! Where the workspace and its target folder are, and how cargo and rustup are called for it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, Result};

const WASM: &str = "wasm32-unknown-unknown";

#[derive(Clone)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let own = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&own).parent().ok_or("xtask has no folder above it")?.to_path_buf();
        let target = target_folder(&root)?;
        Ok(Self { root, target })
    }

    /// Cargo in the workspace's folder, with the workspace's target folder.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = cargo();
        command.args(arguments).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// A program that cargo built with this profile.
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// A library that cargo built for the browser with this profile.
    pub(crate) fn wasm(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(WASM).join(profile).join(format!("{name}.wasm"))
    }

    /// The packages whose manifest names this dependency.
    pub(crate) fn packages_with(&self, dependency: &str) -> Result<Vec<String>> {
        let metadata = metadata(&self.root)?;
        let mut packages = Vec::new();
        for after in metadata.split(r#""manifest_path":""#).skip(1) {
            let manifest = command::read(&unescaped(after.split('"').next().unwrap_or_default()))?;
            if manifest.lines().any(|line| line.starts_with(dependency)) {
                packages.push(name(&manifest)?.to_owned());
            }
        }
        Ok(packages)
    }

    /// Adds the browser's target where the toolchain lacks it.
    pub(crate) fn need_wasm(&self) -> Result<()> {
        let sysroot =
            command::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(&self.root))?;
        if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM).is_dir() {
            return Ok(());
        }
        if command::on_path(&["rustup", "rustup.exe"]).is_none() {
            return Err(format!(
                "the target {WASM} is missing, and there is no rustup to add it: install the standard library \
                 for {WASM} from where your Rust came (Debian: libstd-rust-dev-wasm32)"
            )
            .into());
        }
        command::run(Command::new("rustup").args(["target", "add", WASM]).current_dir(&self.root))
    }
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What cargo knows of the workspace, as JSON on one line.
fn metadata(root: &Path) -> Result<String> {
    let mut ask = cargo();
    ask.args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"]).arg(root.join("Cargo.toml"));
    command::output(&mut ask)
}

fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata = metadata(root)?;
    let (_, after) =
        metadata.split_once(r#""target_directory":""#).ok_or("cargo metadata names no target folder")?;
    let (folder, _) = after.split_once('"').ok_or("cargo metadata ends early")?;
    Ok(unescaped(folder))
}

fn unescaped(path: &str) -> PathBuf {
    PathBuf::from(path.replace(r"\\", r"\"))
}

fn name(manifest: &str) -> Result<&str> {
    let (_, after) = manifest.split_once("name = \"").ok_or("a manifest without a name")?;
    Ok(after.split_once('"').ok_or("a manifest without a name")?.0)
}
