//! Composes the catalogue.
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shop_contract::catalog::{BROWSE, PRICES, PRODUCT};
use shop_core::Catalog;
use shop_core::catalog::SlowReads;
use staffa::{Adapter, Context, Schema, Service, Store};

use crate::first;
use crate::import;
use crate::slow;

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
    let catalog = Arc::new(catalog(Arc::clone(&store), adapter, service.settings.slow));
    import::first_products(ctx, &store, &catalog).await?;
    service.handle(BROWSE, &catalog, Catalog::browse);
    service.handle(PRODUCT, &catalog, Catalog::find);
    service.handle(PRICES, &catalog, Catalog::prices_of);
    Ok(())
}

fn catalog(store: Arc<dyn Store>, adapter: Adapter, slow: bool) -> Catalog {
    if !slow {
        return Catalog::new(store, None);
    }
    let slow: Arc<dyn SlowReads> = match adapter {
        #[cfg(feature = "sqlite")]
        Adapter::Sqlite(sqlite) => Arc::new(slow::SlowSqlite(sqlite)),
        #[cfg(feature = "postgres")]
        Adapter::Postgres(postgres) => Arc::new(slow::SlowPostgres(postgres)),
        _ => Arc::new(slow::Waiting),
    };
    Catalog::new(store, Some(slow))
}
