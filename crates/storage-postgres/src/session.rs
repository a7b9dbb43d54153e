//! One connection while an operation has it.
//!
//! Invariants:
//! 1. A connection goes back to the pool only if no statement and no transaction of it is under way, and its settings are those
//!    that it began with.
//! 2. One whose statement was cancelled goes back only if one cancellation was sent and the server said that a cancellation,
//!    and no timeout, stopped the statement: one that came late would hit somebody else's.
//! 3. No cancellation is sent before the server has begun the transaction: one that hit `BEGIN` would leave the statements
//!    that were sent behind it without a transaction, each for itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use deadpool_postgres::Object;
use futures_util::TryStreamExt;
use futures_util::future::join;
use tokio::sync::watch;
use tokio_postgres::error::Severity;
use tokio_postgres::types::Type;
use tokio_postgres::{CancelToken, Client, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::is_stopped_by_request;
use crate::pool::Crew;
use crate::row::Param;

/// Under another isolation, which a server may have as its default, a unit would not see what came while it waited for a lock.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// What a statement of the driver gives.
pub(crate) type Told<T> = Result<T, tokio_postgres::Error>;

/// The text of a statement with the types of its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) types: Vec<Type>,
}

impl Sql {
    pub(crate) fn new(text: impl Into<String>, types: impl IntoIterator<Item = Type>) -> Self {
        Self { text: text.into(), types: types.into_iter().collect() }
    }
}

/// A statement that can be run without a word to the server before.
pub(crate) enum Ready<'a> {
    Prepared(Statement),
    Text(&'a Sql),
}

/// A connection of the pool.
pub(crate) struct Session {
    object: Option<Object>,
    stop: Arc<Stop>,
    crew: Arc<Crew>,
    /// Statements that it keeps prepared at most.
    cache: usize,
    running: AtomicUsize,
    open: AtomicBool,
    torn: AtomicBool,
    /// Whether it is closed rather than given back.
    spent: AtomicBool,
}

impl Session {
    pub(crate) fn new(object: Object, tls: MakeRustlsConnect, cache: usize, crew: Arc<Crew>) -> Self {
        let stop = Arc::new(Stop::new(object.cancel_token(), tls));
        crew.leave();
        let running = AtomicUsize::new(0);
        let [open, torn, spent] = [false; 3].map(AtomicBool::new);
        Self { object: Some(object), stop, crew, cache, running, open, torn, spent }
    }

    /// What stops its statement.
    pub(crate) fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop)
    }

    fn object(&self) -> &Object {
        // It is taken only when the session is dropped.
        self.object.as_ref().expect("a session has its connection until it is dropped")
    }

    /// The driver's own handle.
    pub(crate) fn client(&self) -> &Client {
        self.object()
    }

    /// The statement, prepared if this store prepares any.
    pub(crate) async fn ready<'a>(&self, sql: &'a Sql) -> Told<Ready<'a>> {
        if self.cache == 0 {
            return Ok(Ready::Text(sql));
        }
        let cache = &self.object().statement_cache;
        if cache.size() >= self.cache {
            cache.clear();
        }
        self.watched(self.object().prepare_typed_cached(&sql.text, &sql.types)).await.map(Ready::Prepared)
    }

    /// The rows that a statement gives.
    pub(crate) async fn rows(&self, ready: &Ready<'_>, params: &[Param]) -> Told<Vec<Row>> {
        self.watched(async {
            let rows = match ready {
                Ready::Prepared(statement) => self.client().query_raw(statement, params.iter()).await?,
                Ready::Text(sql) => {
                    let typed = params.iter().zip(sql.types.iter().cloned());
                    self.client().query_typed_raw(&sql.text, typed).await?
                }
            };
            rows.try_collect().await
        })
        .await
    }

    /// The same for a statement that is not ready yet.
    pub(crate) async fn query(&self, sql: &Sql, params: &[Param]) -> Told<Vec<Row>> {
        let ready = self.ready(sql).await?;
        self.rows(&ready, params).await
    }

    /// How many rows a statement wrote.
    pub(crate) async fn execute(&self, ready: &Ready<'_>, params: &[Param]) -> Told<u64> {
        self.watched(async {
            match ready {
                Ready::Prepared(statement) => self.client().execute_raw(statement, params.iter()).await,
                Ready::Text(sql) => {
                    let typed = params.iter().zip(sql.types.iter().cloned());
                    let rows = self.client().query_typed_raw(&sql.text, typed).await?;
                    let mut rows = std::pin::pin!(rows);
                    while rows.try_next().await?.is_some() {}
                    Ok(rows.rows_affected().unwrap_or(0))
                }
            }
        })
        .await
    }

    /// Runs statements without parameters, as text.
    pub(crate) async fn simple(&self, text: &str) -> Told<()> {
        self.watched(self.client().batch_execute(text)).await
    }

    /// Begins a transaction, which lasts until `commit` or `rollback`, and runs a text first in it.
    ///
    /// `BEGIN` is a message of its own, in the same round trip: so its answer comes while the text waits for a lock.
    pub(crate) async fn begin(&self, text: &str) -> Told<()> {
        self.open.store(true, Ordering::Release);
        self.stop.begins.send_replace(true);
        let begin = async {
            let begun = self.simple(BEGIN).await;
            self.stop.begins.send_replace(false);
            self.torn.store(begun.as_ref().is_err_and(is_error), Ordering::Release);
            begun
        };
        let rest = async { if text.is_empty() { Ok(()) } else { self.simple(text).await } };
        let (begun, rest) = join(begin, rest).await;
        begun.and(rest)
    }

    /// Whether the server stopped `BEGIN`, as an administrator may have it do: what was sent behind it ran without a
    /// transaction.
    pub(crate) fn is_torn(&self) -> bool {
        self.torn.load(Ordering::Acquire)
    }

    /// Commits; also ends a transaction that an error has ended already.
    pub(crate) async fn commit(&self) -> Told<()> {
        self.simple("COMMIT").await?;
        self.ended();
        Ok(())
    }

    /// Commits a transaction of which it is not known whether an error has ended it: that is the error then.
    pub(crate) async fn commit_whole(&self) -> Told<()> {
        // To a `COMMIT` alone the server says that it rolled back, and no error.
        self.simple("SELECT 1; COMMIT").await?;
        self.ended();
        Ok(())
    }

    /// Takes the transaction back. One that cannot be taken back costs the connection, and is then over as well.
    pub(crate) async fn rollback(&self) {
        if self.simple("ROLLBACK").await.is_ok() {
            self.ended();
        }
    }

    fn ended(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// Notes that a statement is under way, and how it ended.
    pub(crate) async fn watched<T>(&self, statement: impl Future<Output = Told<T>>) -> Told<T> {
        self.running.fetch_add(1, Ordering::AcqRel);
        let result = statement.await;
        self.running.fetch_sub(1, Ordering::AcqRel);
        if let Err(error) = &result
            && is_stopped_by_request(error)
        {
            self.stop.hear();
        }
        result
    }

    /// Says that it gets settings of its own: nobody else is to have it.
    pub(crate) fn spend(&self) {
        self.spent.store(true, Ordering::Release);
    }

    fn is_clean(&self) -> bool {
        let running = self.running.load(Ordering::Acquire) > 0;
        let spent = self.spent.load(Ordering::Acquire);
        !running && !spent && !self.open.load(Ordering::Acquire) && !self.stop.may_come()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let clean = self.is_clean();
        if let Some(object) = self.object.take()
            && !clean
        {
            // Closed, and gone from the pool.
            drop(Object::take(object));
        }
        self.crew.come_back();
    }
}

/// Whether the server refused a statement and goes on with the next.
fn is_error(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|refused| refused.parsed_severity() == Some(Severity::Error))
}

/// Stops the statement of one session.
pub(crate) struct Stop {
    token: CancelToken,
    tls: MakeRustlsConnect,
    /// Whether a `BEGIN` has no answer yet.
    begins: watch::Sender<bool>,
    /// How often the server was asked; again only when the one who asked was dropped meanwhile.
    sent: AtomicUsize,
    /// Whether it was asked to the end.
    asked: AtomicBool,
    /// Whether it said that it stopped a statement since it was asked to.
    heard: AtomicBool,
}

impl Stop {
    fn new(token: CancelToken, tls: MakeRustlsConnect) -> Self {
        let [asked, heard] = [false, false].map(AtomicBool::new);
        Self { token, tls, begins: watch::Sender::new(false), sent: AtomicUsize::new(0), asked, heard }
    }

    /// Asks the server to stop what the session runs now, once a transaction that begins has begun.
    pub(crate) async fn send(&self) {
        let mut begins = self.begins.subscribe();
        // It fails only without a sender, which is here.
        let _begun = begins.wait_for(|begins| !begins).await.is_ok();
        if self.asked.load(Ordering::Acquire) {
            return;
        }
        self.sent.fetch_add(1, Ordering::AcqRel);
        if let Err(error) = self.token.cancel_query(self.tls.clone()).await {
            tracing::debug!(%error, "a statement could not be cancelled");
        }
        self.asked.store(true, Ordering::Release);
    }

    /// Notes that the server stopped a statement because somebody asked.
    fn hear(&self) {
        if self.sent.load(Ordering::Acquire) > 0 {
            self.heard.store(true, Ordering::Release);
        }
    }

    /// Whether a cancellation that was sent has not hit yet.
    fn may_come(&self) -> bool {
        match self.sent.load(Ordering::Acquire) {
            0 => false,
            1 => !self.heard.load(Ordering::Acquire),
            _ => true,
        }
    }
}

/// A step of a batch.
pub(crate) type Step<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The outputs of these. All are sent in this order before the first answer is waited for, so that together they take one
/// round trip.
pub(crate) async fn together<T>(mut steps: Vec<Step<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = Vec::with_capacity(steps.len());
    std::future::poll_fn(|cx| {
        for step in &mut steps[done.len()..] {
            done.push(match step.as_mut().poll(cx) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            });
        }
        std::task::Poll::Ready(())
    })
    .await;
    let mut outputs = Vec::with_capacity(steps.len());
    for (step, done) in steps.into_iter().zip(done) {
        // Answers come in the order of the statements.
        outputs.push(match done {
            Some(output) => output,
            None => step.await,
        });
    }
    outputs
}

#[cfg(test)]
mod tests;
