//! `cargo xtask test`: every test, to the end, and then what failed.

use std::process::Command;

use crate::alone;
use crate::bundle;
use crate::command::{self, Result};
use crate::drivers;
use crate::notes;
use crate::options::Options;
use crate::tally::Tally;
use crate::tools::Tools;
use crate::workspace::Workspace;

const WASM: &str = "--target=wasm32-unknown-unknown";

pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    Options::parse(arguments, &[])?;
    let workspace = Workspace::find()?;
    let tools = Tools::find()?;
    workspace.need_wasm()?;
    let mut tally = Tally::default();
    tally.check("the shop and its page, as a newcomer builds them", || bundle::check(&workspace));
    tally.tests("native tests", &mut native(&workspace, &tools));
    tally.check("the browser's test runner", || command::run(&mut runner(&workspace)));
    match browser(&workspace, &tools) {
        Ok(mut tests) => tally.tests("tests in a browser", &mut tests),
        Err(error) => tally.check("tests in a browser", || Err(error)),
    }
    tally.check("the shop's core for the browser", || {
        command::run(&mut workspace.cargo(["build", WASM, "-p", "shop-core"]))
    });
    drivers::check(&workspace, &mut tally);
    alone::check(&workspace, &mut tally);
    notes::check(&workspace, &mut tally);
    tally.finish()
}

/// Unit, integration, documentation and system tests: one call, so that every crate is built once.
fn native(workspace: &Workspace, tools: &Tools) -> Command {
    let mut cargo = workspace.cargo(["test", "--workspace", "--exclude", "shop-web", "--no-fail-fast"]);
    cargo
        .env("STAFFA_TEST_SHOP", workspace.binary(bundle::NATIVE_PROFILE, "shop"))
        .env("STAFFA_TEST_PAGE", bundle::folder(workspace))
        .env("STAFFA_TEST_CHROMIUM", &tools.chromium)
        .env("STAFFA_TEST_CHROMEDRIVER", &tools.chromedriver)
        .env("STAFFA_TEST_PROMTOOL", &tools.promtool);
    cargo
}

fn runner(workspace: &Workspace) -> Command {
    workspace.cargo(["build", "--profile", bundle::NATIVE_PROFILE, "-p", "xtask-browser-test"])
}

/// The packages whose manifest asks for `wasm-bindgen-test`, with their tests for wasm32.
fn browser(workspace: &Workspace, tools: &Tools) -> Result<Command> {
    let packages = workspace.packages_with("wasm-bindgen-test")?;
    if packages.is_empty() {
        return Err("no package has tests for the browser".into());
    }
    let mut cargo = workspace.cargo(["test", WASM, "--tests", "--no-fail-fast"]);
    for package in packages {
        cargo.args(["-p", &package]);
    }
    cargo
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
            workspace.binary(bundle::NATIVE_PROFILE, "xtask-browser-test"),
        )
        .env("CHROMEDRIVER", &tools.chromedriver)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", workspace.root.join("xtask/browser-test/webdriver.json"))
        .env("WASM_BINDGEN_USE_BROWSER", "1")
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120");
    Ok(cargo)
}
