//! Kept answers, as an endpoint with an idempotency key needs them.
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use staffa_context::{Context, Failure, IdempotencyKey, Kind, canonical};

use crate::answer::Reply;
use crate::header;

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

/// The key of one request, and where its answer may be kept.
pub(crate) struct Keyed {
    pub(crate) scope: String,
    pub(crate) key: String,
    pub(crate) answers: Option<Arc<dyn Answers>>,
}

impl Keyed {
    /// The answer kept for this very request.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when the key was used for another request.
    pub(crate) async fn kept(&self, ctx: &Context, digest: [u8; 32]) -> Result<Option<Reply>, Failure> {
        let Some(answers) = &self.answers else { return Ok(None) };
        match answers.kept(ctx, &self.scope, &self.key).await? {
            None => Ok(None),
            Some(kept) if kept.digest == digest => Ok(Some(Reply::replayed(&kept.answer))),
            Some(_) => Err(Failure::new(
                Kind::Conflict,
                "this idempotency key was used for another request; use a new one",
            )),
        }
    }

    /// The value that the handler's context carries.
    pub(crate) fn value(&self, digest: [u8; 32]) -> IdempotencyKey {
        IdempotencyKey { scope: self.scope.clone(), key: self.key.clone(), digest }
    }
}

/// The key that a request must bring.
pub(crate) fn key(headers: &HeaderMap) -> Result<String, Failure> {
    let mut values = headers.get_all(header::IDEMPOTENCY_KEY).iter();
    let key = values.next().map(http::HeaderValue::as_bytes).unwrap_or_default();
    let sane = (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    match (sane, values.next()) {
        (true, None) => Ok(key.iter().copied().map(char::from).collect()),
        _ => Err(Failure::new(
            Kind::Invalid,
            "this endpoint needs the header `idempotency-key` once, with 1 to 255 visible ASCII characters: \
             the same for every repeat of one request",
        )),
    }
}

/// SHA-256 of the request as canonical JSON.
pub(crate) fn digest(request: &impl Serialize) -> Result<[u8; 32], Failure> {
    let value = serde_json::to_value(request).map_err(|error| {
        Failure::new(Kind::Internal, "the service cannot read its own request").with_log(error.to_string())
    })?;
    Ok(canonical::digest(&value))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::key;
    use http::HeaderMap;

    #[test]
    fn a_key_is_visible_ascii() {
        let check = |keys: &[&[u8]], good: bool| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append("idempotency-key", http::HeaderValue::from_bytes(key).unwrap());
            }
            assert_eq!(key(&headers).is_ok(), good, "{keys:?}");
        };
        check(&[b"581475"], true);
        check(&[&[b'k'; 255]], true);
        check(&[&[b'k'; 256]], false);
        check(&[b""], false);
        check(&[b"two words"], false);
        check(&["schlüssel".as_bytes()], false);
        check(&[b"one", b"two"], false);
        check(&[], false);
    }
}
