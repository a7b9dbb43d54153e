//! `shop events`: the events that failed too often, and what becomes of them.
use std::process::ExitCode;

use clap::{Args, Subcommand};
use staffa::messaging::{Dead, DeadEvent};
use staffa::{Context, Failure, Kind, Page, Uuid};

use crate::stores::{self, KEEPERS, Keeper, Where};

/// Looks after events that were put aside: each holds back the later events of its own entity.
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, with why they failed
    List(Where),
    /// Let one be tried again, and then the rest of its entity
    Redrive(One),
    /// Give one up, as if it had been sent, and let the rest of its entity go on
    Skip(One),
}

#[derive(Debug, Args)]
struct One {
    /// The event, as `list` names it
    id: Uuid,

    #[command(flatten)]
    at: Where,
}

impl Events {
    pub(crate) fn run(self) -> ExitCode {
        stores::run("events", async |ctx| match self.command {
            Command::List(at) => list(ctx, &at.store).await,
            Command::Redrive(one) => {
                decide(ctx, &one, async |dead| dead.redrive(ctx, one.id).await).await?;
                println!("{} is tried again", one.id);
                Ok(())
            }
            Command::Skip(one) => {
                decide(ctx, &one, async |dead| dead.skip(ctx, one.id).await).await?;
                println!("{} is given up", one.id);
                Ok(())
            }
        })
    }
}

async fn list(ctx: &Context, url: &str) -> staffa::Result<()> {
    let mut count = 0;
    for keeper in KEEPERS {
        count += keeper
            .with(ctx, url, async |adapter| list_of(ctx, keeper, &Dead::new(&adapter.store())).await)
            .await?;
    }
    println!("{count} dead");
    Ok(())
}

async fn list_of(ctx: &Context, keeper: Keeper, dead: &Dead) -> staffa::Result<usize> {
    let mut count = 0;
    let mut page = Page::first();
    loop {
        let found = dead.list(ctx, page).await?;
        count += found.items.len();
        found.items.iter().for_each(|event| println!("{}", line(keeper, event)));
        let Some(next) = found.next else { return Ok(count) };
        page = Page::after(next);
    }
}

fn line(keeper: Keeper, event: &DeadEvent) -> String {
    let DeadEvent { id, name, kind, entity, failure, attempts, at } = event;
    format!(
        "{id} {} {name} of {kind} {entity}, dead since {at} after {attempts} attempts: {failure}",
        keeper.service
    )
}

/// Decides on an event in the store that has it.
async fn decide(
    ctx: &Context,
    one: &One,
    decide: impl AsyncFn(&Dead) -> Result<(), Failure>,
) -> staffa::Result<()> {
    for keeper in KEEPERS {
        let decided = keeper.with(ctx, &one.at.store, async |adapter| {
            match decide(&Dead::new(&adapter.store())).await {
                Ok(()) => Ok(true),
                Err(failure) if failure.kind == Kind::NotFound => Ok(false),
                Err(failure) => Err(failure.into()),
            }
        });
        if decided.await? {
            return Ok(());
        }
    }
    Err(staffa::Error::new(format!(
        "no event {} was put aside: `shop events list` names those that were",
        one.id
    )))
}
