//! Stores as this program opens them: through a proxy where there is a line to cut.

use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::{Ability, Faults, Open, Slow};
use staffa_storage::{Moving, Result, Schema, Store};

use crate::proxy::Proxy;

pub(crate) struct Runner {
    /// What is asked about a server, and cleaned up, does not go through the proxy.
    direct: Arc<dyn Open>,
    through: Arc<dyn Open>,
    proxy: Option<Proxy>,
    rounds: usize,
}

impl Runner {
    pub(crate) fn local(stores: Arc<dyn Open>, rounds: usize) -> Self {
        Self { direct: Arc::clone(&stores), through: stores, proxy: None, rounds }
    }

    pub(crate) fn remote(direct: Arc<dyn Open>, through: Arc<dyn Open>, proxy: Proxy, rounds: usize) -> Self {
        Self { direct, through, proxy: Some(proxy), rounds }
    }
}

#[async_trait]
impl Open for Runner {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        self.through.open(ctx, place, schemas).await
    }

    async fn remove(&self, ctx: &Context, place: &str) {
        if let Some(proxy) = &self.proxy {
            proxy.mend().await;
        }
        self.direct.remove(ctx, place).await;
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::Faults => self.proxy.is_some(),
            other => self.through.can(other),
        }
    }

    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        self.through.moving(ctx, place, schemas).await
    }

    fn faults(&self) -> Option<&dyn Faults> {
        self.proxy.as_ref().map(|proxy| proxy as &dyn Faults)
    }

    async fn slow(&self, ctx: &Context, place: &str) -> Result<Arc<dyn Slow>> {
        self.through.slow(ctx, place).await
    }

    async fn leftovers(&self, ctx: &Context, place: &str) -> Result<Vec<String>> {
        self.direct.leftovers(ctx, place).await
    }

    fn rounds(&self) -> usize {
        self.rounds
    }
}
