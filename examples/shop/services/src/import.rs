//! `shop import`, and the first import when the shop starts.
//!
//! A pipeline of channels in bounded memory: read, parse, validate, batch, write. Only what grows with the number of
//! products is kept: how often each was sold at which price.
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use shop_core::catalog::{Browse, Imported};
use shop_core::inventory::AllStock;
use shop_core::invoice::{Listed, ProductList, RecordKind};
use shop_core::order::Units;
use shop_core::{Catalog, Inventory, Product};
use staffa::channel::{Receiver, batch, bounded};
use staffa::settings::Storage;
use staffa::{Context, Failure, Group, GroupError, Store};

use crate::records::{Bad, Parsed, Source, parse};
use crate::{catalog, first, inventory};

/// How many products one commit has.
const BATCH: usize = 250;
/// How long a batch waits to be full.
const WITHIN: Duration = Duration::from_secs(1);
/// How many tasks parse.
const PARSERS: usize = 2;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file: CSV in UTF-8, plain or gzip
    file: PathBuf,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,

    /// Where data is kept: `sqlite:FOLDER`; `sqlite:` and the folder of the data unless said otherwise
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

impl Import {
    pub(crate) fn run(self) -> ExitCode {
        match crate::command::block_on(|ctx| async move { self.import(&ctx).await }) {
            Ok(report) => {
                println!("{report}");
                ExitCode::from(u8::from(report.bad.count() > 0))
            }
            Err(error) => {
                eprintln!("import: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn import(self, ctx: &Context) -> staffa::Result<Report> {
        let source = Source::open(&self.file, "importing").map_err(told)?;
        let url = self.store.unwrap_or_else(|| format!("sqlite:{}", self.data.display()));
        let settings = Storage::default();
        let products = staffa::open_store(ctx, &url, "catalog", &settings, catalog::schemas()).await?.store();
        let stock =
            staffa::open_store(ctx, &url, "inventory", &settings, inventory::schemas()).await?.store();
        let into = Into {
            catalog: Some(&Catalog::new(products.clone(), None)),
            inventory: Some(&Inventory::new(stock.clone())),
        };
        let report = import(ctx, source, into).await;
        if report.is_ok() {
            first::forget(ctx, &products).await.map_err(told)?;
            first::forget(ctx, &stock).await.map_err(told)?;
        }
        products.close(ctx).await?;
        stock.close(ctx).await?;
        report.map_err(told)
    }
}

fn told(failure: Failure) -> staffa::Error {
    staffa::Error::new(failure.to_string())
}

/// Fills an empty catalogue from the shipped file.
pub(crate) async fn first_products(
    ctx: &Context,
    store: &Arc<dyn Store>,
    catalog: &Catalog,
) -> Result<(), Failure> {
    let one = Browse { limit: Some(1), ..Browse::default() };
    let is_empty = catalog.browse(ctx, one).await?.items.is_empty();
    let into = Into { catalog: Some(catalog), inventory: None };
    if let Some(report) = first(ctx, store, is_empty, "products", into).await? {
        tracing::info!(products = report.products.added, "imported the shipped product list");
    }
    Ok(())
}

/// Fills an empty inventory from the shipped file.
pub(crate) async fn first_stock(
    ctx: &Context,
    store: &Arc<dyn Store>,
    inventory: &Inventory,
) -> Result<(), Failure> {
    let one = AllStock { limit: Some(1), ..AllStock::default() };
    let is_empty = inventory.all(ctx, one).await?.items.is_empty();
    let into = Into { catalog: None, inventory: Some(inventory) };
    if let Some(report) = first(ctx, store, is_empty, "stock", into).await? {
        tracing::info!(stocks = report.opened, "opened the stock of the shipped product list");
    }
    Ok(())
}

/// Imports the shipped file where that is to be done.
async fn first(
    ctx: &Context,
    store: &Arc<dyn Store>,
    is_empty: bool,
    doing: &'static str,
    into: Into<'_>,
) -> Result<Option<Report>, Failure> {
    let Some(begun) = first::begin(ctx, store, is_empty).await? else { return Ok(None) };
    let report = import(ctx, Source::shipped(doing)?, into).await?;
    first::end(ctx, store, begun).await?;
    Ok(Some(report))
}

/// What an import writes into.
#[derive(Clone, Copy, Debug)]
struct Into<'a> {
    catalog: Option<&'a Catalog>,
    inventory: Option<&'a Inventory>,
}

/// What an import found and did.
#[derive(Debug, Default)]
struct Report {
    sold: u64,
    returns: u64,
    adjustments: u64,
    unpriced: u64,
    bad: Bad,
    products: Imported,
    opened: u64,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = self.sold + self.returns + self.adjustments + self.unpriced;
        writeln!(
            f,
            "lines: {lines} read ({} sold, {} returns, {} adjustments, {} unpriced), {} bad",
            self.sold,
            self.returns,
            self.adjustments,
            self.unpriced,
            self.bad.count()
        )?;
        let Imported { added, changed, unchanged } = self.products;
        writeln!(f, "products: {added} added, {changed} changed, {unchanged} unchanged")?;
        write!(f, "stock: {} opened", self.opened)
    }
}

async fn import(ctx: &Context, source: Source, into: Into<'_>) -> Result<Report, Failure> {
    let bar = source.bar();
    let mut report = Report::default();
    let list = read(ctx, source, &mut report).await;
    bar.finish_and_clear();
    write_all(ctx, list?, into, &mut report).await?;
    Ok(report)
}

/// The list of the whole file: one that cannot be read to its end gives none, and nothing of it is written.
async fn read(ctx: &Context, source: Source, report: &mut Report) -> Result<ProductList, Failure> {
    let group = Group::new(ctx, "import");
    let list = parse_and_validate(&group, source, report).await;
    over(group).await?;
    list
}

async fn parse_and_validate(
    group: &Group<Failure>,
    source: Source,
    report: &mut Report,
) -> Result<ProductList, Failure> {
    let bar = source.bar();
    let parsed = parse(group, source, PARSERS).await?;
    validate(group.context(), parsed, &bar, report).await
}

async fn write_all(
    ctx: &Context,
    list: ProductList,
    into: Into<'_>,
    report: &mut Report,
) -> Result<(), Failure> {
    let group = Group::new(ctx, "import");
    let (tx, rx) = bounded(BATCH);
    group
        .spawn("list", move |ctx| async move {
            for listed in list.listed() {
                if tx.send(&ctx, listed).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await?;
    let batches = batch(&group, rx, BATCH, WITHIN).await?;
    let written = write_batches(ctx, batches, into, report).await;
    over(group).await?;
    written
}

/// Waits for stages whose receiver is gone, so that they end by themselves; a stage's own error says more than that
/// its channel closed, and needs no name of a task beside it.
async fn over(group: Group<Failure>) -> Result<(), Failure> {
    group.wait().await.map_err(|error| match error {
        GroupError::Failed { error, .. } => error,
        other => Failure::of(&other),
    })
}

async fn write_batches(
    ctx: &Context,
    batches: Receiver<Vec<Listed>>,
    into: Into<'_>,
    report: &mut Report,
) -> Result<(), Failure> {
    while let Some(listed) = batches.recv(ctx).await? {
        write(ctx, listed, into, report).await?;
    }
    Ok(())
}

/// Counts what kind of record each is, and takes what was sold into the list.
async fn validate(
    ctx: &Context,
    parsed: Receiver<Vec<Parsed>>,
    bar: &ProgressBar,
    report: &mut Report,
) -> Result<ProductList, Failure> {
    let mut list = ProductList::default();
    while let Some(chunk) = parsed.recv(ctx).await? {
        for Parsed { line, record } in chunk {
            let record = match record {
                Ok(record) => record,
                Err(why) => {
                    report.bad.tell(bar, line, &why)?;
                    continue;
                }
            };
            match record.kind() {
                RecordKind::Sold => report.sold += 1,
                RecordKind::Return => report.returns += 1,
                RecordKind::Adjustment => report.adjustments += 1,
                RecordKind::Unpriced => report.unpriced += 1,
            }
            list.add(&record);
        }
    }
    Ok(list)
}

async fn write(
    ctx: &Context,
    listed: Vec<Listed>,
    into: Into<'_>,
    report: &mut Report,
) -> Result<(), Failure> {
    if let Some(inventory) = into.inventory {
        let goods = listed.iter().filter(|listed| listed.product.goods);
        let first: Vec<Units> =
            goods.map(|listed| Units { code: listed.product.code.clone(), units: listed.stock }).collect();
        report.opened += inventory.open(ctx, &first).await?;
    }
    if let Some(catalog) = into.catalog {
        let products: Vec<Product> = listed.into_iter().map(|listed| listed.product).collect();
        let Imported { added, changed, unchanged } = catalog.import(ctx, &products).await?;
        report.products.added += added;
        report.products.changed += changed;
        report.products.unchanged += unchanged;
    }
    Ok(())
}
