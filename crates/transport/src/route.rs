//! One endpoint being served: from a request's head to its answer.
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use staffa_context::{Cause, Context, Failure, Kind, SpanKind, TraceContext};

use crate::admission::Admission;
use crate::answer::{Problem, Reply};
use crate::endpoint::Shape;
use crate::head::Head;
use crate::idempotency::{self, Keyed};
use crate::observed::{RouteMetrics, Seen};
use crate::operation::{Operation, StreamOperation};
use crate::request::gather;
use crate::request_id::RequestIds;
use crate::running::Running;
use crate::{Limits, ServerContext, deadline, header, stream};

/// What all routes of one service share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    /// The root of requests.
    pub(crate) root: Context,
    /// The root of event streams, which a stopping server ends first.
    pub(crate) stream_root: Context,
    requests: Admission,
    pub(crate) streams: Admission,
    pub(crate) request_ids: RequestIds,
    server: ServerContext,
}

impl Shared {
    pub(crate) fn new(server: &ServerContext) -> Self {
        let (limits, work) = (server.limits.clone(), &server.work);
        Self {
            root: work.root(&server.context),
            stream_root: work.stream_root(&server.context),
            requests: Admission::new(limits.concurrency, work),
            streams: Admission::new(limits.streams, work),
            request_ids: RequestIds::new(&server.context),
            server: server.clone(),
            limits,
        }
    }
}

/// What answers a route.
pub(crate) enum Answering {
    Call(Arc<dyn Operation>),
    Stream(Arc<dyn StreamOperation>),
}

/// One endpoint being served.
pub(crate) struct Route {
    pub(crate) shape: Shape,
    /// `POST /orders`: the span's name, and the scope of idempotency keys.
    name: &'static str,
    answering: Answering,
    metrics: RouteMetrics,
    pub(crate) shared: Arc<Shared>,
}

impl Route {
    pub(crate) fn new(shape: Shape, answering: Answering, shared: &Arc<Shared>) -> Self {
        Self {
            // A route lives as long as its process.
            name: format!("{} {}", shape.method.as_str(), shape.path).leak(),
            metrics: RouteMetrics::new(&shared.root, &shape),
            shared: Arc::clone(shared),
            shape,
            answering,
        }
    }

    /// Answers a request. Dropped before its end, it treats the client as gone.
    pub(crate) fn serve(
        self: Arc<Self>,
        request: Request,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send {
        // Outside the future, which would have room for the whole as well as for its parts.
        let (parts, body) = request.into_parts();
        async move { Ok(self.serve_parts(&parts, body).await) }
    }

    async fn serve_parts(&self, parts: &Parts, body: Body) -> Response {
        let (request_id, mut seen, budget) = self.begin(parts);
        let ctx = seen.span.clone();
        let answered = match budget {
            Ok(budget) => self.answer(&ctx, budget, parts, body).await,
            Err(problem) => Err(problem),
        };
        let mut response = match answered {
            Ok(response) => {
                seen.answered(response.status().as_u16());
                response
            }
            Err(problem) => {
                ctx.in_trace(|| seen.failed(&problem, &request_id));
                problem.into_response(Some(&request_id), ctx.trace().map(|trace| trace.trace_id))
            }
        };
        response.headers_mut().insert(header::REQUEST_ID, request_id);
        response
    }

    /// Reads the head: the request's id, its span, and its time unless the head is refused.
    fn begin(&self, parts: &Parts) -> (HeaderValue, Seen<'_>, Result<Duration, Problem>) {
        let head = Head::of(parts);
        let root = match &self.answering {
            Answering::Call(_) => &self.shared.root,
            Answering::Stream(_) => &self.shared.stream_root,
        };
        let request_id = self.shared.request_ids.take(head.request_id.first);
        let mut seen = self.metrics.begin(self.span(root, head.traceparent.first));
        let limit = self.shape.timeout.unwrap_or(self.shared.limits.timeout);
        let budget = deadline::budget(&head, limit);
        if let Ok(budget) = &budget {
            // The name that the context gives it, where a span begins under a deadline.
            seen.span.set("budget_us", i64::try_from(budget.as_micros()).unwrap_or(i64::MAX));
        }
        let taken = check_head(head.bytes, parts.headers.len(), &self.shared.limits);
        (request_id, seen, taken.and_then(|()| Ok(budget?)))
    }

    fn span(&self, root: &Context, traceparent: Option<&HeaderValue>) -> staffa_context::Span {
        let parent = traceparent.and_then(|value| value.to_str().ok());
        match parent.and_then(TraceContext::from_traceparent) {
            None => root.span_of(SpanKind::Server, self.name),
            parent => root.with_trace(parent).span_of(SpanKind::Server, self.name),
        }
    }

    async fn answer(
        &self,
        ctx: &Context,
        budget: Duration,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Problem> {
        match &self.answering {
            Answering::Call(operation) => {
                if budget.is_zero() {
                    return Err(Cause::DeadlineExceeded.into());
                }
                self.call(operation, &ctx.with_timeout(budget), parts, body).await.map(Reply::into_response)
            }
            Answering::Stream(operation) => {
                let input = gather(&self.shape, &parts.uri, b"")?;
                // Boxed, so that the future of a call has no room for it.
                Box::pin(stream::open(operation, &self.shared, ctx, budget, (&parts.headers, input))).await
            }
        }
    }

    async fn call(
        &self,
        operation: &Arc<dyn Operation>,
        ctx: &Context,
        parts: &Parts,
        body: Body,
    ) -> Result<Reply, Problem> {
        let place = self.shared.requests.admit()?;
        let keyed = self.keyed(&parts.headers)?;
        let body = if self.shape.method.has_body() && !body.is_end_stream() {
            check_media_type(&parts.headers)?;
            // Boxed, so that the future of a call without a body has no room for it.
            Box::pin(self.read(ctx, body)).await?
        } else {
            Bytes::new()
        };
        let input = gather(&self.shape, &parts.uri, &body)?;
        let (ctx, cancel) = ctx.with_cancel();
        let future = Arc::clone(operation).start(ctx.clone(), input, keyed);
        let mut running =
            Running::new(future, (ctx, cancel), self.shape.policy, self.shared.limits.grace, Some(place));
        running.result().await.map_err(Problem::from)
    }

    fn keyed(&self, headers: &HeaderMap) -> Result<Option<Keyed>, Failure> {
        if !self.shape.keyed {
            return Ok(None);
        }
        let (key, answers) = (idempotency::key(headers)?, self.shared.server.answers.clone());
        Ok(Some(Keyed { scope: self.name.to_owned(), key, answers }))
    }

    async fn read(&self, ctx: &Context, body: Body) -> Result<Bytes, Problem> {
        let bytes_max = self.shape.body_max.unwrap_or(self.shared.limits.body_max);
        if body.size_hint().lower() > bytes_max as u64 {
            return Err(too_large(bytes_max).into());
        }
        let reading = ctx.with_timeout(self.shared.limits.body_read);
        match reading.run(Limited::new(body, bytes_max).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max).into()),
            Ok(Err(error)) => {
                Err(Failure::new(Kind::Invalid, "the body broke off").with_log(error.to_string()).into())
            }
            Err(cause) => Err(ctx.check().map_or_else(|_| cause.clone().into(), |()| too_slow())),
        }
    }
}

fn too_large(bytes_max: usize) -> Failure {
    Failure::new(Kind::TooLarge, format!("the body may have {bytes_max} bytes at most"))
}

fn too_slow() -> Problem {
    Problem::new(408, "request_timeout", "The request came too slowly", "the body did not arrive in time")
}

/// Refuses a head beyond the limits. What is far beyond, the connection refuses by itself.
fn check_head(bytes: usize, fields: usize, limits: &Limits) -> Result<(), Problem> {
    let words = if fields > limits.headers_max {
        format!("a request may have {} header fields at most", limits.headers_max)
    } else if bytes > limits.header_max {
        format!("address and header fields may have {} bytes together at most", limits.header_max)
    } else {
        return Ok(());
    };
    Err(Problem::new(431, "head_too_large", "The request's head is too large", words))
}

/// Refuses a body that is not said to be JSON in UTF-8.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (media_type, parameters) = given.split_once(';').unwrap_or((given, ""));
    let media_type = media_type.trim().to_ascii_lowercase();
    let json = media_type == header::JSON
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    if json && charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8")) {
        return Ok(());
    }
    let words =
        format!("the body must be JSON in UTF-8 with `content-type: application/json`, and says `{given}`");
    Err(Problem::new(415, "unsupported_media_type", "The body is not JSON", words))
}
