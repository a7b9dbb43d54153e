//! What a route tells of its requests: spans, RED metrics and one log line for each that failed.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use staffa_context::{Context, Instant, Metric, MetricKind, Series, Span};

use crate::answer::Problem;
use crate::endpoint::Shape;

const DURATION: Metric = Metric {
    name: "http_server_request_duration_seconds",
    help: "Time from a request's head to its answer's, by method, route and status.",
    kind: MetricKind::Histogram,
};
const IN_FLIGHT: Metric = Metric {
    name: "http_server_requests_in_flight",
    help: "Requests that wait for their answer, by method and route.",
    kind: MetricKind::Gauge,
};

/// The status of a request whose client did not wait for its answer.
const CLIENT_GONE: u16 = 499;

/// The series of one route.
pub(crate) struct RouteMetrics {
    ctx: Context,
    method: &'static str,
    route: &'static str,
    in_flight: Series,
    ok: Series,
    others: Mutex<BTreeMap<u16, Series>>,
}

impl RouteMetrics {
    pub(crate) fn new(ctx: &Context, shape: &Shape) -> Self {
        let (method, route) = (shape.method.as_str(), shape.path);
        Self {
            in_flight: ctx.series(&IN_FLIGHT, &[("method", method), ("route", route)]),
            ok: duration(ctx, method, route, 200),
            others: Mutex::default(),
            ctx: ctx.clone(),
            method,
            route,
        }
    }

    /// One request, seen from its head on.
    pub(crate) fn begin(&self, mut span: Span) -> Seen<'_> {
        self.in_flight.add(1);
        if span.is_recording() {
            span.set("http.request.method", self.method);
            span.set("http.route", self.route);
        }
        Seen { metrics: self, started: span.clock().now(), span, status: CLIENT_GONE }
    }

    fn observe(&self, status: u16, span: &Span, started: Instant) {
        let seconds = span.clock().now().saturating_duration_since(started).as_secs_f64();
        if status == 200 {
            return self.ok.observe(seconds, span.trace());
        }
        // The set of statuses is bounded: all of them are written by this crate.
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let series =
            others.entry(status).or_insert_with(|| duration(&self.ctx, self.method, self.route, status));
        series.observe(seconds, span.trace());
    }
}

fn duration(ctx: &Context, method: &str, route: &str, status: u16) -> Series {
    ctx.series(&DURATION, &[("method", method), ("route", route), ("status", &status.to_string())])
}

/// A request in hand. Dropped before it was answered, its client had gone.
pub(crate) struct Seen<'a> {
    metrics: &'a RouteMetrics,
    pub(crate) span: Span,
    started: Instant,
    status: u16,
}

impl Seen<'_> {
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
    }

    /// Notes a problem, and logs it: the only place that does.
    pub(crate) fn failed(&mut self, problem: &Problem, request_id: &HeaderValue) {
        self.status = problem.status;
        if problem.status >= 500 {
            self.span.fail(&problem.failure);
        }
        let (method, route) = (self.metrics.method, self.metrics.route);
        let request_id = request_id.to_str().unwrap_or_default();
        let (status, kind, error) = (problem.status, problem.label, &problem.failure);
        match status {
            500 => tracing::error!(method, route, status, kind, request_id, %error, "the request failed"),
            501.. => tracing::warn!(method, route, status, kind, request_id, %error, "the request failed"),
            _ => tracing::debug!(method, route, status, kind, request_id, %error, "the request was refused"),
        }
    }
}

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.add(-1);
        self.metrics.observe(self.status, &self.span, self.started);
        if self.span.is_recording() {
            self.span.set("http.response.status_code", i64::from(self.status));
            if self.status == CLIENT_GONE {
                self.span.fail("the client went away");
            }
        }
    }
}
