//! Endpoints joined to their handlers.
use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use axum::routing::{MethodFilter, MethodRouter, on_service};
use futures_core::Stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use staffa_context::{Context, Fail, Failure, Kind};
use tower::service_fn;

use crate::answer::Problem;
use crate::endpoint::Shape;
use crate::openapi::{self, Described};
use crate::operation;
use crate::request_id::RequestIds;
use crate::route::{Answering, Route, Shared};
use crate::{Endpoint, Events, Handler, Method, ServerContext};

/// Endpoints and their handlers, on the way to an axum router.
#[derive(Default)]
pub struct Routes {
    handled: Vec<Handled>,
    mounted: axum::Router,
}

struct Handled {
    shape: Shape,
    answering: Answering,
    described: Described,
}

impl Routes {
    /// No endpoints yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers `endpoint` with `handler`, a method of `service`.
    #[must_use]
    pub fn handle<S, Q, R, E, H>(mut self, endpoint: Endpoint<Q, R, E>, service: &Arc<S>, handler: H) -> Self
    where
        S: Send + Sync + ?Sized + 'static,
        Q: Serialize + DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema + Send + 'static,
        E: Fail,
        H: for<'a> Handler<'a, S, Q, Out = Result<R, E>> + 'static,
    {
        let shape = endpoint.shape();
        let method = operation::Method::<S, Q, R, E, H>::new(service, handler);
        let described = Described::call::<Q, R>(shape);
        self.handled.push(Handled { shape, answering: Answering::Call(Arc::new(method)), described });
        self
    }

    /// Answers `events` with the stream that `handler`, a method of `service`, gives. See [`crate::EventSource`].
    #[must_use]
    pub fn events<S, Q, T, E, St, H>(mut self, events: Events<Q, T, E>, service: &Arc<S>, handler: H) -> Self
    where
        S: Send + Sync + ?Sized + 'static,
        Q: Serialize + DeserializeOwned + JsonSchema + Send + 'static,
        T: Serialize + JsonSchema + Send + 'static,
        E: Fail,
        St: Stream<Item = (u64, T)> + Send + 'static,
        H: for<'a> Handler<'a, S, Q, Out = Result<St, E>> + 'static,
    {
        let shape = events.shape();
        let method = operation::Method::<S, Q, (St, T), E, H>::new(service, handler);
        let described = Described::stream::<Q, T>(shape);
        self.handled.push(Handled { shape, answering: Answering::Stream(Arc::new(method)), described });
        self
    }

    /// Serves a router of one's own beside the endpoints, as it is.
    ///
    /// # Panics
    /// When two have a route for the same path and method, as axum does.
    #[must_use]
    pub fn mount(mut self, router: axum::Router) -> Self {
        self.mounted = self.mounted.merge(router);
        self
    }

    /// The OpenAPI 3.1 document of these endpoints.
    pub fn openapi(&self, title: &str, version: &str) -> Value {
        openapi(title, version, [self])
    }

    /// The axum router that serves the endpoints. It has no fallback: see [`join`].
    ///
    /// # Panics
    /// When two have a route for the same path and method, or a path that axum does not take.
    pub fn into_router(self, server: &ServerContext) -> axum::Router {
        let shared = Arc::new(Shared::new(server));
        let mut router = axum::Router::new();
        for handled in self.handled {
            let route = Arc::new(Route::new(handled.shape, handled.answering, &shared));
            router = router.route(handled.shape.path, served(route));
        }
        // Axum adds the header `allow`.
        let not_allowed = move |request: Request| {
            let response = shared.request_ids.refuse(Problem::method_not_allowed(), request.headers());
            std::future::ready(response)
        };
        router.method_not_allowed_fallback(not_allowed).merge(self.mounted)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.handled.iter().map(|handled| &handled.shape)).finish()
    }
}

fn served(route: Arc<Route>) -> MethodRouter {
    let filter = match route.shape.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Delete => MethodFilter::DELETE,
    };
    // As a service: a handler of axum is one more boxed future, with room for extractors.
    on_service(filter, service_fn(move |request: Request| Arc::clone(&route).serve(request)))
}

/// Merges routers of several services, and answers 404 in problem details where none has a route. The context gives
/// those answers their request ids.
///
/// # Panics
/// When two have a route for the same path and method, or a fallback.
pub fn join(ctx: &Context, routers: impl IntoIterator<Item = axum::Router>) -> axum::Router {
    let request_ids = Arc::new(RequestIds::new(ctx));
    let not_found = move |request: Request| {
        let words = format!("there is nothing at `{}`", request.uri().path());
        let problem = Problem::from(Failure::new(Kind::NotFound, words));
        std::future::ready(request_ids.refuse(problem, request.headers()))
    };
    routers.into_iter().fold(axum::Router::new(), axum::Router::merge).fallback(not_found)
}

/// The OpenAPI 3.1 document of the endpoints of several services behind one listener.
pub fn openapi<'a>(title: &str, version: &str, routes: impl IntoIterator<Item = &'a Routes>) -> Value {
    let described = routes.into_iter().flat_map(|routes| &routes.handled).map(|handled| &handled.described);
    openapi::document(title, version, described)
}

/// Serves `document` at `/openapi.json`.
pub fn openapi_route(document: &Value) -> axum::Router {
    let body = bytes::Bytes::from(document.to_string());
    let answer = move || {
        let body = body.clone();
        async move { ([(http::header::CONTENT_TYPE, crate::header::JSON)], body) }
    };
    axum::Router::new().route("/openapi.json", axum::routing::get(answer))
}
