//! Composes the catalogue.
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shop_contract::catalog::{BROWSE, PRICES, PRODUCT};
use shop_core::Catalog;
use staffa::{Adapter, Context, Schema, Service, Store};

use crate::first;
use crate::import;
use crate::slow::{SlowMemory, SlowSqlite};

/// The catalogue's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    /// Allow reads that take their time, to watch a cancelled one stop in the store.
    slow: bool,
}

/// What the catalogue's store keeps.
pub(crate) fn schemas() -> Vec<Schema> {
    first::marked(Catalog::schemas())
}

pub(crate) async fn compose(ctx: &Context, service: &mut Service<Settings>) -> staffa::Result<()> {
    let (store, adapter) = service.adapter(ctx, &service.common.store.url, schemas()).await?;
    let catalog = Arc::new(catalog(Arc::clone(&store), adapter, service.settings.slow)?);
    import::first_products(ctx, &store, &catalog).await?;
    service.handle(BROWSE, &catalog, Catalog::browse);
    service.handle(PRODUCT, &catalog, Catalog::find);
    service.handle(PRICES, &catalog, Catalog::prices_of);
    Ok(())
}

fn catalog(store: Arc<dyn Store>, adapter: Adapter, slow: bool) -> staffa::Result<Catalog> {
    if !slow {
        return Ok(Catalog::new(store, None));
    }
    match adapter {
        Adapter::Memory(_) => Ok(Catalog::new(store, Some(Arc::new(SlowMemory)))),
        Adapter::Sqlite(sqlite) => Ok(Catalog::new(store, Some(Arc::new(SlowSqlite(sqlite))))),
        _ => Err(staffa::Error::settings("catalog.slow: this store has no slow reads")),
    }
}
