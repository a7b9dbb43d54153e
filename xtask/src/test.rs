//! `cargo xtask test`: every test, to the end, and then what failed.

use std::path::PathBuf;
use std::process::Command;

use crate::alone;
use crate::bundle;
use crate::command::{self, Result};
use crate::crash;
use crate::disk;
use crate::drivers;
use crate::notes;
use crate::options::Options;
use crate::servers::Servers;
use crate::stores;
use crate::tally::Tally;
use crate::tools::{self, Tools};
use crate::workspace::Workspace;

const WASM: &str = "--target=wasm32-unknown-unknown";

/// Every native crate with every feature. All calls say the same, so that no crate is built twice.
const EVERYTHING: [&str; 4] = ["--workspace", "--exclude", "shop-web", "--all-features"];

/// The programs of the workspace that are run as tests, or that tests run.
const PROGRAMS: [&str; 3] = ["shop", "xtask-conformance", "xtask-crash"];

/// How often the shop is killed on each store. `cargo xtask crash` does it more often.
const CRASH_ROUNDS: &str = "3";

pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    Options::parse(arguments, &[])?;
    let workspace = Workspace::find()?;
    disk::tell_when_scarce(&workspace.target);
    let tools = Tools::find()?;
    workspace.need_wasm()?;
    tools::need_servers(&workspace.target)?;
    let mut tally = Tally::default();
    tally.check("the shop and its page, as a newcomer builds them", || bundle::check(&workspace));
    tally.tests("native tests", &mut native(&workspace, &tools));
    on_servers(&workspace, &tools, &mut tally);
    in_a_browser(&workspace, &tools, &mut tally);
    tally.check("the README's table of rules", || command::run(&mut table(&workspace)));
    tally.check("the shop's core for the browser", || {
        command::run(&mut workspace.cargo(["build", WASM, "-p", "shop-core"]))
    });
    drivers::check(&workspace, &mut tally);
    alone::check(&workspace, &mut tally);
    stores::check(&workspace, &mut tally);
    notes::check(&workspace, &mut tally);
    tally.finish()
}

/// Unit, integration and documentation tests, and system tests that need no server: one call, so that every
/// crate is built once.
fn native(workspace: &Workspace, tools: &Tools) -> Command {
    let mut cargo = workspace.cargo(["test", "--no-fail-fast"]);
    cargo.args(EVERYTHING);
    surroundings(workspace, tools, &mut cargo);
    cargo
}

/// What runs against real servers: the adapters' and the shop's own tests, the suite, and the kills.
fn on_servers(workspace: &Workspace, tools: &Tools, tally: &mut Tally) {
    let servers = match Servers::start(workspace) {
        Ok(servers) => servers,
        Err(error) => return tally.check("the servers for tests", || Err(error)),
    };
    tally.check("the programs that tests run", || command::run(&mut programs(workspace)));
    let mut cargo = workspace.cargo(["test", "--no-fail-fast", "--test", "server"]);
    cargo.args(EVERYTHING).envs(servers.variables());
    surroundings(workspace, tools, &mut cargo);
    tally.tests("tests on servers", &mut cargo);
    for store in ["memory:", "sqlite:", servers.postgres(), servers.mongodb()] {
        let mut suite = Command::new(workspace.binary("debug", "xtask-conformance"));
        suite.arg(store).arg("--record").arg(record(workspace, scheme(store))).envs(servers.variables());
        tally.tests(&format!("the storage suite on {}", scheme(store)), &mut suite);
    }
    drop(servers);
    for store in ["sqlite:", "postgres:", "mongodb:"] {
        let mut crash = crash::built(workspace, "debug");
        crash.args(["--store", store, "--rounds", CRASH_ROUNDS]);
        tally.check(&format!("kill -9 on {store}"), || command::run(&mut crash));
    }
}

/// The programs as the native tests built them: naming a test gives cargo the same set of features.
fn programs(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo(["build", "--test", "server"]);
    cargo.args(EVERYTHING);
    for program in PROGRAMS {
        cargo.args(["--bin", program]);
    }
    cargo
}

/// Where the cases of a run of the storage suite are recorded, for the README's table.
fn record(workspace: &Workspace, adapter: &str) -> PathBuf {
    workspace.target.join("conformance").join(adapter).with_extension("txt")
}

/// The README's table of rules and adapters says what these runs have shown.
fn table(workspace: &Workspace) -> Command {
    let mut table = Command::new(workspace.binary("debug", "xtask-conformance"));
    table
        .arg("--table")
        .arg(workspace.target.join("conformance"))
        .arg("--check")
        .current_dir(&workspace.root);
    table
}

fn scheme(url: &str) -> &str {
    url.split(':').next().unwrap_or(url)
}

/// What tests look for in their environment.
fn surroundings(workspace: &Workspace, tools: &Tools, command: &mut Command) {
    command
        .env("STAFFA_TEST_SHOP", workspace.binary(bundle::NATIVE_PROFILE, "shop"))
        .env("STAFFA_TEST_SHOP_WHOLE", workspace.binary("debug", "shop"))
        .env("STAFFA_TEST_PAGE", bundle::folder(workspace))
        .env("STAFFA_TEST_CHROMIUM", &tools.chromium)
        .env("STAFFA_TEST_CHROMEDRIVER", &tools.chromedriver)
        .env("STAFFA_TEST_PROMTOOL", &tools.promtool);
}

fn in_a_browser(workspace: &Workspace, tools: &Tools, tally: &mut Tally) {
    tally.check("the browser's test runner", || command::run(&mut runner(workspace)));
    match browser(workspace, tools) {
        Ok(mut tests) => tally.recorded("tests in a browser", &mut tests, &record(workspace, "indexeddb")),
        Err(error) => tally.check("tests in a browser", || Err(error)),
    }
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
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        // The lines of the storage suite's cases are what is recorded.
        .args(["--", "--nocapture"]);
    Ok(cargo)
}
