//! Reads that take their time: a port of the shop's own, with an adapter for each store.
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shop_core::catalog::SlowReads;
use staffa::context::Span;
use staffa::sqlite::Sqlite;
use staffa::{Context, Failure};

/// One statement that keeps SQLite busy for some seconds: it counts without an end in sight, and the adapter's
/// progress handler stops it when the context ends.
pub(crate) struct SlowSqlite(pub(crate) Arc<Sqlite>);

/// How far it counts: 4 to 10 seconds on the machines that it was tried on.
const COUNT: &str = "WITH RECURSIVE counting(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < 40000000) \
                     SELECT max(n) FROM counting";

#[async_trait]
impl SlowReads for SlowSqlite {
    async fn read_slowly(&self, ctx: &Context) -> Result<(), Failure> {
        let mut span = ctx.span("slow statement");
        let read = self.0.read(&span, |connection| connection.query_row(COUNT, [], |_| Ok(()))).await;
        read.map_err(|error| failed(&mut span, error.into()))
    }
}

/// The in-memory store has no statements: it waits.
pub(crate) struct SlowMemory;

#[async_trait]
impl SlowReads for SlowMemory {
    async fn read_slowly(&self, ctx: &Context) -> Result<(), Failure> {
        let mut span = ctx.span("slow read");
        let slept = span.sleep(Duration::from_secs(5)).await;
        slept.map_err(|cause| failed(&mut span, cause.into()))
    }
}

/// Notes in the span why it stopped.
fn failed(span: &mut Span, failure: Failure) -> Failure {
    span.fail(&failure);
    failure
}
