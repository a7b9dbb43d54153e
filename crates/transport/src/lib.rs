//! Typed endpoints: the HTTP server, the native client and the browser client from one value.
//!
//! An [`Endpoint`] is a `const` that names method, path, request, response, error, cancellation policy and idempotency.
//! [`Routes`] join endpoints to handlers, which are methods of the core, and become an axum router; [`Server`] serves it
//! with limits and stops in order. A [`Client`] calls an endpoint over HTTP, in the same process, or by a browser's
//! `fetch`, and turns problem details back into the endpoint's error. The deadline crosses every hop as remaining time.
//!
//! ```
//! use std::sync::Arc;
//!
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use staffa_context::{Context, Failure, Kind};
//! use staffa_transport::{Client, Endpoint, Routes, ServerContext};
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Greet {
//!     name: String,
//! }
//!
//! const GREET: Endpoint<Greet, String, Failure> = Endpoint::get("/greetings/{name}");
//!
//! struct Greetings;
//!
//! impl Greetings {
//!     async fn greet(&self, ctx: &Context, request: Greet) -> Result<String, Failure> {
//!         ctx.check()?;
//!         match request.name.as_str() {
//!             "nobody" => Err(Failure::new(Kind::NotFound, "there is nobody")),
//!             name => Ok(format!("Hello, {name}!")),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Failure> {
//! let ctx = Context::background();
//! let routes = Routes::new().handle(GREET, &Arc::new(Greetings), Greetings::greet);
//! let client = Client::in_process(routes.into_router(&ServerContext::new(&ctx)));
//! assert_eq!(client.call(&ctx, GREET, Greet { name: "Staffa".into() }).await?, "Hello, Staffa!");
//! let missing = client.call(&ctx, GREET, Greet { name: "nobody".into() }).await;
//! assert_eq!(missing.map_err(|failure| failure.kind), Err(Kind::NotFound));
//! # Ok(())
//! # }
//! ```
//!
//! # On the wire
//!
//! | header | meaning |
//! |---|---|
//! | `staffa-timeout-ms` | what is left of the caller's budget; with `x-envoy-expected-rq-timeout-ms` and the endpoint's own limit, the least holds |
//! | `x-envoy-upstream-rq-timeout-ms` | the same, for an Envoy on the way |
//! | `traceparent` | W3C Trace Context, both ways |
//! | `x-request-id` | taken over when it is 1 to 128 visible ASCII characters, else made; always echoed |
//! | `idempotency-key`, `idempotency-replayed` | the key of a repeatable write; `true` when the answer was kept |
//! | `last-event-id` | where an event stream goes on |
//!
//! An error is `application/problem+json` (RFC 9457) with the type `urn:staffa:problem:` and the kind of failure. A passed
//! deadline is 504 and is never retried by our clients; an unknown outcome is retried under an idempotency key only.
//!
//! # Targets
//!
//! Everything is there natively. On `wasm32` there are endpoints and the client (`Client::browser`), and none of axum,
//! hyper, tokio and schemars.

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
#[cfg(not(target_arch = "wasm32"))]
mod head;
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
mod request_id;
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
