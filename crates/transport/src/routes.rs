//! Endpoints joined to their handlers.
use std::fmt;
use std::sync::Arc;

use futures_core::Stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use staffa_context::Fail;

use crate::{Endpoint, Events, Handler, ServerContext};

/// Endpoints and their handlers, on the way to an axum router.
#[derive(Default)]
pub struct Routes {
    mounted: axum::Router,
}

impl Routes {
    /// No endpoints yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers `endpoint` with `handler`, a method of `service`.
    #[must_use]
    pub fn handle<S, Q, R, E, H>(self, endpoint: Endpoint<Q, R, E>, service: &Arc<S>, handler: H) -> Self
    where
        S: Send + Sync + ?Sized + 'static,
        Q: Serialize + DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema + Send + 'static,
        E: Fail,
        H: for<'a> Handler<'a, S, Q, Out = Result<R, E>> + 'static,
    {
        let _ = (endpoint, service, handler);
        self
    }

    /// Answers `events` with the stream that `handler`, a method of `service`, gives. See [`crate::EventSource`].
    #[must_use]
    pub fn events<S, Q, T, E, St, H>(self, events: Events<Q, T, E>, service: &Arc<S>, handler: H) -> Self
    where
        S: Send + Sync + ?Sized + 'static,
        Q: Serialize + DeserializeOwned + JsonSchema + Send + 'static,
        T: Serialize + JsonSchema + Send + 'static,
        E: Fail,
        St: Stream<Item = (u64, T)> + Send + 'static,
        H: for<'a> Handler<'a, S, Q, Out = Result<St, E>> + 'static,
    {
        let _ = (events, service, handler);
        self
    }

    /// Serves a router of one's own beside the endpoints, as it is.
    #[must_use]
    pub fn mount(mut self, router: axum::Router) -> Self {
        self.mounted = self.mounted.merge(router);
        self
    }

    /// The OpenAPI 3.1 document of these endpoints.
    pub fn openapi(&self, title: &str, version: &str) -> Value {
        let _ = (title, version);
        Value::Null
    }

    /// The axum router that serves the endpoints. It has no fallback: see [`crate::join`].
    pub fn into_router(self, server: &ServerContext) -> axum::Router {
        let _ = server;
        self.mounted
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

/// Merges routers of several services, and answers 404 in problem details where none has a route.
///
/// # Panics
/// When two have a route for the same path and method.
pub fn join(routers: impl IntoIterator<Item = axum::Router>) -> axum::Router {
    routers.into_iter().fold(axum::Router::new(), axum::Router::merge)
}

/// The OpenAPI 3.1 document of the endpoints of several services behind one listener.
pub fn openapi<'a>(title: &str, version: &str, routes: impl IntoIterator<Item = &'a Routes>) -> Value {
    let _ = (title, version, routes.into_iter().count());
    Value::Null
}

/// Serves `document` at `/openapi.json`.
pub fn openapi_route(document: &Value) -> axum::Router {
    let _ = document;
    axum::Router::new()
}
