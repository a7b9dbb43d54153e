//! The way to other services: in process when they are hosted here, else over HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use staffa_transport::Client;
use tower_service::Service as _;

use crate::{Error, Result};

/// The services of a process and of its settings. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    hosted: Arc<BTreeMap<String, Door>>,
    remote: Arc<BTreeMap<String, String>>,
}

impl Peers {
    pub(crate) fn new(hosted: &[String], remote: BTreeMap<String, String>) -> Self {
        let doors = hosted.iter().map(|name| (name.clone(), Door::default())).collect();
        Self { hosted: Arc::new(doors), remote: Arc::new(remote) }
    }

    pub(crate) fn hosts(&self, service: &str) -> bool {
        self.hosted.contains_key(service)
    }

    /// Lets calls through to a hosted service.
    pub(crate) fn open(&self, service: &str, router: Router) {
        if let Some(door) = self.hosted.get(service) {
            door.set(Some(router));
        }
    }

    /// Lets no call through any more, and lets go of the routers, which hold clients of each other.
    pub(crate) fn close(&self) {
        self.hosted.values().for_each(|door| door.set(None));
    }

    pub(crate) fn client(&self, to: &str) -> Result<Client> {
        if let Some(door) = self.hosted.get(to) {
            return Ok(Client::in_process(door.router()));
        }
        let base = if to.contains("://") { Some(to) } else { self.remote.get(to).map(String::as_str) };
        let base = base.ok_or_else(|| {
            Error::settings(format!(
                "the service `{to}` is not hosted by this process; say where it is: services.{to} = \"http://HOST:PORT\" in the settings, or STAFFA__SERVICES__{} in the environment",
                to.to_uppercase()
            ))
        })?;
        Client::http(base).map_err(|failure| Error::settings(failure.words).context(format!("services.{to}")))
    }
}

/// A hosted service's router, which is there once its process has started.
#[derive(Clone, Debug, Default)]
struct Door(Arc<RwLock<Option<Router>>>);

impl Door {
    fn set(&self, router: Option<Router>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    fn router(&self) -> Router {
        let door = self.clone();
        Router::new().fallback(move |request| door.clone().pass(request))
    }

    async fn pass(self, request: Request) -> Response {
        let router = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        match router {
            Some(mut router) => router.call(request).await.into_response(),
            None => (StatusCode::SERVICE_UNAVAILABLE, "the service is starting or stopping").into_response(),
        }
    }
}
