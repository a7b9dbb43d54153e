//! Typed endpoints: the HTTP server, the native client and the browser client from one value.

#[cfg(not(target_arch = "wasm32"))]
mod admission;
#[cfg(not(target_arch = "wasm32"))]
mod answer;
mod client;
#[cfg(not(target_arch = "wasm32"))]
mod connection;
#[cfg(not(target_arch = "wasm32"))]
mod deadline;
mod endpoint;
mod handler;
mod header;
#[cfg(not(target_arch = "wasm32"))]
mod idempotency;
#[cfg(not(target_arch = "wasm32"))]
mod limits;
#[cfg(not(target_arch = "wasm32"))]
mod observed;
#[cfg(not(target_arch = "wasm32"))]
mod openapi;
#[cfg(not(target_arch = "wasm32"))]
mod operation;
mod path;
mod problem;
mod request;
#[cfg(not(target_arch = "wasm32"))]
mod route;
#[cfg(not(target_arch = "wasm32"))]
mod routes;
#[cfg(not(target_arch = "wasm32"))]
mod running;
#[cfg(not(target_arch = "wasm32"))]
mod server;
mod sse;
#[cfg(not(target_arch = "wasm32"))]
mod stream;
#[cfg(not(target_arch = "wasm32"))]
mod work;

#[cfg(not(target_arch = "wasm32"))]
pub use client::InProcess;
pub use client::{CallKey, CallLimits, Client, EventStream};
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
pub use stream::LastEventId;
#[cfg(not(target_arch = "wasm32"))]
pub use work::Work;
