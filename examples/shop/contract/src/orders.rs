//! The orders' endpoints.
use std::time::Duration;

use shop_core::orders::{ListOrders, OrderError, OrderOf};
use shop_core::{Order, Place, PlaceError};
#[cfg(not(target_arch = "wasm32"))]
use shop_core::{Orders, orders::Watched};
#[cfg(not(target_arch = "wasm32"))]
use staffa_context::Context;
use staffa_context::Failure;
use staffa_storage::{PageOf, Versioned};
#[cfg(not(target_arch = "wasm32"))]
use staffa_transport::LastEventId;
use staffa_transport::{Endpoint, Events};

const TIMEOUT: Duration = Duration::from_secs(5);
/// An order of a thousand lines may be placed on a store that is far away.
pub(crate) const PLACING_TIMEOUT: Duration = Duration::from_secs(10);

/// Places an order. A repeat under the same idempotency key gives the same order.
pub const PLACE: Endpoint<Place, Versioned<Order>, PlaceError> =
    Endpoint::post("/orders").finish().idempotency_key().timeout(PLACING_TIMEOUT).summary("Place an order");

/// Orders by the time of their placing, or the one with a reference.
pub const LIST: Endpoint<ListOrders, PageOf<Order>, Failure> =
    Endpoint::get("/orders").timeout(TIMEOUT).summary("Orders, by the time of their placing");

/// One order.
pub const FIND: Endpoint<OrderOf, Versioned<Order>, OrderError> =
    Endpoint::get("/orders/{id}").timeout(TIMEOUT).summary("One order");

/// Calls an order off.
pub const CANCEL: Endpoint<OrderOf, Versioned<Order>, OrderError> = Endpoint::post("/orders/{id}/cancel")
    .finish()
    .idempotency_key()
    .timeout(TIMEOUT)
    .summary("Call an order off; its stock comes back");

/// Puts a reserved order into its boxes.
pub const PACK: Endpoint<OrderOf, Versioned<Order>, OrderError> = Endpoint::post("/orders/{id}/pack")
    .finish()
    .idempotency_key()
    .timeout(TIMEOUT)
    .summary("Pack a reserved order");

/// Lets a packed order go.
pub const SHIP: Endpoint<OrderOf, Versioned<Order>, OrderError> = Endpoint::post("/orders/{id}/ship")
    .finish()
    .idempotency_key()
    .timeout(TIMEOUT)
    .summary("Ship a packed order");

/// An order as it is, and each change of it until its last state. An event's id is the order's version.
pub const WATCH: Events<OrderOf, Versioned<Order>, OrderError> =
    Events::get("/orders/{id}/events").timeout(TIMEOUT).summary("An order and each change of it");

/// Handles [`WATCH`]: goes on after the last event that the client saw.
///
/// # Errors
/// [`OrderError::Unknown`], and those of the store.
#[cfg(not(target_arch = "wasm32"))]
pub async fn watch(orders: &Orders, ctx: &Context, asked: OrderOf) -> Result<Watched, OrderError> {
    let seen = ctx.value::<LastEventId>().map(|last| last.0);
    orders.watch_after(ctx, asked, seen).await
}
