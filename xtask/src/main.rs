//! What a person does twice, as commands: `cargo xtask shop`, `cargo xtask test` and the others.
//!
//! This is the first thing that a newcomer compiles, so it links the standard library only; what is
//! heavy (the browser bundle, the browser tests, the stores) is a package of its own beside it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "these commands talk to a person")]

use std::env;
use std::process::ExitCode;

mod alone;
mod bench;
mod bundle;
mod command;
mod conformance;
mod crash;
mod disk;
mod drivers;
mod notes;
mod options;
mod servers;
mod shop;
mod stores;
mod tally;
mod test;
mod tools;
mod workspace;

const USAGE: &str = "\
What a person does twice.

  cargo xtask shop          builds the shop and its page, and starts it
      --store URL           where the services keep their data: sqlite:PATH, memory:, postgres://… or
                            mongodb://…
      --bus URL             how services of several processes hear of events: nats://…
      --port N              the page and the services (8080)
      --admin-port N        health and metrics (9464)
      --data DIR            the data folder
      --service A,B         these services alone
      -- …                  further options of the shop: -- --set services.catalog=http://HOST:PORT
  cargo xtask bundle        builds the page alone and prints its size
  cargo xtask test          runs every test
  cargo xtask servers       starts PostgreSQL, a MongoDB server and NATS of its own, prints how the tests
                            find them, and runs until Ctrl-C
  cargo xtask conformance --store URL
                            runs the storage conformance suite against memory:, sqlite:PATH, postgres://…
                            or mongodb://…
      --filter PART         those cases whose name has this part
      --rounds N            how often they try at random, or at one await point after the other (100)
      --record FILE         writes the lines to this file as well
  cargo xtask conformance --table [FOLDER]
                            makes the README's table of rules from the runs recorded in target/conformance
      --check               only looks whether it is the same
  cargo xtask crash --store URL
                            kills the shop again and again under load, and looks whether anything is lost or
                            doubled; sqlite: for a file of its own, postgres: and mongodb: for a server of its
                            own, which is killed as well
      --rounds N            how often (100)
      --seed N              begins with this round, to see it again
  cargo xtask bench NAME    runs a benchmark, in release: context, http or storage
";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    if name == "help" || name == "--help" || rest.iter().any(|argument| argument == "--help") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match run(&name, rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, arguments: Vec<String>) -> command::Result<()> {
    match name {
        "shop" => shop::run(arguments),
        "bundle" => bundle::run(arguments),
        "test" => test::run(arguments),
        "servers" => servers::run(arguments),
        "conformance" => conformance::run(arguments),
        "crash" => crash::run(arguments),
        "bench" => bench::run(arguments),
        "" => Err("say what to do; `cargo xtask --help` lists the commands".into()),
        other => Err(format!("there is no command `{other}`; `cargo xtask --help` lists them").into()),
    }
}
