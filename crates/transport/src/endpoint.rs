//! An operation of a service as a value.
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// The method of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Reads. Retried by our clients.
    Get,
    /// Writes.
    Post,
    /// Replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// Whether fields that the path does not name travel in a JSON body; in the query otherwise.
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Delete => Self::DELETE,
        }
    }
}

/// What happens to the work when the client goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A reader: the context ends with [`staffa_context::Cause::ClientGone`], and the work is dropped when it has not
    /// ended by itself within [`crate::Limits::grace`].
    Cancel,
    /// A writer: it runs to its end within its deadline.
    Finish,
}

/// An operation of a service: method, path, request `Q`, response `R`, error `E` and how it behaves.
///
/// Server, clients and the OpenAPI document all come from this one value, declared as a `const`. Fields of the request that the
/// path names (`/products/{code}`) travel there, the others in the query (GET, DELETE) or in a JSON body (POST, PUT).
/// A request that is one plain value (a newtype of a number or text) fills the only parameter of a path.
/// In a query a field is a number, a bool, text, a plain enum, an `Option` of these, or a list of these with
/// `#[serde(default)]`, since an empty list leaves no trace there; nested structures and `#[serde(flatten)]` belong in a body.
///
/// `Q` and `R` are serde's types; `E` is [`staffa_context::Fail`] on the server and `From<Failure>` in clients.
/// Schemas are asked for where an endpoint is handled, so a page links none.
///
/// ```
/// use std::time::Duration;
/// use staffa_context::Failure;
/// use staffa_transport::{Endpoint, Policy};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Find {
///     code: String,
/// }
///
/// const FIND: Endpoint<Find, String, Failure> =
///     Endpoint::get("/products/{code}").timeout(Duration::from_secs(2)).summary("Find a product by its code");
/// assert_eq!(FIND.policy, Policy::Cancel);
/// ```
pub struct Endpoint<Q, R, E> {
    /// The method.
    pub method: Method,
    /// Starts with `/`; a whole segment in braces is a parameter.
    pub path: &'static str,
    /// What happens when the client goes: `Cancel` for GET and `Finish` otherwise unless said.
    pub policy: Policy,
    /// Whether the header `idempotency-key` is required, and repeats get the kept answer.
    pub keyed: bool,
    /// The longest that a call may take; [`crate::Limits::timeout`] when `None`.
    pub timeout: Option<Duration>,
    /// One sentence for the OpenAPI document.
    pub summary: &'static str,
    /// The largest body that is read, in bytes; [`crate::Limits::body_max`] when `None`.
    pub body_max: Option<usize>,
    types: PhantomData<fn(Q) -> (R, E)>,
}

impl<Q, R, E> Endpoint<Q, R, E> {
    /// Reads.
    pub const fn get(path: &'static str) -> Self {
        Self::new(Method::Get, path, Policy::Cancel)
    }

    /// Writes; the client's retries need [`Endpoint::idempotency_key`].
    pub const fn post(path: &'static str) -> Self {
        Self::new(Method::Post, path, Policy::Finish)
    }

    /// Replaces.
    pub const fn put(path: &'static str) -> Self {
        Self::new(Method::Put, path, Policy::Finish)
    }

    /// Removes.
    pub const fn delete(path: &'static str) -> Self {
        Self::new(Method::Delete, path, Policy::Finish)
    }

    const fn new(method: Method, path: &'static str, policy: Policy) -> Self {
        Self {
            method,
            path,
            policy,
            keyed: false,
            timeout: None,
            summary: "",
            body_max: None,
            types: PhantomData,
        }
    }

    /// Runs to its end within its deadline though the client goes.
    #[must_use]
    pub const fn finish(mut self) -> Self {
        self.policy = Policy::Finish;
        self
    }

    /// Ends when the client goes.
    #[must_use]
    pub const fn cancel(mut self) -> Self {
        self.policy = Policy::Cancel;
        self
    }

    /// Requires the header `idempotency-key`: a repeat gets the kept answer, another request under the same key a conflict.
    #[must_use]
    pub const fn idempotency_key(mut self) -> Self {
        self.keyed = true;
        self
    }

    /// The longest that a call may take. A caller can only shorten it.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// One sentence for the OpenAPI document.
    #[must_use]
    pub const fn summary(mut self, summary: &'static str) -> Self {
        // A page has no document to put it into, and need not load it.
        self.summary = if cfg!(target_arch = "wasm32") { "" } else { summary };
        self
    }

    /// The largest body that is read, in bytes.
    #[must_use]
    pub const fn body_max(mut self, bytes: usize) -> Self {
        self.body_max = Some(bytes);
        self
    }

    /// The endpoint without its types.
    pub(crate) const fn shape(&self) -> Shape {
        Shape {
            method: self.method,
            path: self.path,
            policy: self.policy,
            keyed: self.keyed,
            timeout: self.timeout,
            summary: self.summary,
            body_max: self.body_max,
        }
    }
}

/// An endpoint without its types: what most of this crate works on, so that it is compiled once.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "the server's side reads the rest"))]
pub(crate) struct Shape {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) policy: Policy,
    pub(crate) keyed: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) summary: &'static str,
    pub(crate) body_max: Option<usize>,
}

impl<Q, R, E> Clone for Endpoint<Q, R, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Q, R, E> Copy for Endpoint<Q, R, E> {}

impl<Q, R, E> fmt::Debug for Endpoint<Q, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shape().fmt(f)
    }
}

/// A stream of server-sent events as a value: path, request `Q`, event `T` and error `E`. It is always a GET.
///
/// Each event has an id that grows; a client that comes back says the last one that it saw, and the stream goes on after it.
/// The deadline covers the first event only, so a stream that is not resumed starts with the present state.
pub struct Events<Q, T, E> {
    /// Starts with `/`; a whole segment in braces is a parameter.
    pub path: &'static str,
    /// The longest wait for the first event; [`crate::Limits::timeout`] when `None`.
    pub timeout: Option<Duration>,
    /// One sentence for the OpenAPI document.
    pub summary: &'static str,
    types: PhantomData<fn(Q) -> (T, E)>,
}

impl<Q, T, E> Events<Q, T, E> {
    /// A stream at this path.
    pub const fn get(path: &'static str) -> Self {
        Self { path, timeout: None, summary: "", types: PhantomData }
    }

    /// The longest wait for the first event.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// One sentence for the OpenAPI document.
    #[must_use]
    pub const fn summary(mut self, summary: &'static str) -> Self {
        // A page has no document to put it into, and need not load it.
        self.summary = if cfg!(target_arch = "wasm32") { "" } else { summary };
        self
    }

    pub(crate) const fn shape(&self) -> Shape {
        Shape {
            method: Method::Get,
            path: self.path,
            policy: Policy::Cancel,
            keyed: false,
            timeout: self.timeout,
            summary: self.summary,
            body_max: None,
        }
    }
}

impl<Q, T, E> Clone for Events<Q, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Q, T, E> Copy for Events<Q, T, E> {}

impl<Q, T, E> fmt::Debug for Events<Q, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shape().fmt(f)
    }
}
