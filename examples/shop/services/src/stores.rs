//! The stores of all services, for the commands that work on them while the services may run.
use std::process::ExitCode;

use clap::Args;
use shop_core::Orders;
use staffa::settings::Storage;
use staffa::store::Home;
use staffa::{Adapter, Context, Schema};

use crate::{catalog, command, inventory};

/// A service with a store of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeper {
    pub(crate) service: &'static str,
    pub(crate) schemas: fn() -> Vec<Schema>,
}

/// Every service with a store of its own.
pub(crate) const KEEPERS: [Keeper; 3] = [
    Keeper { service: "catalog", schemas: catalog::schemas },
    Keeper { service: "orders", schemas: Orders::schemas },
    Keeper { service: "inventory", schemas: inventory::schemas },
];

impl Keeper {
    /// Where its data lives.
    pub(crate) fn home<'a>(self, url: &'a str, settings: &'a Storage) -> Home<'a> {
        Home { url, service: self.service, settings, own: (self.schemas)() }
    }

    /// Opens the store to fill it.
    pub(crate) async fn open(self, ctx: &Context, url: &str) -> staffa::Result<Adapter> {
        let opened = self.home(url, &Storage::default()).open(ctx).await;
        opened.map_err(|error| error.context(self.service))
    }

    /// Opens the store beside the service, which may run.
    async fn beside(self, ctx: &Context, url: &str) -> staffa::Result<Adapter> {
        let opened = self.home(url, &Storage::default()).beside(ctx).await;
        opened.map_err(|error| error.context(self.service))
    }

    /// Works on the store beside the service, and closes it.
    pub(crate) async fn with<T>(
        self,
        ctx: &Context,
        url: &str,
        work: impl AsyncFnOnce(Adapter) -> staffa::Result<T>,
    ) -> staffa::Result<T> {
        let adapter = self.beside(ctx, url).await?;
        let done = work(adapter.clone()).await.map_err(|error| error.context(self.service));
        adapter.store().close(&ctx.shielded()).await?;
        done
    }
}

/// Where all services keep their data.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Where the services keep their data: `sqlite:FOLDER`, `postgres://…` or `mongodb://…`
    #[arg(long, value_name = "URL")]
    pub(crate) store: String,
}

/// Runs a command to its end, and tells under its name what went wrong.
pub(crate) fn run(name: &str, work: impl AsyncFnOnce(&Context) -> staffa::Result<()>) -> ExitCode {
    match command::block_on(async |ctx: Context| work(&ctx).await) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
