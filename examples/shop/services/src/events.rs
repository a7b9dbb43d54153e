//! `shop events`: the events that failed too often, and what becomes of them.
use std::process::ExitCode;

use clap::{Args, Subcommand};
use staffa::messaging::{Dead, DeadEvent};
use staffa::{Context, Failure, Kind, Page, Uuid};

use crate::stores::{self, KEEPERS, Keeper, Where};

#[cfg(feature = "nats")]
mod deliveries;
#[cfg(not(feature = "nats"))]
#[path = "events/unbuilt.rs"]
mod deliveries;

use deliveries::Deliveries;

/// Looks after events that were put aside: each holds back the later events of its own entity.
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, with why they failed
    List(Places),
    /// Let one be tried again, and then the rest of its entity
    Redrive(One),
    /// Give one up, as if it had been sent, and let the rest of its entity go on
    Skip(One),
}

/// Where events are put aside: by the services that tell of them, and by consumers at a bus.
#[derive(Debug, Args)]
struct Places {
    #[command(flatten)]
    at: Where,

    /// The bus of the services: `nats://…`. Their consumers put events aside there
    #[arg(long, value_name = "URL")]
    bus: Option<String>,
}

#[derive(Debug, Args)]
struct One {
    /// The event, as `list` names it
    id: Uuid,

    #[command(flatten)]
    places: Places,
}

impl Events {
    pub(crate) fn run(self) -> ExitCode {
        stores::run("events", async |ctx| match self.command {
            Command::List(places) => list(ctx, &places).await,
            Command::Redrive(One { id, places }) => {
                let told = decide(ctx, &places, id, async |dead| dead.redrive(ctx, id).await).await?;
                let heard = at_bus(ctx, &places, async |bus| bus.redrive(ctx, id).await).await?;
                decided(id, told || heard.unwrap_or(false), "is tried again")
            }
            Command::Skip(One { id, places }) => {
                let told = decide(ctx, &places, id, async |dead| dead.skip(ctx, id).await).await?;
                let heard = at_bus(ctx, &places, async |bus| bus.skip(ctx, id).await).await?;
                decided(id, told || heard.unwrap_or(false), "is given up")
            }
        })
    }
}

fn decided(id: Uuid, found: bool, words: &str) -> staffa::Result<()> {
    if !found {
        return Err(staffa::Error::new(format!(
            "no event {id} was put aside: `shop events list` names those that were, at a bus if it is given with --bus"
        )));
    }
    println!("{id} {words}");
    Ok(())
}

async fn list(ctx: &Context, places: &Places) -> staffa::Result<()> {
    let mut count = 0;
    for keeper in KEEPERS {
        let listed =
            async |adapter: staffa::Adapter| list_of(ctx, keeper, &Dead::new(&adapter.store())).await;
        count += keeper.with(ctx, &places.at.store, listed).await?;
    }
    let (dead, waiting) = at_bus(ctx, places, async |bus| bus.list(ctx).await).await?.unwrap_or_default();
    let waiting = if waiting == 0 { String::new() } else { format!(", {waiting} wait behind them") };
    println!("{} dead{waiting}", count + dead);
    Ok(())
}

/// Works with what consumers have put aside, if a bus is given.
async fn at_bus<T>(
    ctx: &Context,
    places: &Places,
    work: impl AsyncFnOnce(&Deliveries) -> staffa::Result<T>,
) -> staffa::Result<Option<T>> {
    let Some(url) = &places.bus else { return Ok(None) };
    let bus = Deliveries::open(ctx, url).await?;
    let done = work(&bus).await;
    bus.close(ctx).await?;
    done.map(Some)
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

/// Decides on an event in the stores that have it; whether one does.
async fn decide(
    ctx: &Context,
    places: &Places,
    id: Uuid,
    decide: impl AsyncFn(&Dead) -> Result<(), Failure>,
) -> staffa::Result<bool> {
    let mut found = false;
    for keeper in KEEPERS {
        let decided = keeper.with(ctx, &places.at.store, async |adapter| {
            match decide(&Dead::new(&adapter.store())).await {
                Ok(()) => Ok(true),
                Err(failure) if failure.kind == Kind::NotFound => Ok(false),
                Err(failure) => Err(failure.into()),
            }
        });
        found |= decided.await.map_err(|error| error.context(format!("event {id}")))?;
    }
    Ok(found)
}
