//! Customers: what they order, and what they do with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use shop_contract::orders::{CANCEL, FIND, PACK, PLACE, SHIP};
use shop_contract::quote::QUOTE;
use shop_core::order::State;
use shop_core::orders::{OrderError, OrderOf};
use shop_core::{Basket, Line, Money, Order, Place, Token};
use staffa_context::{Context, Fail};
use staffa_storage::Versioned;
use staffa_transport::{Client, Endpoint};
use uuid::Uuid;

use crate::call::{may_pass, once, until_answered};
use crate::ledger::{Ledger, Promised};
use crate::random::Random;

/// More than there is of any product.
const TOO_MANY: i64 = 60_000;
/// In a hundred: orders at an agreed price, for too many, left without an answer, answers asked for twice.
const AGREED: u64 = 30;
const SHORT: u64 = 5;
const LEAVES: u64 = 20;
const REPEATS: u64 = 20;

const LOOK_EVERY: Duration = Duration::from_millis(20);
const RESERVED_WITHIN: Duration = Duration::from_secs(60);

/// What all customers of a round share.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) client: Client,
    pub(crate) token: Token,
    /// The codes that they fight for.
    pub(crate) codes: Vec<String>,
    /// How their orders' references begin.
    pub(crate) prefix: String,
    /// The round comes to its end: what is begun is finished.
    pub(crate) closing: AtomicBool,
}

/// One customer.
#[derive(Debug)]
pub(crate) struct Customer {
    market: Arc<Market>,
    number: u64,
    random: Random,
    ledger: Ledger,
}

/// What a customer does with an order.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Keep,
    CancelAtOnce,
    CancelLater,
    Ship,
}

impl Customer {
    pub(crate) fn new(market: Arc<Market>, number: u64, random: Random) -> Self {
        Self { market, number, random, ledger: Ledger::default() }
    }

    /// Orders until the market closes.
    pub(crate) async fn shop(mut self, ctx: &Context) -> Result<Ledger> {
        let mut count = 0;
        while !self.market.closing.load(Ordering::Relaxed) {
            let reference = format!("{}-{}-{count}", self.market.prefix, self.number);
            self.order(ctx, reference).await?;
            count += 1;
        }
        Ok(self.ledger)
    }

    async fn order(&mut self, ctx: &Context, reference: String) -> Result<()> {
        let (place, end) = self.decide(ctx, &reference).await?;
        let plan = match (end, self.random.below(4)) {
            (State::Rejected, _) | (_, 0) => Plan::Keep,
            (_, 1) => Plan::CancelAtOnce,
            (_, 2) => Plan::CancelLater,
            _ => Plan::Ship,
        };
        if self.random.chance(LEAVES) {
            match once(ctx, &self.market.client, PLACE, &reference, place.clone()).await {
                Ok(_) => {}
                Err(error) if may_pass(error.kind()) => {
                    self.ledger.left.push(reference);
                    return Ok(());
                }
                Err(error) => bail!("order {reference}: {}: {}", error.kind(), error.words()),
            }
        }
        let placed = self.write(ctx, PLACE, &reference, place).await?;
        ensure!(placed.value.reference.as_ref() == Some(&reference), "order {reference} is another's");
        let end = self.follow(ctx, plan, placed.value.id, end).await?;
        self.ledger.promised.push(Promised { order: placed.value, end });
        Ok(())
    }

    /// A basket with what an order of it says, and what becomes of it if it is kept.
    async fn decide(&mut self, ctx: &Context, reference: &str) -> Result<(Place, State)> {
        let mut basket = Basket { country: "United Kingdom".to_owned(), ..Basket::default() };
        let short = self.random.chance(SHORT);
        for _ in 0..if short { 1 } else { 1 + self.random.below(3) } {
            let Some(code) = self.random.pick(&self.market.codes).cloned() else {
                bail!("nothing is stocked")
            };
            let quantity = if short { TOO_MANY } else { 1 };
            basket.lines.push(Line { code, quantity, agreed: None });
        }
        let mut place = Place { basket, quoted: None, reference: Some(reference.to_owned()), token: None };
        if self.random.chance(AGREED) {
            let pence = 1 + i64::try_from(self.random.below(500))?;
            if let Some(line) = place.basket.lines.first_mut() {
                line.agreed = Some(Money::pence(pence));
            }
            place.token = Some(self.market.token.clone());
        } else {
            let asked = until_answered(ctx, &self.market.client, QUOTE, reference, place.basket.clone());
            let (quote, unheard) = asked.await?;
            self.ledger.unheard += unheard;
            place.quoted = Some(quote.quoted());
        }
        Ok((place, if short { State::Rejected } else { State::Reserved }))
    }

    async fn follow(&mut self, ctx: &Context, plan: Plan, id: Uuid, end: State) -> Result<State> {
        match plan {
            Plan::Keep => return Ok(end),
            Plan::CancelAtOnce => self.step(ctx, CANCEL, "cancel", id).await?,
            Plan::CancelLater => {
                self.wait_until_reserved(ctx, id).await?;
                self.step(ctx, CANCEL, "cancel", id).await?
            }
            Plan::Ship => {
                self.wait_until_reserved(ctx, id).await?;
                self.step(ctx, PACK, "pack", id).await?;
                self.step(ctx, SHIP, "ship", id).await?
            }
        };
        Ok(if matches!(plan, Plan::Ship) { State::Shipped } else { State::Cancelled })
    }

    async fn step(
        &mut self,
        ctx: &Context,
        endpoint: Endpoint<OrderOf, Versioned<Order>, OrderError>,
        name: &str,
        id: Uuid,
    ) -> Result<Versioned<Order>> {
        self.write(ctx, endpoint, &format!("{name}-{id}"), OrderOf { id }).await
    }

    /// Writes until it is acknowledged; at times asks once more, and must hear the very same.
    async fn write<Q, E>(
        &mut self,
        ctx: &Context,
        endpoint: Endpoint<Q, Versioned<Order>, E>,
        key: &str,
        request: Q,
    ) -> Result<Versioned<Order>>
    where
        Q: serde::Serialize + Clone,
        E: Fail + From<staffa_context::Failure>,
    {
        let client = &self.market.client;
        let (answer, unheard) = until_answered(ctx, client, endpoint, key, request.clone()).await?;
        self.ledger.unheard += unheard;
        if self.random.chance(REPEATS) {
            let (again, unheard) = until_answered(ctx, client, endpoint, key, request).await?;
            ensure!(again == answer, "the key {key} was answered twice, with\n{answer:?}\nand\n{again:?}");
            self.ledger.repeated += 1;
            self.ledger.unheard += unheard;
        }
        Ok(answer)
    }

    async fn wait_until_reserved(&mut self, ctx: &Context, id: Uuid) -> Result<()> {
        let within = ctx.with_timeout(RESERVED_WITHIN);
        loop {
            let (order, unheard) =
                until_answered(&within, &self.market.client, FIND, "look", OrderOf { id }).await?;
            self.ledger.unheard += unheard;
            match order.value.state {
                State::Placed => {}
                State::Reserved => return Ok(()),
                other => bail!("order {id} is {} though there was enough stock", other.name()),
            }
            if within.sleep(LOOK_EVERY).await.is_err() {
                bail!("order {id} was not reserved within {RESERVED_WITHIN:?}");
            }
        }
    }
}
