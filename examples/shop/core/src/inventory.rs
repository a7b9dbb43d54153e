//! The inventory: sets stock aside for orders, gives it back and lets it go.
use std::fmt;
use std::sync::Arc;

use futures_util::lock::Mutex;
use serde::{Deserialize, Serialize};
use staffa_context::{Context, Failure, Kind};
use staffa_storage::{
    Cursor, Error, Event, Happened, Page, PageOf, Repository, Schema, Store, Unit, Versioned, retry,
};

use crate::heard::{payload, taken};
use crate::order::{OrderCancelled, OrderPlaced, OrderShipped, Units};
use crate::page;
use crate::stock::{Short, Stock, StockRefused, StockReserved};

/// The name under which the inventory hears of orders.
pub const CONSUMER: &str = "inventory";
/// What it hears of.
pub const HEARS: &[&str] = &[OrderPlaced::NAME, OrderCancelled::NAME, OrderShipped::NAME];

/// How many first stocks one call takes.
pub const BATCH_MAX: usize = 500;

/// The inventory.
pub struct Inventory {
    store: Arc<dyn Store>,
    stock: Repository<Stock>,
    /// Whose turn it is to write stock: orders have goods in common, and two at once would make each other run again. Those of
    /// another process still do.
    turn: Mutex<()>,
}

/// Which stock is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StockOf {
    /// The stock code.
    pub code: String,
}

/// Which page of all stock is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AllStock {
    /// Where the page begins: `next` of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// How many at most: 50 unless said otherwise, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Inventory {
    /// What its store must know of.
    pub fn schemas() -> Vec<Schema> {
        vec![Schema::of::<Stock>()]
    }

    /// An inventory that is kept in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { stock: Repository::new(&store), store, turn: Mutex::default() }
    }

    /// The stock of one code.
    ///
    /// # Errors
    /// `NotFound`, and those of the store.
    pub async fn find(&self, ctx: &Context, asked: StockOf) -> Result<Versioned<Stock>, Failure> {
        let found = self.stock.find(ctx, &asked.code).await?;
        found.ok_or_else(|| Failure::new(Kind::NotFound, "no such product is stocked"))
    }

    /// A page of all stock, in the order of codes.
    ///
    /// # Errors
    /// `Invalid` for a wrong cursor or limit, and those of the store.
    pub async fn all(&self, ctx: &Context, asked: AllStock) -> Result<PageOf<Stock>, Failure> {
        Ok(self.stock.all(ctx, page(asked.after, asked.limit, Page::LIMIT_MAX)?).await?)
    }

    /// Writes the first stock of products that have none, at most [`BATCH_MAX`]; gives how many. What is there
    /// stays, so that doing it twice changes nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open(&self, ctx: &Context, first: &[Units]) -> Result<u64, Failure> {
        retry(ctx, || async {
            let mut unit = self.store.unit();
            let mut opened = 0;
            let found = stock_of(ctx, &mut unit, first).await?;
            for (Units { code, units }, _) in first.iter().zip(found).filter(|(_, found)| found.is_none()) {
                unit.insert(Stock::new(code.clone(), *units));
                opened += 1;
            }
            if opened > 0 {
                unit.commit(ctx).await?;
            }
            Ok(opened)
        })
        .await
    }

    /// Takes the effect of one of the events that it [`HEARS`] of, once: the inbox record commits with it. Effects are taken one
    /// after the other.
    ///
    /// # Errors
    /// Those of the store, and the end of the context; the event comes again then.
    pub async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let effect = Effect::of(event)?;
        let _turn = ctx.run(self.turn.lock()).await?;
        let committed = retry(ctx, || async {
            let mut unit = self.store.unit();
            match &effect {
                Effect::Reserve(placed) => reserve(ctx, &mut unit, placed).await?,
                Effect::GiveBack(units) => change(ctx, &mut unit, units, Stock::give_back).await?,
                Effect::Ship(units) => change(ctx, &mut unit, units, Stock::ship).await?,
            }
            unit.consume(ctx, CONSUMER, event.id);
            unit.commit(ctx).await
        })
        .await;
        taken(committed)
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inventory").finish_non_exhaustive()
    }
}

/// What an event asks for.
enum Effect {
    Reserve(OrderPlaced),
    GiveBack(Vec<Units>),
    Ship(Vec<Units>),
}

impl Effect {
    fn of(event: &Event) -> Result<Self, Failure> {
        match event.name.as_str() {
            OrderPlaced::NAME => Ok(Self::Reserve(payload(event)?)),
            OrderCancelled::NAME => Ok(Self::GiveBack(payload::<OrderCancelled>(event)?.units)),
            OrderShipped::NAME => Ok(Self::Ship(payload::<OrderShipped>(event)?.units)),
            other => Err(Failure::new(Kind::Internal, format!("the inventory does not hear of {other}"))),
        }
    }
}

/// The stock of each of these, in one read. The commit makes sure that it is still so.
async fn stock_of(
    ctx: &Context,
    unit: &mut Unit<'_>,
    units: &[Units],
) -> Result<Vec<Option<Versioned<Stock>>>, Error> {
    unit.get_many(ctx, units.iter().map(|units| &units.code)).await
}

async fn change(
    ctx: &Context,
    unit: &mut Unit<'_>,
    units: &[Units],
    change: fn(Stock, i64) -> Stock,
) -> Result<(), Error> {
    let found = stock_of(ctx, unit, units).await?;
    for (Units { units, .. }, stock) in units.iter().zip(found) {
        if let Some(stock) = stock {
            unit.update(stock.map(|stock| change(stock, *units)));
        }
    }
    Ok(())
}

/// Sets all of an order's goods aside, or nothing, and answers by event.
async fn reserve(ctx: &Context, unit: &mut Unit<'_>, placed: &OrderPlaced) -> Result<(), Error> {
    let found = stock_of(ctx, unit, &placed.units).await?;
    let mut reserved = Vec::new();
    let mut short = Vec::new();
    for (Units { code, units }, stock) in placed.units.iter().zip(found) {
        let none = || Short { code: code.clone(), asked: *units, available: 0 };
        let taken = stock.ok_or_else(none).and_then(|stock| stock.try_map(|stock| stock.reserve(*units)));
        match taken {
            Ok(stock) => reserved.push(stock),
            Err(lacking) => short.push(lacking),
        }
    }
    match short.first() {
        Some(first) => {
            let code = first.code.clone();
            refuse(ctx, unit, &code, StockRefused { order: placed.order, short }).await
        }
        None => {
            accept(unit, reserved, placed);
            Ok(())
        }
    }
}

/// Writes the reserved stock. The answer is about the first of it, since an event is about something written.
fn accept(unit: &mut Unit<'_>, reserved: Vec<Versioned<Stock>>, placed: &OrderPlaced) {
    let mut answer = Some(StockReserved { order: placed.order });
    for stock in reserved {
        let written = unit.update(stock);
        if let Some(answer) = answer.take() {
            unit.emit(&written, answer);
        }
    }
}

/// Counts the refusal at the first code that is short, and says so.
async fn refuse(
    ctx: &Context,
    unit: &mut Unit<'_>,
    code: &String,
    mut answer: StockRefused,
) -> Result<(), Error> {
    answer.short.truncate(10);
    let written = match unit.get::<Stock>(ctx, code).await? {
        Some(stock) => unit.update(stock.map(Stock::refuse)),
        None => unit.insert(Stock::new(code.clone(), 0).refuse()),
    };
    unit.emit(&written, answer);
    Ok(())
}
