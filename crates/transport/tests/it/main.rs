//! Behaviour of servers and clients over real sockets and in one process.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::sync::Arc;

use staffa_context::{Context, Failure};
use staffa_transport::{Client, Endpoint, EventSource, Events, Routes, ServerContext};

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Place {
    quantity: u32,
}

#[derive(Default)]
struct Orders;

impl Orders {
    async fn place(&self, _ctx: &Context, order: Place) -> Result<u32, Failure> {
        Ok(order.quantity)
    }

    async fn watch(&self, _ctx: &Context, _order: Place) -> Result<EventSource<u32>, Failure> {
        Err(Failure::new(staffa_context::Kind::NotFound, "there is no such order"))
    }
}

const PLACE: Endpoint<Place, u32, Failure> = Endpoint::post("/orders").idempotency_key();
const WATCH: Events<Place, u32, Failure> = Events::get("/orders/events");

#[tokio::test]
async fn compiles() {
    let orders = Arc::new(Orders);
    let routes = Routes::new().handle(PLACE, &orders, Orders::place).events(WATCH, &orders, Orders::watch);
    let router = routes.into_router(&ServerContext::new(&Context::background()));
    let client = Client::in_process(router);
    client.call(&Context::background(), PLACE, Place { quantity: 1 }).await.unwrap_err();
}
