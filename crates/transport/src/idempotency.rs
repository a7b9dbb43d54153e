//! Kept answers, as an endpoint with an idempotency key needs them.
use async_trait::async_trait;
use serde_json::Value;
use staffa_context::{Context, Failure};

/// Where kept answers are looked up. The handler keeps them, in the same commit as its effect.
#[async_trait]
pub trait Answers: Send + Sync {
    /// The answer that was kept under this key in this scope ("POST /orders"). `Ok(None)` when there is none.
    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<KeptAnswer>, Failure>;
}

/// An answer and the request that it answered.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAnswer {
    /// SHA-256 of the canonical request: see [`staffa_context::IdempotencyKey::digest`].
    pub digest: [u8; 32],
    /// The response.
    pub answer: Value,
}
