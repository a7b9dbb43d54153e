//! `cargo xtask shop`: builds what is missing and becomes the shop.

use std::process::Command;

use crate::bundle;
use crate::command::{self, Result};
use crate::options::Options;
use crate::workspace::Workspace;

const OPTIONS: &[&str] = &["--store", "--bus", "--port", "--admin-port", "--data", "--service"];

/// What the shop is built with beside what it always has, by the scheme of a URL.
const FEATURES: &[(&str, &str)] = &[
    ("postgres", "shop/postgres"),
    ("postgresql", "shop/postgres"),
    ("mongodb", "shop/mongodb"),
    ("mongodb+srv", "shop/mongodb"),
    ("nats", "shop/nats"),
    ("tls", "shop/nats"),
];

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
    let page = bundle::build(&workspace, &["shop"], &features(&options))?;
    let mut shop = Command::new(workspace.binary(bundle::NATIVE_PROFILE, "shop"));
    shop.arg("serve").arg("--page").arg(page).arg("--slow-store").args(options.words()).args(own);
    become_it(&mut shop)
}

/// The words with which cargo builds the shop for this store and bus: a plain start brings no driver of a server.
pub(crate) fn features(options: &Options) -> Vec<String> {
    let schemes = ["--store", "--bus"].iter().filter_map(|name| options.get(name)?.split(':').next());
    let of = |scheme: &str| FEATURES.iter().find(|(known, _)| *known == scheme).map(|(_, feature)| *feature);
    schemes.filter_map(of).map(|feature| format!("--features={feature}")).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn built_for(line: &str) -> Vec<String> {
        let options = Options::parse(line.split_whitespace().map(str::to_owned).collect(), OPTIONS);
        options.map(|options| features(&options)).unwrap_or_default()
    }

    #[test]
    fn the_urls_alone_say_what_is_built() {
        let none: [&str; 0] = [];
        assert_eq!(built_for("--port 80"), none);
        assert_eq!(built_for("--store sqlite:data"), none);
        assert_eq!(built_for("--store memory:"), none);
        assert_eq!(built_for("--store postgres://u:p@h/shop"), ["--features=shop/postgres"]);
        let both = built_for("--store mongodb://h/shop --bus nats://h");
        assert_eq!(both, ["--features=shop/mongodb", "--features=shop/nats"]);
    }
}
