//! The shop's services in one binary: all of them in one process, or any of them alone.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line talks to the person who runs it"
)]

mod catalog;
mod command;
mod copy;
mod events;
mod first;
mod freeze;
mod import;
mod inventory;
mod migrate;
mod orders;
mod page;
mod quote;
mod records;
mod replay;
pub mod reporting;
mod serve;
mod slow;
mod stores;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The reference shop.
#[derive(Debug, Parser)]
#[command(name = "shop", version)]
struct Shop {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the services, until Ctrl-C or SIGTERM
    Serve(serve::Serve),
    /// Read a retailer's file into the catalogue and the inventory
    Import(import::Import),
    /// Place a file's invoices as orders, and reconcile them with the file
    Replay(replay::Replay),
    /// Make what the services' stores lack, or say what that is
    Migrate(migrate::Migrate),
    /// Pause all writing to the services' stores; reads go on
    Freeze(freeze::Freeze),
    /// Let writing go on
    Thaw(freeze::Thaw),
    /// Copy the services' stores to another place
    Store(copy::Stores),
    /// List, try again or skip events that failed too often
    Events(events::Events),
}

/// Runs the command that the command line names, to its end.
pub fn main() -> ExitCode {
    match Shop::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Import(import) => import.run(),
        Command::Replay(replay) => replay.run(),
        Command::Migrate(migrate) => migrate.run(),
        Command::Freeze(freeze) => freeze.run(),
        Command::Thaw(thaw) => thaw.run(),
        Command::Store(stores) => stores.run(),
        Command::Events(events) => events.run(),
    }
}
