//! `shop replay`: places a file's real invoices as orders over HTTP, and reconciles what the services then hold with
//! the file itself.
//!
//! An invoice's number is its order's idempotency key and reference, so that a replay that was cut, at either end,
//! is run again and comes to the same. The totals are read back through the API, page by page, never from counters of
//! the replay.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use shop_core::invoice::{Invoices, ProductList, Record};
use staffa::{Client, Context, Failure, Group};

use crate::records::{Bad, Source, parse};
use crate::{command, token};

mod held;
mod place;
mod reconcile;

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The file: CSV in UTF-8, plain or gzip
    file: PathBuf,

    /// Where the services are
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,

    /// Where the orders are, if elsewhere: a process of their own
    #[arg(long, value_name = "URL")]
    orders: Option<String>,

    /// Where the inventory is, if elsewhere: a process of its own
    #[arg(long, value_name = "URL")]
    inventory: Option<String>,

    /// How many orders are placed at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,

    /// The file with the token that gives the right to agreed prices
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    token_file: Option<PathBuf>,

    /// The folder of the services' data, where the token is
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

impl Replay {
    pub(crate) fn run(self) -> ExitCode {
        match command::block_on(|ctx| async move { self.replay(&ctx).await }) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("replay: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Whether everything was placed and reconciles.
    async fn replay(self, ctx: &Context) -> staffa::Result<bool> {
        let services = self.services().map_err(told)?;
        let token = token::read(&self.token_file.unwrap_or_else(|| token::path(&self.data)))?;
        let sold = Sold::read(ctx, &self.file).await.map_err(told)?;
        let placed =
            place::all(ctx, &services.orders, &sold.invoices, &token, self.concurrency.into()).await?;
        println!("{placed}");
        if placed.is_given_up() {
            return Ok(false);
        }
        let held = held::read(ctx, &services, &placed.orders, &sold.invoices).await.map_err(told)?;
        let findings = reconcile::reconcile(&sold, &held);
        println!("{findings}");
        Ok(placed.failed == 0 && findings.reconciles())
    }

    fn services(&self) -> Result<Services, Failure> {
        let client = |at: &Option<String>| Client::http(at.as_deref().unwrap_or(&self.url));
        Ok(Services { orders: client(&self.orders)?, inventory: client(&self.inventory)? })
    }
}

/// The services that a replay talks with, which may be one process.
pub(crate) struct Services {
    orders: Client,
    inventory: Client,
}

fn told(failure: Failure) -> staffa::Error {
    staffa::Error::new(failure.to_string())
}

/// What the file says was sold.
#[derive(Debug, Default)]
pub(crate) struct Sold {
    invoices: Invoices,
    products: ProductList,
    lines: u64,
}

impl Sold {
    async fn read(ctx: &Context, file: &Path) -> Result<Self, Failure> {
        let source = Source::open(file, "reading")?;
        let bar = source.bar();
        let group = Group::new(ctx, "reading");
        let mut sold = Self::default();
        let read = sold.take_in(&group, source, &bar).await;
        bar.finish_and_clear();
        // A stage's own error says more than that its channel closed.
        group.wait().await.map_err(|error| Failure::of(&error))?;
        read.map(|()| sold)
    }

    async fn take_in(
        &mut self,
        group: &Group<Failure>,
        source: Source,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        let mut bad = Bad::default();
        // One worker: the lines of an invoice keep their order.
        let parsed = parse(group, source, 1).await?;
        while let Some(chunk) = parsed.recv(group.context()).await? {
            for line in chunk {
                match line.record {
                    Ok(record) => self.add(record),
                    Err(why) => bad.tell(bar, line.line, &why)?,
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, record: Record) {
        if record.kind() == shop_core::invoice::RecordKind::Sold {
            self.lines += 1;
        }
        self.products.add(&record);
        self.invoices.add(record);
    }
}

fn bar(len: usize, doing: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} {wide_bar} {pos}/{len} {per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::try_from(len).unwrap_or(u64::MAX)).with_style(style).with_message(doing)
}
