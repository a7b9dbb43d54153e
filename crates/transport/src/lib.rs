//! Typed endpoints: the HTTP server, the native client and the browser client from one value.

mod client;
mod endpoint;
mod handler;
#[cfg(not(target_arch = "wasm32"))]
mod idempotency;
#[cfg(not(target_arch = "wasm32"))]
mod limits;
#[cfg(not(target_arch = "wasm32"))]
mod routes;
#[cfg(not(target_arch = "wasm32"))]
mod server;
#[cfg(not(target_arch = "wasm32"))]
mod work;

pub use client::{CallKey, Client, EventStream};
pub use endpoint::{Endpoint, Events, Method, Policy};
pub use handler::{EventSource, Handler};
#[cfg(not(target_arch = "wasm32"))]
pub use idempotency::{Answers, KeptAnswer};
#[cfg(not(target_arch = "wasm32"))]
pub use limits::Limits;
#[cfg(not(target_arch = "wasm32"))]
pub use routes::{Routes, join, openapi, openapi_route};
#[cfg(not(target_arch = "wasm32"))]
pub use server::{Server, ServerContext};
#[cfg(not(target_arch = "wasm32"))]
pub use work::Work;
