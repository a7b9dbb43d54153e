//! `cargo xtask crash --store URL`: what is left of the shop's promises when it is killed under load.

use std::process::Command;

use crate::bundle::NATIVE_PROFILE;
use crate::command::{self, Result};
use crate::options::Options;
use crate::shop;
use crate::workspace::Workspace;

pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    let options = Options::parse(arguments, &["--store", "--rounds", "--seed"])?;
    options.get("--store").ok_or("which store? --store sqlite:, postgres:, mongodb: or a URL")?;
    let workspace = Workspace::find()?;
    let mut build =
        workspace.cargo(["build", "--profile", NATIVE_PROFILE, "-p", "shop", "-p", "xtask-crash"]);
    command::run(build.args(shop::features(&options)))?;
    command::run(built(&workspace, NATIVE_PROFILE).args(options.words()))
}

/// The program that kills, with the shop of the same profile.
pub(crate) fn built(workspace: &Workspace, profile: &str) -> Command {
    let mut crash = Command::new(workspace.binary(profile, "xtask-crash"));
    crash.arg("--shop").arg(workspace.binary(profile, "shop")).arg("--target").arg(&workspace.target);
    crash
}
