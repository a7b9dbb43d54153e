use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use staffa_context::{Context, Failure, Kind, Timestamp};
use staffa_storage::{Entity, Event, Index, Indexes, Page, PageOf, Repository, Result, Store};
use uuid::Uuid;

/// An event that was put aside, since it failed too often. It is unsent, and holds back its own entity only, until
/// somebody re-drives or skips it: see [`Dead`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadEvent {
    /// The event's identity.
    pub id: Uuid,
    /// What happened: `order_placed`.
    pub name: String,
    /// The kind of the entity that it is about.
    pub kind: String,
    /// The id of that entity, as its canonical text.
    pub entity: String,
    /// Why it failed last.
    pub failure: String,
    /// How often it failed.
    pub attempts: u32,
    /// When it was put aside.
    pub at: Timestamp,
}

/// By entity: (kind, id).
const ENTITY: Index<DeadEvent, (String, String)> =
    Index::new("entity", |dead| (dead.kind.clone(), dead.entity.clone()));

impl Entity for DeadEvent {
    type Id = Uuid;
    const KIND: &'static str = "staffa_dead";
    const INDEXES: Indexes<Self> = &[&ENTITY];

    fn id(&self) -> &Uuid {
        &self.id
    }
}

impl DeadEvent {
    pub(crate) fn of(ctx: &Context, event: &Event, failure: &Failure, attempts: u32) -> Self {
        // No store takes U+0000, and a failure may quote anything.
        let failure = failure.to_string().replace('\0', "\u{fffd}").chars().take(WORDS_MAX).collect();
        let (name, kind, entity) = (event.name.clone(), event.kind.clone(), event.entity.clone());
        Self { id: event.id, name, kind, entity, failure, attempts, at: ctx.wall() }
    }

    /// Keeps the record. One that is there already stays.
    pub(crate) async fn put_aside(self, ctx: &Context, store: &dyn Store) -> Result<()> {
        let mut unit = store.unit();
        // An event that died before and was re-driven may die again.
        if unit.get::<Self>(ctx, self.id).await?.is_none() {
            unit.insert(self);
        }
        unit.commit(ctx).await
    }
}

/// How much of a failure's words is kept, in characters.
const WORDS_MAX: usize = 2_000;

/// The events of an outbox that were put aside, for a person to look at and decide.
///
/// A relay sees what was decided within two seconds, at its next beat. Cheap to clone and safe to share.
#[derive(Clone)]
pub struct Dead {
    store: Arc<dyn Store>,
    events: Repository<DeadEvent>,
}

impl Dead {
    /// The dead events of this store, which was opened with [`crate::schemas`].
    pub fn new(store: &Arc<dyn Store>) -> Self {
        Self { store: Arc::clone(store), events: Repository::new(store) }
    }

    /// A page of them, in the order of their ids. Cancel-safe.
    ///
    /// # Errors
    /// Those of [`Repository::all`].
    pub async fn list(&self, ctx: &Context, page: Page) -> Result<PageOf<DeadEvent>> {
        self.events.all(ctx, page).await
    }

    /// Those of one entity (kind and id). Cancel-safe.
    ///
    /// # Errors
    /// Those of [`Repository::range`].
    pub async fn of(&self, ctx: &Context, kind: &str, entity: &str, page: Page) -> Result<PageOf<DeadEvent>> {
        let key = (kind.to_owned(), entity.to_owned());
        self.events.range(ctx, &ENTITY, key, page).await
    }

    /// Lets the relay try the event again, and then the rest of its entity.
    ///
    /// # Errors
    /// `NotFound` when it is not dead; else those of a commit.
    pub async fn redrive(&self, ctx: &Context, event: Uuid) -> Result<(), Failure> {
        self.forget(ctx, event).await
    }

    /// Gives the event up: it counts as sent without having been, and the rest of its entity goes on.
    ///
    /// # Errors
    /// `NotFound` when it is not dead; else those of a commit. After one it may be repeated.
    pub async fn skip(&self, ctx: &Context, event: Uuid) -> Result<(), Failure> {
        if self.events.find(ctx, event).await?.is_none() {
            return Err(not_dead(event));
        }
        // In this order: were it forgotten first, a relay might send it in between.
        self.store.mark_sent(ctx, &[event]).await?;
        self.forget(ctx, event).await
    }

    async fn forget(&self, ctx: &Context, event: Uuid) -> Result<(), Failure> {
        let mut unit = self.store.unit();
        let Some(dead) = unit.get::<DeadEvent>(ctx, event).await? else { return Err(not_dead(event)) };
        unit.delete(dead);
        Ok(unit.commit(ctx).await?)
    }

    /// The entities that are held, at most `limit` and a page more.
    pub(crate) async fn entities(&self, ctx: &Context, limit: usize) -> Result<Vec<(String, String)>> {
        let mut entities = Vec::new();
        let mut page = Page::first().limit(Page::LIMIT_MAX);
        loop {
            let found = self.list(ctx, page).await?;
            entities.extend(found.items.into_iter().map(|dead| (dead.value.kind, dead.value.entity)));
            match found.next {
                Some(next) if entities.len() < limit => {
                    page = Page::after(next).limit(Page::LIMIT_MAX);
                }
                _ => return Ok(entities),
            }
        }
    }
}

fn not_dead(event: Uuid) -> Failure {
    Failure::new(Kind::NotFound, format!("no event {event} was put aside"))
}

impl fmt::Debug for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dead").finish_non_exhaustive()
    }
}
