//! `cargo xtask shop`: builds what is missing and becomes the shop.

use std::process::Command;

use crate::bundle;
use crate::command::{self, Result};
use crate::options::Options;
use crate::workspace::Workspace;

const OPTIONS: &[&str] = &["--store", "--port", "--admin-port", "--data", "--service"];

pub(crate) fn run(mut arguments: Vec<String>) -> Result<()> {
    // What stands behind `--` is the shop's own: `-- --set services.catalog=http://…`.
    let own = match arguments.iter().position(|argument| argument == "--") {
        Some(place) => arguments.split_off(place).split_off(1),
        None => Vec::new(),
    };
    let options = Options::parse(arguments, OPTIONS)?;
    check_port(&options, "--port")?;
    check_port(&options, "--admin-port")?;
    let workspace = Workspace::find()?;
    let page = bundle::build(&workspace, &["shop"])?;
    let mut shop = Command::new(workspace.binary(bundle::NATIVE_PROFILE, "shop"));
    shop.arg("serve").arg("--page").arg(page).arg("--slow-store").args(options.words()).args(own);
    become_it(&mut shop)
}

/// A typing error is told before the build, not after it.
fn check_port(options: &Options, name: &str) -> Result<()> {
    match options.get(name).map(str::parse::<u16>) {
        Some(Err(_)) => Err(format!("{name} takes a number from 0 to 65535").into()),
        _ => Ok(()),
    }
}

/// Takes this process's place, so that signals reach the shop and its exit code reaches the caller.
#[cfg(unix)]
fn become_it(shop: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = shop.exec();
    Err(command::not_started(shop, &error))
}

#[cfg(not(unix))]
fn become_it(shop: &mut Command) -> Result<()> {
    command::run(shop)
}
