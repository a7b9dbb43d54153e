//! The orders: place, find, cancel, pack, ship, watch.
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use serde::{Deserialize, Serialize};
use staffa_context::{Context, Failure, Kind, Timestamp};
use staffa_storage::{
    Cursor, Event, Happened, PageOf, Range, Repository, Schema, Store, Unit, Versioned, retry,
};
use uuid::Uuid;

mod error;

pub use error::{OrderError, PlaceError};

use crate::catalog::Prices;
use crate::heard::{payload, taken};
use crate::order::{Order, OrderCancelled, OrderPlaced, OrderShipped, PLACED, REFERENCE, State, WrongState};
use crate::quote::{Basket, Quote, Quoted, quote};
use crate::stock::{StockRefused, StockReserved};
use crate::{PriceList, Token, page};

/// The name under which orders hear of stock.
pub const CONSUMER: &str = "orders";
/// What they hear of.
pub const HEARS: &[&str] = &[StockReserved::NAME, StockRefused::NAME];

/// How many orders one page has at most: each may have 1,000 lines.
pub const PAGE_MAX: usize = 100;
/// How often a watched order is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(150);

/// What a caller orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// What is ordered.
    pub basket: Basket,
    /// What the caller was quoted. The order is taken only if the server comes to the same. A caller with the right
    /// to agreed prices may leave it out, and takes the server's quote as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<Quoted>,
    /// The caller's own name for the order: 1 to 40 visible ASCII characters, and no other order's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The right to agreed prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// Which order is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderOf {
    /// Its id.
    pub id: Uuid,
}

/// Which orders are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ListOrders {
    /// Only the one with this reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The newest first; else the oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_first: Option<bool>,
    /// Where the page begins: `next` of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// How many at most: 50 unless said otherwise, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The orders and what they need.
pub struct Orders {
    store: Arc<dyn Store>,
    orders: Repository<Order>,
    prices: Arc<dyn Prices>,
    /// Who shows this token may order at agreed prices; nobody may without one.
    agreed: Option<Token>,
}

impl Orders {
    /// What its store must know of.
    pub fn schemas() -> Vec<Schema> {
        vec![Schema::of::<Order>()]
    }

    /// Orders that are kept in this store. Who shows the token `agreed` may order at agreed prices.
    pub fn new(store: Arc<dyn Store>, prices: Arc<dyn Prices>, agreed: Option<Token>) -> Self {
        Self { orders: Repository::new(&store), store, prices, agreed }
    }

    /// Accepts an order at the quote that the server itself makes, if it is the one that the caller was given.
    ///
    /// The order, its event and the answer to its idempotency key are one commit.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn place(&self, ctx: &Context, place: Place) -> Result<Versioned<Order>, PlaceError> {
        let trusted = self.is_trusted(&place)?;
        check_reference(place.reference.as_deref())?;
        let quote = self.agreed_quote(ctx, place.basket, place.quoted.as_ref(), trusted).await?;

        let mut unit = self.store.unit();
        let placed = unit.insert(Order::new(ctx.uuid(), ctx.wall(), place.reference, quote));
        if placed.state == State::Placed {
            unit.emit(&placed, OrderPlaced { order: placed.id, units: placed.units() });
        }
        unit.answer(ctx, &placed);
        match unit.commit(ctx).await {
            Ok(()) => Ok(placed),
            Err(error) => Err(PlaceError::of(error, placed.value.reference)),
        }
    }

    /// Whether the caller has the right to agreed prices; an error for one who needs it and has not, or shows a
    /// wrong token.
    fn is_trusted(&self, place: &Place) -> Result<bool, PlaceError> {
        let trusted = match (&place.token, &self.agreed) {
            (Some(shown), Some(agreed)) => shown.is(agreed),
            _ => false,
        };
        let needed = place.token.is_some() || place.basket.has_agreed_prices();
        if needed && !trusted { Err(PlaceError::Forbidden) } else { Ok(trusted) }
    }

    /// The server's quote, which is the one that the caller was given.
    async fn agreed_quote(
        &self,
        ctx: &Context,
        basket: Basket,
        quoted: Option<&Quoted>,
        trusted: bool,
    ) -> Result<Quote, PlaceError> {
        basket.check()?;
        let now = ctx.wall();
        let prices = Arc::new(self.prices.of(ctx, basket.codes()).await?);
        let basket = Arc::new(basket);
        let made_at = quoted.filter(|quoted| quoted.is_fresh(now)).map_or(now, |quoted| quoted.made_at);
        let own = compute(ctx, &basket, &prices, made_at).await?;
        let same = quoted.map_or(trusted, |quoted| *quoted == own.quoted());
        if same {
            return Ok(own);
        }
        let fresh = if made_at == now { own } else { compute(ctx, &basket, &prices, now).await? };
        Err(PlaceError::Stale { quote: Box::new(fresh) })
    }

    /// One order.
    ///
    /// # Errors
    /// [`OrderError::Unknown`], and those of the store.
    pub async fn find(&self, ctx: &Context, asked: OrderOf) -> Result<Versioned<Order>, OrderError> {
        self.orders.find(ctx, asked.id).await?.ok_or(OrderError::Unknown { id: asked.id })
    }

    /// A page of orders by the time of their placing, or the one with a reference.
    ///
    /// # Errors
    /// `Invalid` for a wrong cursor or limit, and those of the store.
    pub async fn list(&self, ctx: &Context, asked: ListOrders) -> Result<PageOf<Order>, Failure> {
        let page = page(asked.after, asked.limit, PAGE_MAX)?;
        if let Some(reference) = asked.reference {
            return Ok(self.orders.range(ctx, &REFERENCE, (Some(reference),), page).await?);
        }
        let all: Range<Timestamp> = Range::of(()).into();
        let range = if asked.newest_first == Some(true) { all.descending() } else { all };
        Ok(self.orders.range(ctx, &PLACED, range, page).await?)
    }

    /// Calls an order off. What is set aside for it comes back by event.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn cancel(&self, ctx: &Context, asked: OrderOf) -> Result<Versioned<Order>, OrderError> {
        self.step(ctx, asked.id, Order::cancel).await
    }

    /// Puts a reserved order into its boxes.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn pack(&self, ctx: &Context, asked: OrderOf) -> Result<Versioned<Order>, OrderError> {
        self.step(ctx, asked.id, Order::pack).await
    }

    /// Lets a packed order go.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn ship(&self, ctx: &Context, asked: OrderOf) -> Result<Versioned<Order>, OrderError> {
        self.step(ctx, asked.id, Order::ship).await
    }

    async fn step(
        &self,
        ctx: &Context,
        id: Uuid,
        step: fn(Order, Timestamp) -> Result<Order, WrongState>,
    ) -> Result<Versioned<Order>, OrderError> {
        retry(ctx, || async {
            let mut unit = self.store.unit();
            let order = unit.get::<Order>(ctx, id).await?.ok_or(OrderError::Unknown { id })?;
            let before = order.state;
            let order = unit.update(order.try_map(|order| step(order, ctx.wall()))?);
            emit(&mut unit, before, &order);
            unit.answer(ctx, &order);
            unit.commit(ctx).await?;
            Ok(order)
        })
        .await
    }

    /// Takes the effect of one of the events that they [`HEARS`] of, once: the inbox record commits with it.
    ///
    /// # Errors
    /// Those of the store; the event comes again then.
    pub async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let answer = Answer::of(event)?;
        let committed = retry(ctx, || async {
            let mut unit = self.store.unit();
            if let Some(order) = unit.get::<Order>(ctx, answer.order).await? {
                react(&mut unit, order, &answer, ctx.wall());
            }
            unit.consume(ctx, CONSUMER, event.id);
            unit.commit(ctx).await
        })
        .await;
        taken(committed)
    }

    /// The order as it is, and each change of it, until a state after which nothing comes. An event's id is the
    /// order's version.
    ///
    /// It looks at the store every 150 ms, so that it sees changes by other processes too.
    ///
    /// # Errors
    /// [`OrderError::Unknown`], and those of the store.
    pub async fn watch(&self, ctx: &Context, asked: OrderOf) -> Result<Watched, OrderError> {
        self.watch_after(ctx, asked, None).await
    }

    /// The same for a caller that has seen this event already, and hears of later ones only.
    ///
    /// # Errors
    /// Those of [`Orders::watch`].
    pub async fn watch_after(
        &self,
        ctx: &Context,
        asked: OrderOf,
        seen: Option<u64>,
    ) -> Result<Watched, OrderError> {
        let first = self.find(ctx, asked).await?;
        let seen = seen.and_then(|seen| i64::try_from(seen).ok()).unwrap_or_default();
        let watch = Watch {
            ctx: ctx.clone(),
            orders: self.orders.clone(),
            id: first.id,
            // What is seen and final is all there is.
            seen: if first.state.is_final() && first.version <= seen { i64::MAX } else { seen },
            next: Some(first).filter(|first| first.version > seen),
        };
        Ok(Box::pin(futures_util::stream::unfold(watch, Watch::change)))
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").field("agreed", &self.agreed.is_some()).finish_non_exhaustive()
    }
}

/// An order and each change of it, under its version.
pub type Watched = Pin<Box<dyn Stream<Item = (u64, Versioned<Order>)> + Send>>;

struct Watch {
    ctx: Context,
    orders: Repository<Order>,
    id: Uuid,
    /// The version that was given last; `i64::MAX` once nothing comes after it.
    seen: i64,
    next: Option<Versioned<Order>>,
}

impl Watch {
    async fn change(mut self) -> Option<((u64, Versioned<Order>), Self)> {
        if self.seen == i64::MAX {
            return None;
        }
        let order = match self.next.take() {
            Some(order) => order,
            None => self.changed().await?,
        };
        self.seen = if order.state.is_final() { i64::MAX } else { order.version };
        Some(((order.version.unsigned_abs(), order), self))
    }

    /// None once the context or the store ends it: the client comes back.
    async fn changed(&self) -> Option<Versioned<Order>> {
        loop {
            self.ctx.sleep(WATCH_EVERY).await.ok()?;
            let order = self.orders.find(&self.ctx, self.id).await.ok()??;
            if order.version > self.seen {
                return Some(order);
            }
        }
    }
}

/// The quote, computed where it holds nothing up.
async fn compute(
    ctx: &Context,
    basket: &Arc<Basket>,
    prices: &Arc<PriceList>,
    now: Timestamp,
) -> Result<Quote, PlaceError> {
    let (basket, prices) = (Arc::clone(basket), Arc::clone(prices));
    let computed = ctx.blocking(move |ctx| quote(ctx, &basket, &prices, now)).await;
    Ok(computed.map_err(Failure::from)??)
}

fn check_reference(reference: Option<&str>) -> Result<(), PlaceError> {
    let Some(reference) = reference else { return Ok(()) };
    let visible = reference.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=40).contains(&reference.len()) {
        return Ok(());
    }
    Err(Failure::new(Kind::Invalid, "`reference` is 1 to 40 visible ASCII characters").into())
}

/// Says what a caller's step means for the stock.
fn emit(unit: &mut Unit<'_>, before: State, order: &Versioned<Order>) {
    match order.state {
        State::Cancelled => {
            let units = if before.holds_stock() { order.units() } else { Vec::new() };
            unit.emit(order, OrderCancelled { order: order.id, units });
        }
        State::Shipped => unit.emit(order, OrderShipped { order: order.id, units: order.units() }),
        _ => {}
    }
}

/// The inventory's answer.
struct Answer {
    order: Uuid,
    /// What is short; none when the stock is set aside.
    refused: Option<StockRefused>,
}

impl Answer {
    fn of(event: &Event) -> Result<Self, Failure> {
        match event.name.as_str() {
            StockReserved::NAME => Ok(Self { order: payload::<StockReserved>(event)?.order, refused: None }),
            StockRefused::NAME => {
                let refused: StockRefused = payload(event)?;
                Ok(Self { order: refused.order, refused: Some(refused) })
            }
            other => Err(Failure::new(Kind::Internal, format!("orders do not hear of {other}"))),
        }
    }
}

/// Takes an answer in. One that comes too late for a state is forgotten, but stock that was set aside for an order
/// that was called off in the meantime comes back.
fn react(unit: &mut Unit<'_>, order: Versioned<Order>, answer: &Answer, now: Timestamp) {
    if order.state == State::Cancelled && answer.refused.is_none() {
        let order = unit.update(order.map(|order| order.released(now)));
        unit.emit(&order, OrderCancelled { order: order.id, units: order.units() });
        return;
    }
    let answered = order.try_map(|order| match &answer.refused {
        None => order.reserve(now),
        Some(refused) => order.reject(now, why(refused)),
    });
    if let Ok(order) = answered {
        unit.update(order);
    }
}

fn why(refused: &StockRefused) -> String {
    let short: Vec<String> = refused.short.iter().map(ToString::to_string).collect();
    format!("not enough stock: {}", short.join("; "))
}
