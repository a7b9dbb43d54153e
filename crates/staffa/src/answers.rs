use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::{Context, Failure};
use staffa_storage::Store;
use staffa_transport::{Answers, KeptAnswer};

/// Looks up kept answers in the stores of one service, where its units keep them.
pub(crate) struct StoredAnswers(pub(crate) Vec<Arc<dyn Store>>);

#[async_trait]
impl Answers for StoredAnswers {
    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<KeptAnswer>, Failure> {
        for store in &self.0 {
            if let Some(kept) = store.kept(ctx, scope, key).await? {
                return Ok(Some(KeptAnswer { digest: kept.digest, answer: kept.answer }));
            }
        }
        Ok(None)
    }
}
