//! `shop migrate`: takes the stores of all services to the schemas of this binary.
use std::process::ExitCode;

use clap::Args;
use staffa::Context;
use staffa::settings::Storage;
use staffa::storage::{Phase, Step};

use crate::stores::{self, KEEPERS, Where};

/// Makes what the stores lack, or says what that is.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    at: Where,

    /// Print the statements, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Also take away what this binary does not ask for. Older binaries may need it: stop them first
    #[arg(long)]
    contract: bool,
}

impl Migrate {
    pub(crate) fn run(self) -> ExitCode {
        stores::run(
            "migrate",
            async |ctx| if self.dry_run { self.print(ctx).await } else { self.apply(ctx).await },
        )
    }

    async fn print(&self, ctx: &Context) -> staffa::Result<()> {
        let settings = Storage::default();
        let mut missing = 0;
        for keeper in KEEPERS {
            let planned = keeper.home(&self.at.store, &settings).plan(ctx, self.contract).await;
            let steps = planned.map_err(|error| error.context(keeper.service))?;
            missing += steps.len();
            steps.iter().for_each(|step| println!("{}", line(keeper.service, step)));
        }
        println!("-- {missing} steps");
        Ok(())
    }

    async fn apply(&self, ctx: &Context) -> staffa::Result<()> {
        let settings = Storage::default();
        for keeper in KEEPERS {
            let told = |step: &Step| println!("{}", line(keeper.service, step));
            let migrated = keeper.home(&self.at.store, &settings).migrate(ctx, self.contract, told).await;
            migrated.map_err(|error| error.context(keeper.service))?;
            println!("-- {}: whole", keeper.service);
        }
        Ok(())
    }
}

/// The statement below a comment of where and when it is done.
fn line(service: &str, step: &Step) -> String {
    let phase = match step.phase {
        Phase::Expand => "expand",
        Phase::Backfill => "backfill",
        Phase::Contract => "contract",
    };
    format!("-- {service}: {phase}\n{}", statement(&step.statement))
}

/// As a person's tool takes it.
fn statement(text: &str) -> String {
    format!("{};", text.trim().trim_end_matches(';'))
}
