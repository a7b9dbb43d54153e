//! Composes the orders.
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shop_contract::catalog::CatalogPrices;
use shop_contract::orders::{CANCEL, FIND, LIST, PACK, PLACE, SHIP, WATCH, watch};
use shop_contract::reporting::{BEST_SELLERS, REVENUE};
use shop_core::orders::{CONSUMER, HEARS};
use shop_core::{Orders, Reports};
use staffa::messaging::Consumer;
use staffa::storage::Event;
use staffa::{Context, Failure, Service};

use crate::{reporting, token};

/// The orders' settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    /// The folder of the token that gives the right to agreed prices. It is made at the first start; whoever can
    /// read the file has the right.
    data: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { data: PathBuf::from("data") }
    }
}

pub(crate) async fn compose(ctx: &Context, service: &mut Service<Settings>) -> staffa::Result<()> {
    together(service, "inventory")?;
    let (store, adapter) = service.adapter(ctx, &service.common.store.url, Orders::schemas()).await?;
    let reports = Arc::new(Reports::new(reporting::over(service.name(), &store, &adapter)?));
    let prices = Arc::new(CatalogPrices(service.client("catalog")?));
    let token = token::read_or_make(&token::path(&service.settings.data))?;
    let orders = Arc::new(Orders::new(Arc::clone(&store), prices, Some(token)));
    service.handle(PLACE, &orders, Orders::place);
    service.handle(FIND, &orders, Orders::find);
    service.handle(LIST, &orders, Orders::list);
    service.handle(CANCEL, &orders, Orders::cancel);
    service.handle(PACK, &orders, Orders::pack);
    service.handle(SHIP, &orders, Orders::ship);
    service.handle(REVENUE, &reports, Reports::revenue);
    service.handle(BEST_SELLERS, &reports, Reports::best_sellers);
    service.events(WATCH, &orders, watch);
    service.consume(CONSUMER, HEARS, &store, Arc::new(Hears(orders)));
    Ok(())
}

/// Refuses to start one of two services that are joined by events without the other, unless a bus carries them.
pub(crate) fn together<S>(service: &Service<S>, other: &str) -> staffa::Result<()> {
    if service.hosts(other) || service.common.bus.url.is_some() {
        return Ok(());
    }
    let name = service.name();
    Err(staffa::Error::settings(format!(
        "{name} and {other} are joined by events: start both in one process (--service {name},{other}), or say \
         what carries events between processes (--bus nats://HOST:PORT)"
    )))
}

struct Hears(Arc<Orders>);

#[async_trait]
impl Consumer for Hears {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        self.0.consume(ctx, event).await
    }
}
