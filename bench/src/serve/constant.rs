//! A constant answer: what a service costs when it does nothing.
use std::process::ExitCode;
use std::sync::Arc;

use axum::Json;
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use staffa::{Context, Endpoint, Failure, Host, Service};

/// Where it is answered, by all rivals.
pub(crate) const PATH: &str = "/greeting";

#[derive(Deserialize, JsonSchema, Serialize)]
struct Greeting {
    message: String,
}

impl Greeting {
    fn new() -> Self {
        Self { message: "Hello, World!".to_owned() }
    }
}

const GREET: Endpoint<(), Greeting, Failure> = Endpoint::get(PATH);

struct Greeter;

impl Greeter {
    async fn greet(&self, _ctx: &Context, _request: ()) -> Result<Greeting, Failure> {
        Ok(Greeting::new())
    }
}

/// A service with everything that is on by default.
pub(crate) fn staffa() -> Host {
    Host::new("bench").service("greeter", compose)
}

async fn compose(_ctx: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    service.handle(GREET, &Arc::new(Greeter), Greeter::greet);
    Ok(())
}

/// Bare axum.
pub(crate) fn axum(port: u16) -> anyhow::Result<ExitCode> {
    super::serve(port, axum::Router::new().route(PATH, get(async || Json(Greeting::new()))), 1)
}
