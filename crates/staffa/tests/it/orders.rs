//! A service that the tests compose: orders, placed once each.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use staffa::storage::Happened;
use staffa::{Context, Endpoint, Entity, Failure, Kind, Repository, Schema, Service, Store, Versioned};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Order {
    pub(crate) number: String,
    pub(crate) units: u32,
}

impl Entity for Order {
    type Id = String;
    const KIND: &'static str = "order";
    fn id(&self) -> &String {
        &self.number
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Place {
    pub(crate) units: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) units: u32,
}

impl Happened for Placed {
    const NAME: &'static str = "order_placed";
}

pub(crate) const PLACE: Endpoint<Place, Versioned<Order>, Failure> =
    Endpoint::post("/orders").idempotency_key();
pub(crate) const FIND: Endpoint<String, Versioned<Order>, Failure> = Endpoint::get("/orders/{number}");

pub(crate) struct Orders(pub(crate) Arc<dyn Store>);

impl Orders {
    async fn place(&self, ctx: &Context, Place { units }: Place) -> Result<Versioned<Order>, Failure> {
        let mut unit = self.0.unit();
        let placed = unit.insert(Order { number: ctx.uuid().to_string(), units });
        unit.emit(&placed, Placed { units });
        unit.answer(ctx, &placed);
        unit.commit(ctx).await?;
        Ok(placed)
    }

    async fn find(&self, ctx: &Context, number: String) -> Result<Versioned<Order>, Failure> {
        let found = Repository::new(&self.0).find(ctx, number).await?;
        found.ok_or(Failure::new(Kind::NotFound, "there is no such order"))
    }
}

pub(crate) async fn compose(ctx: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    let store = service.store(ctx, &service.common.store.url, vec![Schema::of::<Order>()]).await?;
    let orders = Arc::new(Orders(store));
    service.handle(PLACE, &orders, Orders::place);
    service.handle(FIND, &orders, Orders::find);
    Ok(())
}
