//! How a client's call travels.
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use staffa_context::BoxFuture;

use crate::Method;
#[cfg(not(target_arch = "wasm32"))]
use crate::header::name;

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Headers,
    pub(crate) body: Option<Bytes>,
}

/// Header fields as a client writes them. A list: with a map, a page would load the table of all known names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(pub(crate) Vec<(&'static str, String)>);

impl Headers {
    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn into_map(self) -> Result<http::HeaderMap, http::Error> {
        let mut map = http::HeaderMap::with_capacity(self.0.len());
        for (name, value) in self.0 {
            map.insert(http::HeaderName::from_static(name), http::HeaderValue::try_from(value)?);
        }
        Ok(map)
    }
}

/// A response whose body still comes.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    /// When the server wants to be asked again at the earliest.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) chunks: Chunks,
}

/// The parts of a body. Dropping it before its end closes the connection.
pub(crate) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// Why a request or its response did not arrive.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Whether the server may have seen the request.
    pub(crate) sent: bool,
    pub(crate) reason: String,
}

impl Broken {
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn unsent(reason: impl Into<String>) -> Self {
        Self { sent: false, reason: reason.into() }
    }

    pub(crate) fn sent(reason: impl Into<String>) -> Self {
        Self { sent: true, reason: reason.into() }
    }
}

/// Carries requests. Dropping the future or the chunks MUST end the request, as a client that goes away does.
pub(crate) trait Carrier: Send + Sync {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'static, Result<Incoming, Broken>>;

    /// Who is called, for people.
    fn peer(&self) -> &str;
}

/// What the header `retry-after` says; a date is not read.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    seconds(headers.get(name::RETRY_AFTER)?.to_str().ok()?)
}

pub(crate) fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}
