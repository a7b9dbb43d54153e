//! Places invoices as orders.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use shop_contract::orders::PLACE;
use shop_core::invoice::{Invoice, Invoices};
use shop_core::{PlaceError, Token};
use staffa::channel::{Receiver, bounded, map_concurrent};
use staffa::transport::CallKey;
use staffa::{Client, Context, Fail, Failure, Group, Kind};
use uuid::Uuid;

use super::{bar, told};

/// How often an order is tried that a server in trouble did not take.
const ATTEMPTS: u32 = 6;
/// The pause after the first attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(200);
/// After so many orders that could not be placed the replay is given up: the server is away.
const FAILED_MAX: u64 = 20;

/// How placing went.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// The services have it now: it was placed, or had been before.
    accepted: u64,
    /// It was not placed.
    pub(crate) failed: u64,
    /// Those whose order is known, in the order of their placing.
    pub(crate) orders: Vec<Uuid>,
}

impl Placed {
    /// Whether the services were away for so long that it was given up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.failed >= FAILED_MAX
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "orders: {} accepted, {} failed", self.accepted, self.failed)
    }
}

/// What every worker needs.
struct Placing {
    client: Client,
    token: Token,
}

/// Places all invoices, `concurrency` at once.
pub(crate) async fn all(
    ctx: &Context,
    client: &Client,
    invoices: &Invoices,
    token: &Token,
    concurrency: usize,
) -> staffa::Result<Placed> {
    let group = Group::<Failure>::new(ctx, "replay");
    let bar = bar(invoices.iter().len(), "placing");
    let placed = place(&group, client, invoices, token, concurrency, &bar).await;
    bar.finish_and_clear();
    let waited = group.wait().await;
    let placed = placed.map_err(told)?;
    waited.map_err(|error| told(Failure::of(&error)))?;
    Ok(placed)
}

async fn place(
    group: &Group<Failure>,
    client: &Client,
    invoices: &Invoices,
    token: &Token,
    concurrency: usize,
    bar: &ProgressBar,
) -> Result<Placed, Failure> {
    let invoices = one_by_one(group, invoices).await?;
    let placing = Arc::new(Placing { client: client.clone(), token: token.clone() });
    let results = map_concurrent(group, invoices, concurrency, move |ctx, invoice| {
        let placing = Arc::clone(&placing);
        async move { placing.one(&ctx, &invoice).await }
    })
    .await?;
    let mut placed = Placed::default();
    while let Some(result) = results.recv(group.context()).await? {
        bar.inc(1);
        match result {
            Ok(order) => {
                placed.accepted += 1;
                placed.orders.extend(order);
            }
            Err(why) => {
                placed.failed += 1;
                bar.suspend(|| eprintln!("{why}"));
            }
        }
        if placed.is_given_up() {
            eprintln!("giving up: run it again when the services are back");
            break;
        }
    }
    Ok(placed)
}

/// Hands the invoices out as they are taken.
async fn one_by_one(group: &Group<Failure>, invoices: &Invoices) -> Result<Receiver<Invoice>, Failure> {
    let (tx, rx) = bounded(0);
    let all: Vec<Invoice> = invoices.iter().cloned().collect();
    group
        .spawn("invoices", move |ctx| async move {
            for invoice in all {
                if tx.send(&ctx, invoice).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await?;
    Ok(rx)
}

impl Placing {
    /// Places one, trying again while the server is in trouble: the key makes that harmless.
    ///
    /// The outer error ends the replay; the inner one is told, and the replay goes on.
    async fn one(&self, ctx: &Context, invoice: &Invoice) -> Result<Result<Option<Uuid>, String>, Failure> {
        let ctx = ctx.with_value(CallKey(invoice.number.clone()));
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            let request = invoice.place(Some(self.token.clone()));
            match self.client.call(&ctx, PLACE, request).await {
                Ok(order) => return Ok(Ok(Some(order.id))),
                // Its answer is no longer kept, but the order is there.
                Err(PlaceError::ReferenceTaken { .. }) => return Ok(Ok(None)),
                Err(error) if attempt < ATTEMPTS && may_pass(error.kind()) => {}
                Err(error) => return Ok(Err(format!("invoice {}: {}", invoice.number, error.words()))),
            }
            ctx.sleep(pause).await?;
            pause *= 2;
            attempt += 1;
        }
    }
}

/// Whether what failed like this may go well later.
pub(super) fn may_pass(kind: Kind) -> bool {
    kind.is_temporary() || matches!(kind, Kind::UnknownOutcome | Kind::DeadlineExceeded)
}
