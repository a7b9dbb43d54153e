//! How a client's call travels.
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Method};
use staffa_context::BoxFuture;

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// A response whose body still comes.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
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
