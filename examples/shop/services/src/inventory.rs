//! Composes the inventory.
use std::sync::Arc;

use async_trait::async_trait;
use shop_contract::inventory::{ALL, STOCK};
use shop_core::Inventory;
use shop_core::inventory::{CONSUMER, HEARS};
use staffa::messaging::Consumer;
use staffa::storage::Event;
use staffa::{Context, Failure, Schema, Service};

use crate::first;
use crate::import;
use crate::orders::together;

/// What the inventory's store keeps.
pub(crate) fn schemas() -> Vec<Schema> {
    first::marked(Inventory::schemas())
}

pub(crate) async fn compose(ctx: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    together(service, "orders")?;
    let store = service.store(ctx, &service.common.store.url, schemas()).await?;
    let inventory = Arc::new(Inventory::new(Arc::clone(&store)));
    import::first_stock(ctx, &store, &inventory).await?;
    service.handle(STOCK, &inventory, Inventory::find);
    service.handle(ALL, &inventory, Inventory::all);
    service.consume(CONSUMER, HEARS, &store, Arc::new(Hears(inventory)));
    Ok(())
}

struct Hears(Arc<Inventory>);

#[async_trait]
impl Consumer for Hears {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        self.0.consume(ctx, event).await
    }
}
