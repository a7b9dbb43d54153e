use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use staffa_context::{BoxFuture, Context};

use super::case::{LIMIT, within};
use super::{Broken, Open, Outcome};
use crate::{Entity, Error, Moving, Page, Repository, Result, Schema, Store, Unit, Versioned};

/// What a case has to work with: a context and places to open stores at.
pub struct Test<'a> {
    pub(super) ctx: &'a Context,
    pub(super) open: &'a (dyn Open + 'static),
    pub(super) place: String,
}

impl std::fmt::Debug for Test<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Test").field("place", &self.place).finish_non_exhaustive()
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(format!("unexpected error {error:?}"))
    }
}

/// How much longer a case may take for each round.
const ROUND: Duration = Duration::from_millis(200);

/// How long removing a case's stores may take.
const CLEAN: Duration = Duration::from_secs(20);

/// Runs a case on stores of its own, and removes them.
pub(super) async fn on_stores(
    ctx: &Context,
    open: &(dyn Open + 'static),
    case: for<'a> fn(&'a Test<'a>) -> BoxFuture<'a, Outcome>,
) -> Outcome {
    let rounds = u32::try_from(open.rounds()).unwrap_or(u32::MAX);
    let timed = ctx.with_timeout(LIMIT + ROUND.saturating_mul(rounds));
    let test = Test::new(&timed, open);
    let outcome = within(&timed, case(&test)).await;
    // What a store cannot remove in that time stays: it says nothing about the rule.
    let brief = ctx.with_timeout(CLEAN);
    let _ = brief.run(test.clean(&brief)).await;
    outcome
}

impl<'a> Test<'a> {
    fn new(ctx: &'a Context, open: &'a (dyn Open + 'static)) -> Self {
        Self { ctx, open, place: format!("case_{}", ctx.uuid().simple()) }
    }

    /// The case's store, empty the first time.
    pub(super) async fn store(&self, schemas: Vec<Schema>) -> Outcome<Arc<dyn Store>> {
        Ok(self.open.open(self.ctx, &self.place, schemas).await?)
    }

    /// A second store, which knows nothing of the first.
    pub(super) async fn other_store(&self, schemas: Vec<Schema>) -> Outcome<Arc<dyn Store>> {
        Ok(self.open.open(self.ctx, &self.other_place(), schemas).await?)
    }

    /// The case's store, closed and opened again with these schemas.
    pub(super) async fn reopen(
        &self,
        store: Arc<dyn Store>,
        schemas: Vec<Schema>,
    ) -> Outcome<Arc<dyn Store>> {
        self.try_reopen(store, schemas).await.map_err(Broken::from)
    }

    /// The same for an opening that is expected to fail.
    pub(super) async fn try_reopen(
        &self,
        store: Arc<dyn Store>,
        schemas: Vec<Schema>,
    ) -> Result<Arc<dyn Store>> {
        store.close(self.ctx).await?;
        drop(store);
        self.open.open(self.ctx, &self.place, schemas).await
    }

    /// A handle for moving the case's store, beside those that are open.
    pub(super) async fn moving(&self, schemas: Vec<Schema>) -> Outcome<Arc<dyn Moving>> {
        Ok(self.open.moving(self.ctx, &self.place, schemas).await?)
    }

    /// The same for the second store.
    pub(super) async fn other_moving(&self, schemas: Vec<Schema>) -> Outcome<Arc<dyn Moving>> {
        Ok(self.open.moving(self.ctx, &self.other_place(), schemas).await?)
    }

    pub(super) async fn clean(&self, ctx: &Context) {
        self.open.remove(ctx, &self.place).await;
        self.open.remove(ctx, &self.other_place()).await;
    }

    fn other_place(&self) -> String {
        format!("{}_other", self.place)
    }
}

/// Fails with these words unless `held`.
///
/// # Errors
///
/// [`Broken`].
pub fn holds(words: &str, held: bool) -> Outcome {
    if held { Ok(()) } else { Err(Broken(words.to_owned())) }
}

/// Fails unless both are the same.
///
/// # Errors
///
/// [`Broken`], with both.
pub fn same<T: PartialEq + Debug>(words: &str, got: T, want: T) -> Outcome {
    if got == want {
        return Ok(());
    }
    let told = |value: &T| format!("{value:?}").chars().take(600).collect::<String>();
    Err(Broken(format!("{words}: got {}, want {}", told(&got), told(&want))))
}

/// Fails unless this is the error.
pub(super) fn refused<T: Debug>(words: &str, got: Result<T>, want: &Error) -> Outcome {
    match got {
        Err(error) if error == *want => Ok(()),
        other => {
            let told: String = format!("{other:?}").chars().take(600).collect();
            Err(Broken(format!("{words}: got {told}, want {want:?}")))
        }
    }
}

/// Fails unless this is an invalid value at that path.
pub(super) fn invalid<T: Debug>(got: Result<T>, want: &str) -> Outcome {
    match got {
        Err(Error::Invalid { path, .. }) if path == want => Ok(()),
        other => {
            let told: String = format!("{other:?}").chars().take(600).collect();
            Err(Broken(format!("got {told}, want it refused at {want}")))
        }
    }
}

pub(super) fn conflict<E: Entity>(id: &str) -> Error {
    Error::Conflict { kind: E::KIND.into(), id: id.into() }
}

pub(super) fn duplicate<E: Entity>(index: &str) -> Error {
    Error::Duplicate { kind: E::KIND.into(), index: index.into() }
}

/// Commits one unit that does this.
pub(super) async fn commit<T>(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    work: impl FnOnce(&mut Unit<'_>) -> T,
) -> Result<T> {
    let mut unit = store.unit();
    let made = work(&mut unit);
    unit.commit(test.ctx).await?;
    Ok(made)
}

/// Inserts these, at most 1,000 in one unit.
pub(super) async fn insert_all<E: Entity>(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    entities: &[E],
) -> Result<()> {
    for some in entities.chunks(Unit::LEN_MAX) {
        commit(test, store, |unit| some.iter().cloned().for_each(|entity| drop(unit.insert(entity)))).await?;
    }
    Ok(())
}

pub(super) async fn insert<E: Entity>(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    entity: E,
) -> Result<Versioned<E>> {
    commit(test, store, |unit| unit.insert(entity)).await
}

pub(super) async fn find<E: Entity>(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    id: &E::Id,
) -> Result<Option<Versioned<E>>> {
    Repository::<E>::new(store).find(test.ctx, id).await
}

/// How many there are, up to 1,000.
pub(super) async fn count<E: Entity>(test: &Test<'_>, store: &Arc<dyn Store>) -> Result<usize> {
    let page = Page::first().limit(Page::LIMIT_MAX);
    Ok(Repository::<E>::new(store).all(test.ctx, page).await?.items.len())
}

/// What the read gives once the new index that it reads by is whole.
pub(super) async fn whole<T, Fut>(ctx: &Context, read: impl Fn() -> Fut) -> Result<T>
where
    Fut: Future<Output = Result<T>>,
{
    loop {
        match read().await {
            Err(Error::Unavailable(_)) => ctx.sleep(Duration::from_millis(10)).await?,
            other => return other,
        }
    }
}

/// The output of `future`, or `None` when it is still pending after `polls` polls; it is then dropped.
pub(super) async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut left = polls;
    let mut future = pin!(future);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
