//! Whether a process can serve.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use staffa_context::Context;
use staffa_storage::Store;

/// How long a store has to answer readiness.
const PING: Duration = Duration::from_secs(1);

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Ready,
    Stopping,
}

/// The phase of a process and what it depends on.
pub(crate) struct Health {
    phase: Mutex<Phase>,
    checks: Mutex<Vec<(String, Arc<dyn Store>)>>,
}

impl Health {
    pub(crate) fn starting() -> Self {
        Self { phase: Mutex::new(Phase::Starting), checks: Mutex::default() }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub(crate) fn watch(&self, name: String, store: Arc<dyn Store>) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((name, store));
    }

    /// Whether it is ready, and what each check said.
    pub(crate) async fn ready(&self, ctx: &Context) -> (bool, Value) {
        let phase = *self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = checks.into_iter().map(|(name, store)| ask(ctx, name, store));
        let answers = futures_util::future::join_all(asked).await;
        let well = answers.iter().all(|(_, problem)| problem.is_none());
        let status = match phase {
            Phase::Starting => "starting",
            Phase::Stopping => "stopping",
            Phase::Ready if well => "ready",
            Phase::Ready => "unavailable",
        };
        let checks: Map<String, Value> = answers
            .into_iter()
            .map(|(name, problem)| (name, problem.unwrap_or_else(|| "ok".to_owned()).into()))
            .collect();
        (status == "ready", json!({ "status": status, "checks": checks }))
    }
}

/// What is wrong with a store; the operator reads it, so it is the log's message.
async fn ask(ctx: &Context, name: String, store: Arc<dyn Store>) -> (String, Option<String>) {
    let ctx = ctx.with_timeout(PING);
    let problem = match ctx.run(store.ping(&ctx)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(cause) => Some(format!("no answer within {} s: {cause}", PING.as_secs())),
    };
    (name, problem)
}
