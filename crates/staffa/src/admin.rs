//! The admin port: liveness, readiness, metrics and the log's level.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use staffa_context::Context;
use staffa_telemetry::MetricsFormat;
use staffa_transport::Limits;

use crate::health::Health;
use crate::recorder::Recorder;

struct Admin {
    ctx: Context,
    health: Arc<Health>,
    recorder: Recorder,
    level: Mutex<String>,
}

/// Few ask here, and none of them may hold up the end of the process.
pub(crate) fn limits() -> Limits {
    Limits {
        connections: 100,
        drain: Duration::from_millis(200),
        grace: Duration::from_millis(100),
        ..Limits::default()
    }
}

/// What operators and their tools ask. Nothing here is counted, traced or limited.
pub(crate) fn router(ctx: &Context, health: &Arc<Health>, recorder: &Recorder, level: &str) -> Router {
    let admin = Admin {
        ctx: ctx.clone(),
        health: Arc::clone(health),
        recorder: recorder.clone(),
        level: Mutex::new(level.to_owned()),
    };
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/log/level", get(level_now).put(set_level))
        .with_state(Arc::new(admin))
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let (ready, report) = admin.health.ready(&admin.ctx).await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CONTENT_TYPE, "application/json")], format!("{report}\n")).into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = MetricsFormat::from_accept(accept);
    ([(CONTENT_TYPE, format.content_type())], admin.recorder.metrics(format)).into_response()
}

async fn level_now(State(admin): State<Arc<Admin>>) -> String {
    format!("{}\n", admin.level.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Takes directives as `info,orders=debug` for as long as the process runs.
async fn set_level(State(admin): State<Arc<Admin>>, level: String) -> Response {
    let level = level.trim();
    if let Recorder::Installed(telemetry) = &admin.recorder
        && let Err(error) = telemetry.set_level(level)
    {
        return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response();
    }
    *admin.level.lock().unwrap_or_else(PoisonError::into_inner) = level.to_owned();
    tracing::info!(level, "the log's level was changed");
    format!("{level}\n").into_response()
}
