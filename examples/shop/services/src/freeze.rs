//! `shop freeze` and `shop thaw`: pauses all writing, by every process, while reads go on.
use std::process::ExitCode;

use clap::Args;
use staffa::Context;

use crate::stores::{self, KEEPERS, Where};

/// Writes are answered 503 with `Retry-After` from now on, until `shop thaw`; reads go on.
#[derive(Debug, Args)]
pub(crate) struct Freeze {
    #[command(flatten)]
    at: Where,
}

/// Writes are taken again.
#[derive(Debug, Args)]
pub(crate) struct Thaw {
    #[command(flatten)]
    at: Where,
}

impl Freeze {
    pub(crate) fn run(self) -> ExitCode {
        stores::run("freeze", async |ctx| set(ctx, &self.at.store, true).await)
    }
}

impl Thaw {
    pub(crate) fn run(self) -> ExitCode {
        stores::run("thaw", async |ctx| set(ctx, &self.at.store, false).await)
    }
}

/// One store after the other. Where one cannot be reached, those before it stay as they were told; to say it again is
/// harmless.
async fn set(ctx: &Context, url: &str, frozen: bool) -> staffa::Result<()> {
    for keeper in KEEPERS {
        let set = keeper.with(ctx, url, async |adapter| {
            let store = adapter.moving();
            let before = store.is_frozen(ctx).await?;
            store.freeze(ctx, frozen).await?;
            Ok(before)
        });
        let words = match (frozen, set.await?) {
            (true, false) => "frozen",
            (true, true) => "was frozen already",
            (false, true) => "thawed",
            (false, false) => "was not frozen",
        };
        println!("{}: {words}", keeper.service);
    }
    Ok(())
}
