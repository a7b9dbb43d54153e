//! A store whose commits come late.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use staffa_context::{Context, Timestamp};
use staffa_storage::{Backlog, Commit, Event, Found, Kept, Part, Result, Scan, Seen, Store, Unsent};
use uuid::Uuid;

/// Waits before each commit, whose events have their times and ids by then, for up to 20 ms at random.
pub(super) struct Late(pub(super) Arc<dyn Store>);

#[async_trait]
impl Store for Late {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        self.0.get(ctx, kind, id).await
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        self.0.get_many(ctx, kind, ids).await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        self.0.scan(ctx, scan).await
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        ctx.sleep(Duration::from_micros(ctx.instruments().ids.random() % 20_000)).await?;
        self.0.commit(ctx, commit).await
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        self.0.kept(ctx, scope, key).await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        self.0.unsent(ctx, unsent).await
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        self.0.backlog(ctx, limit).await
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        self.0.mark_sent(ctx, events).await
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        self.0.sweep(ctx, before, limit).await
    }

    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.0.ping(ctx).await
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        self.0.close(ctx).await
    }
}
