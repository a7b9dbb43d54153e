//! A store in memory behind a line and a pool, as one on a server is, with a fault.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use staffa_context::{Context, Timestamp};
use staffa_storage::conformance::{self, Ability, Faults, Memories, Open, Slow, Verdict};
use staffa_storage::{
    Backlog, Commit, Error, Event, Found, Kept, Part, Result, Scan, Schema, Seen, Store, Unsent,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

/// What an adapter does wrong with its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    LeavesATransaction,
    LosesItsConnections,
    RunsOn,
    RunsOnWhenDropped,
    HangsWhenCut,
    NeverComesBack,
    SaysEndedOfACutCommit,
    SaysUnavailableOfACutCommit,
    CommitsHalfWhenCut,
    IgnoresTheDeadline,
    LeavesSessionsWhenCut,
    WaitsForThePool,
}

pub(super) const FAULTS: &[(Fault, &str)] = &[
    (Fault::LeavesATransaction, "cancel::an_operation_dropped_anywhere_leaves_nothing"),
    (Fault::LeavesATransaction, "cancel::an_operation_cancelled_anywhere_leaves_nothing"),
    (Fault::LeavesATransaction, "cancel::operations_dropped_at_any_time_leave_nothing"),
    (Fault::LosesItsConnections, "cancel::operations_dropped_at_any_time_leave_nothing"),
    (Fault::RunsOn, "cancel::a_deadline_frees_the_server"),
    (Fault::RunsOnWhenDropped, "cancel::a_dropped_statement_frees_the_server"),
    (Fault::HangsWhenCut, "away::a_server_that_is_away_is_unavailable"),
    (Fault::NeverComesBack, "away::a_server_that_is_back_serves_again"),
    (Fault::SaysEndedOfACutCommit, "away::a_commit_cut_at_any_answer_tells_the_truth"),
    (Fault::SaysUnavailableOfACutCommit, "away::a_commit_cut_at_any_answer_tells_the_truth"),
    (Fault::CommitsHalfWhenCut, "away::a_commit_cut_at_any_answer_tells_the_truth"),
    (Fault::IgnoresTheDeadline, "away::a_silent_server_holds_nobody_beyond_the_deadline"),
    (Fault::LeavesSessionsWhenCut, "away::what_was_cut_leaves_no_session"),
    (Fault::WaitsForThePool, "away::an_exhausted_pool_refuses_within_the_budget"),
];

#[tokio::test]
async fn each_fault_of_an_adapter_with_a_server_is_caught() {
    let caught = FAULTS.iter().map(|(fault, name)| async move {
        let remote = Remote::with(*fault);
        let case = conformance::cases().find(|case| case.name == *name).unwrap();
        // What hangs is told from what is slow by the case's own end, and sooner than that.
        let ctx = Context::background().with_timeout(Duration::from_secs(10));
        let verdict = case.run(&ctx, &remote).await.verdict;
        (fault, name, verdict)
    });
    for (fault, name, verdict) in futures_util::future::join_all(caught).await {
        assert!(matches!(verdict, Verdict::Failed(_)), "{fault:?} in {name}: {verdict:?}");
    }
}

#[tokio::test]
async fn an_adapter_with_a_server_and_without_a_fault_passes() {
    let (remote, mut told) = (Remote::with(Fault::None), String::new());
    for group in ["cancel::", "away::", "ending::"] {
        conformance::run_all(&Context::background(), &remote, group, |report| {
            if !matches!(report.verdict, Verdict::Passed | Verdict::Skipped(Ability::Move)) {
                told.push_str(&format!("{report}\n"));
            }
        })
        .await;
    }
    assert!(told.is_empty(), "{told}");
}

/// How the line to the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Whole,
    Cut,
    Stalled,
    /// So many more answers come back.
    CutAfter(usize),
}

/// Sessions in a transaction or executing, by their number, with their place.
#[derive(Default)]
struct Sessions {
    next: AtomicU64,
    busy: Mutex<BTreeMap<u64, String>>,
}

/// One session while it is busy; it is over when this is dropped.
struct Session {
    sessions: Arc<Sessions>,
    number: u64,
    _connection: Option<OwnedSemaphorePermit>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions.busy.lock().unwrap().remove(&self.number);
    }
}

struct Remote {
    fault: Fault,
    memories: Memories,
    line: Arc<watch::Sender<Line>>,
    sessions: Arc<Sessions>,
}

impl Remote {
    fn with(fault: Fault) -> Self {
        let line = Arc::new(watch::Sender::new(Line::Whole));
        Self { fault, memories: Memories::default(), line, sessions: Arc::default() }
    }

    async fn client(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<Client>> {
        Ok(Arc::new(Client {
            fault: self.fault,
            inner: self.memories.open(ctx, place, schemas).await?,
            place: place.to_owned(),
            line: Arc::clone(&self.line),
            sessions: Arc::clone(&self.sessions),
            pool: Arc::new(Semaphore::new(POOL)),
            was_cut: watch::Sender::new(false),
        }))
    }
}

const POOL: usize = 3;

#[async_trait]
impl Open for Remote {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        Ok(self.client(ctx, place, schemas).await?)
    }

    fn can(&self, ability: Ability) -> bool {
        matches!(ability, Ability::Reopen | Ability::Share | Ability::Faults | Ability::Slow)
    }

    fn faults(&self) -> Option<&dyn Faults> {
        Some(self)
    }

    async fn slow(&self, ctx: &Context, place: &str) -> Result<Arc<dyn Slow>> {
        Ok(Arc::new(Sleeper(self.client(ctx, place, conformance::schemas()).await?)))
    }

    async fn leftovers(&self, _ctx: &Context, place: &str) -> Result<Vec<String>> {
        let busy = self.sessions.busy.lock().unwrap();
        Ok(busy.values().filter(|of| *of == place).cloned().collect())
    }

    fn rounds(&self) -> usize {
        30
    }
}

#[async_trait]
impl Faults for Remote {
    async fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    async fn stall(&self) {
        self.line.send_replace(Line::Stalled);
    }

    async fn cut_after(&self, answers: usize) {
        self.line.send_replace(Line::CutAfter(answers));
    }

    async fn mend(&self) {
        self.line.send_replace(Line::Whole);
    }
}

struct Client {
    fault: Fault,
    inner: Arc<dyn Store>,
    place: String,
    line: Arc<watch::Sender<Line>>,
    sessions: Arc<Sessions>,
    pool: Arc<Semaphore>,
    was_cut: watch::Sender<bool>,
}

/// What became of a request on the line.
enum Answer {
    Came,
    /// It did not come; whether the request had reached the server.
    Lost(bool),
}

impl Client {
    async fn session(&self, ctx: &Context) -> Result<Session> {
        let pool = Arc::clone(&self.pool).acquire_owned();
        let connection = match self.fault {
            Fault::WaitsForThePool => pool.await,
            _ => ctx.run(pool).await?,
        };
        let connection = connection.map_err(|_| Error::Unavailable("the pool is closed".into()))?;
        let number = self.sessions.next.fetch_add(1, Ordering::SeqCst);
        self.sessions.busy.lock().unwrap().insert(number, self.place.clone());
        Ok(Session { sessions: Arc::clone(&self.sessions), number, _connection: Some(connection) })
    }

    /// Sends a request and waits for its answer, as long as the line lets it.
    async fn send(&self) -> Answer {
        let mut line = self.line.subscribe();
        // The way there and back.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        loop {
            let now = *line.borrow_and_update();
            match now {
                Line::Whole => return Answer::Came,
                Line::Cut => {
                    self.was_cut.send_replace(true);
                    if self.fault == Fault::HangsWhenCut {
                        std::future::pending::<()>().await;
                    }
                    return Answer::Lost(false);
                }
                Line::CutAfter(0) => {
                    self.line.send_replace(Line::Cut);
                    return Answer::Lost(true);
                }
                Line::CutAfter(answers) => {
                    self.line.send_replace(Line::CutAfter(answers - 1));
                    return Answer::Came;
                }
                Line::Stalled => drop(line.changed().await),
            }
        }
    }

    /// A statement on a session of its own.
    async fn ask(&self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        if self.fault == Fault::NeverComesBack && *self.was_cut.borrow() {
            return Err(Error::Unavailable("the connection is broken".into()));
        }
        let session = Leaky { session: Some(self.session(ctx).await?), fault: self.fault };
        let sent = match self.fault {
            Fault::IgnoresTheDeadline => self.send().await,
            _ => ctx.run(self.send()).await?,
        };
        session.done(matches!(sent, Answer::Came));
        match sent {
            Answer::Came => Ok(()),
            Answer::Lost(_) => Err(Error::Unavailable("the server cannot be reached".into())),
        }
    }

    /// Two requests: what begins the transaction, and what ends it.
    async fn transact(&self, ctx: &Context, commit: Commit) -> Result<()> {
        self.ask(ctx).await?;
        ctx.check()?;
        let session = Leaky { session: Some(self.session(ctx).await?), fault: self.fault };
        let sent = match self.fault {
            Fault::IgnoresTheDeadline => Ok(self.send().await),
            _ => ctx.run(self.send()).await,
        };
        session.done(matches!(sent, Ok(Answer::Came)));
        match sent {
            Ok(Answer::Came) => self.inner.commit(&ctx.shielded(), commit).await,
            Ok(Answer::Lost(true)) => self.lost(ctx, commit).await,
            Ok(Answer::Lost(false)) => Err(Error::Unavailable("the server cannot be reached".into())),
            // What was not sent yet never is.
            Err(cause) => Err(Error::Ended(cause)),
        }
    }

    /// The server commits, and its answer does not come back.
    async fn lost(&self, ctx: &Context, mut commit: Commit) -> Result<()> {
        if self.fault == Fault::CommitsHalfWhenCut {
            commit.events.clear();
        }
        self.inner.commit(&ctx.shielded(), commit).await?;
        Err(match self.fault {
            Fault::SaysEndedOfACutCommit => Error::Ended(staffa_context::Cause::ClientGone),
            Fault::SaysUnavailableOfACutCommit => Error::Unavailable("the server cannot be reached".into()),
            _ => Error::Unknown("the answer did not come".into()),
        })
    }
}

/// A session that a fault leaves behind when its operation is dropped.
struct Leaky {
    session: Option<Session>,
    fault: Fault,
}

impl Leaky {
    fn done(mut self, came: bool) {
        if let Some(session) = self.session.take() {
            match self.fault {
                Fault::LeavesSessionsWhenCut if !came => leave(session),
                _ => drop(session),
            }
        }
    }
}

/// The server goes on with it, and the pool has its place back.
fn leave(mut session: Session) {
    session._connection = None;
    std::mem::forget(session);
}

impl Drop for Leaky {
    fn drop(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        match self.fault {
            Fault::LeavesATransaction => leave(session),
            Fault::LosesItsConnections => {
                if let Some(connection) = session._connection.take() {
                    connection.forget();
                }
            }
            _ => {}
        }
    }
}

#[async_trait]
impl Store for Client {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        self.ask(ctx).await?;
        self.inner.get(ctx, kind, id).await
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        self.ask(ctx).await?;
        self.inner.get_many(ctx, kind, ids).await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        self.ask(ctx).await?;
        self.inner.scan(ctx, scan).await
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        self.transact(ctx, commit).await
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        self.ask(ctx).await?;
        self.inner.kept(ctx, scope, key).await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        self.ask(ctx).await?;
        self.inner.unsent(ctx, unsent).await
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        self.ask(ctx).await?;
        self.inner.backlog(ctx, limit).await
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        self.ask(ctx).await?;
        self.inner.mark_sent(ctx, events).await
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        self.ask(ctx).await?;
        self.inner.sweep(ctx, before, limit).await
    }

    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.ask(ctx).await?;
        self.inner.ping(ctx).await
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        self.inner.close(ctx).await
    }
}

/// A store whose statements sleep.
struct Sleeper(Arc<Client>);

#[async_trait]
impl Slow for Sleeper {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }

    fn pool_len(&self) -> usize {
        POOL
    }

    async fn run(&self, ctx: &Context, lasting: Duration) -> Result<()> {
        let session = self.0.session(ctx).await?;
        let mut running = Running { session: Some(session), fault: self.0.fault };
        let slept = ctx.sleep(lasting).await;
        if self.0.fault != Fault::RunsOn {
            running.session = None;
        }
        Ok(slept?)
    }
}

/// A statement that a fault does not stop.
struct Running {
    session: Option<Session>,
    fault: Fault,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && matches!(self.fault, Fault::RunsOn | Fault::RunsOnWhenDropped)
        {
            leave(session);
        }
    }
}
