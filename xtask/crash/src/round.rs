//! A round: customers, a strike, and what must be true afterwards.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use shop_core::Order;
use shop_core::reporting::{DAYS_MAX, Day};
use staffa_context::{Context, Failure, Group, Kind};
use staffa_transport::Client;

use crate::customer::{Customer, Market};
use crate::held::{self, Stocks};
use crate::ledger::Ledger;
use crate::random::Random;
use crate::reconcile::{self, Differences};
use crate::shop::Shop;
use crate::store::Store;
use crate::strike::Strike;

const CUSTOMERS: u64 = 8;
/// How many codes they fight for.
const CODES: usize = 8;
/// So much of a code is there for a round; none needs more.
const STOCKED: i64 = 500;
/// How long events may take to have had their effect.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const TOLD_MAX: usize = 20;

/// All rounds on one store.
#[derive(Debug)]
pub(crate) struct Rounds {
    shop: Shop,
    store: Store,
    client: Client,
    /// The stock before the first round.
    first: Stocks,
    /// How the references of our orders begin: the store may have seen the same rounds before.
    name: String,
    ledger: Ledger,
    played: u64,
}

impl Rounds {
    pub(crate) async fn begin(ctx: &Context, mut shop: Shop, store: Store) -> Result<Self> {
        shop.start(ctx).await?;
        let client = shop.client()?;
        let first = held::stocks(ctx, &client).await?;
        let name = format!("crash-{:08x}", RandomState::new().hash_one("name") >> 32);
        Ok(Self { shop, store, client, first, name, ledger: Ledger::default(), played: 0 })
    }

    /// Plays the round of this seed, and gives a line about it.
    ///
    /// # Errors
    /// What was lost, doubled or answered wrongly.
    pub(crate) async fn play(&mut self, ctx: &Context, seed: u64) -> Result<String> {
        let mut random = Random::new(seed);
        let strike = Strike::new(&mut random, self.store.server().is_some());
        let before = held::stocks(ctx, &self.client).await?;
        let market = Arc::new(self.market(seed, &mut random, &before)?);
        let played = self.load(ctx, seed, &market, strike).await;
        let ledger = played.map_err(|error| anyhow!("{error:#}\n{strike}\n{}", self.shop.log_end()))?;
        self.settle(ctx, &ledger, &market.prefix, &before)
            .await
            .map_err(|error| anyhow!("{error}\n{strike}"))?;
        let told = format!(
            "{strike}; {} orders, {} calls repeated unheard, {} answers asked for twice, {} customers left",
            ledger.promised.len(),
            ledger.unheard,
            ledger.repeated,
            ledger.left.len()
        );
        self.ledger.append(ledger);
        self.played += 1;
        Ok(told)
    }

    fn market(&self, seed: u64, random: &mut Random, stocks: &Stocks) -> Result<Market> {
        let stocked: Vec<&String> = stocks
            .iter()
            .filter(|(_, stock)| stock.value.available >= STOCKED)
            .map(|(code, _)| code)
            .collect();
        let codes = (0..CODES).filter_map(|_| random.pick(&stocked).map(|code| (*code).clone())).collect();
        let prefix = format!("{}-{seed}", self.name);
        let token = self.shop.token()?;
        Ok(Market { client: self.client.clone(), token, codes, prefix, closing: AtomicBool::new(false) })
    }

    /// Customers shop while the strike falls.
    async fn load(
        &mut self,
        ctx: &Context,
        seed: u64,
        market: &Arc<Market>,
        strike: Strike,
    ) -> Result<Ledger> {
        let group = Group::<Failure>::new(ctx, "customers");
        let mut customers = Vec::new();
        for number in 0..CUSTOMERS {
            let customer = Customer::new(Arc::clone(market), number, Random::of(seed, number));
            let shopping = move |ctx: Context| async move {
                let shopped = customer.shop(&ctx).await;
                shopped.map_err(|error| Failure::new(Kind::Internal, format!("{error:#}")))
            };
            customers.push(group.spawn("customer", shopping).await?);
        }
        let fell = strike.fall(ctx, &mut self.shop, &mut self.store).await;
        market.closing.store(true, Ordering::Relaxed);
        fell?;
        let ended = group.wait().await;
        self.shop.check()?;
        ended.map_err(|error| anyhow!("{error}"))?;
        let mut ledger = Ledger::default();
        for customer in customers {
            ledger.append(customer.await.map_err(|_| anyhow!("a customer is gone without a word"))?);
        }
        Ok(ledger)
    }

    /// Waits until every event has had its effect and nothing differs.
    async fn settle(&self, ctx: &Context, ledger: &Ledger, prefix: &str, before: &Stocks) -> Result<()> {
        let within = ctx.with_timeout(SETTLED_WITHIN);
        loop {
            let orders = held::orders(ctx, &self.client, prefix).await?;
            let after = held::stocks(ctx, &self.client).await?;
            let mut differences = reconcile::orders(ledger, &orders);
            differences.extend(reconcile::stocks(before, &orders, &after));
            if differences.is_empty() {
                return Ok(());
            }
            if within.sleep(LOOK_EVERY).await.is_err() {
                bail!("{}", told(&differences));
            }
        }
    }

    /// Looks at all rounds together: nothing of an early one was lost in a later one.
    ///
    /// # Errors
    /// What differs.
    pub(crate) async fn end(mut self, ctx: &Context) -> Result<String> {
        self.shop.check()?;
        let all = held::orders(ctx, &self.client, "").await?;
        let ours: Vec<Order> = all.iter().filter(|order| self.is_ours(order)).cloned().collect();
        let mut differences = reconcile::orders(&self.ledger, &ours);
        differences.extend(reconcile::stocks(&self.first, &ours, &held::stocks(ctx, &self.client).await?));
        differences.extend(self.revenue(ctx, &all).await?);
        if !differences.is_empty() {
            bail!("after all rounds:\n{}", told(&differences));
        }
        Ok(format!(
            "{} kills: {} promised orders are there once, {} of {} that customers left; {} calls were repeated unheard",
            self.played,
            self.ledger.promised.len(),
            ours.len().saturating_sub(self.ledger.promised.len()),
            self.ledger.left.len(),
            self.ledger.unheard
        ))
    }

    fn is_ours(&self, order: &Order) -> bool {
        order.reference.as_ref().is_some_and(|reference| reference.starts_with(&self.name))
    }

    /// The report of the days that the orders are of.
    async fn revenue(&self, ctx: &Context, all: &[Order]) -> Result<Differences> {
        let days = || all.iter().map(|order| Day::of(order.placed_at));
        let (Some(from), Some(to)) = (days().min(), days().max()) else { return Ok(Differences::new()) };
        let length = to.start().since(from.start());
        if length > Duration::from_secs(86_400) * u32::try_from(DAYS_MAX)? {
            return Ok(Differences::new());
        }
        Ok(reconcile::revenue(all, &held::revenue(ctx, &self.client, from, to).await?))
    }
}

fn told(differences: &Differences) -> String {
    let mut lines: Vec<String> = differences.iter().take(TOLD_MAX).cloned().collect();
    if differences.len() > TOLD_MAX {
        lines.push(format!("and {} more", differences.len() - TOLD_MAX));
    }
    lines.join("\n")
}
