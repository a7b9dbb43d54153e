//! Moving house: a service's whole store, from one database to another.
//!
//! A store is frozen ([`Moving::freeze`]), so that its writers are answered 503 with `Retry-After` while its readers go on;
//! [`copy`] copies everything at rest, page by page; the service is started on the new store. A client that retries loses
//! nothing, since what was not answered was not written, and doubles nothing, since kept answers and inbox records move too.
//!
//! ```
//! use std::sync::Arc;
//! use serde::{Deserialize, Serialize};
//! use staffa::moving::{self, Copy};
//! use staffa::storage::{Moving, memory::Memory};
//! use staffa::{Context, Entity, Repository, Schema, Store};
//!
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! struct Note { id: i64, text: String }
//!
//! impl Entity for Note {
//!     type Id = i64;
//!     const KIND: &'static str = "note";
//!     fn id(&self) -> &i64 { &self.id }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> staffa::Result<()> {
//! let ctx = &Context::background();
//! let schemas = moving::with_progress(vec![Schema::of::<Note>()]);
//! let old = Memory::open(schemas.clone())?;
//! let store: Arc<dyn Store> = old.clone();
//! let mut unit = store.unit();
//! unit.insert(Note { id: 1, text: "buy milk".into() });
//! unit.commit(ctx).await?;
//!
//! let new: Arc<dyn Moving> = Memory::open(schemas.clone())?;
//! let sections = moving::sections(&schemas);
//! old.freeze(ctx, true).await?;
//! let copy = Copy { from: &*old, source: "the old one", to: &new, sections: &sections, verify: true };
//! let moved = moving::copy(ctx, copy, &mut |_| ()).await?;
//! assert_eq!(moved.records(), 1);
//!
//! let store: Arc<dyn Store> = new;
//! assert_eq!(Repository::<Note>::new(&store).find(ctx, 1).await?.map(|note| note.version), Some(1));
//! # Ok(())
//! # }
//! ```

mod contents;
mod progress;

use std::sync::Arc;

use staffa_context::Context;
use staffa_storage::{Entity, Moving, Record, Schema, Section};

pub use contents::{Contents, Digest, Held, survey};
use progress::{Copying, Place};

use crate::{Error, Result};

/// How many records are in hand at once at most; each is 1 MiB at most.
pub const PAGE_MAX: usize = 100;

/// A portion that is written at once ends with the record that reaches so many bytes of JSON.
const PORTION_BYTES: usize = 256 << 10;

/// Schemas with that of a copy's progress, which is kept in the store that is copied to.
pub fn with_progress(mut schemas: Vec<Schema>) -> Vec<Schema> {
    schemas.push(Schema::of::<Copying>());
    schemas
}

/// Everything that a store with these schemas holds, but for a copy's progress.
pub fn sections(schemas: &[Schema]) -> Vec<Section> {
    let kinds = schemas.iter().map(|schema| schema.kind).filter(|kind| *kind != Copying::KIND);
    kinds.map(Section::Rows).chain([Section::Events, Section::Kept]).collect()
}

/// The name of a section, for people: `order`, `events`, `kept answers`.
pub fn name(section: Section) -> &'static str {
    match section {
        Section::Rows(kind) => kind,
        Section::Events => "events",
        Section::Kept => "kept answers",
    }
}

/// What [`copy`] copies from where to where.
#[derive(Clone, Copy)]
pub struct Copy<'a> {
    /// The store that is copied: a frozen one.
    pub from: &'a dyn Moving,
    /// What it is called, without a password: a copy that was cut goes on from the same one only.
    pub source: &'a str,
    /// The store that is copied to: an empty one, opened with [`with_progress`]. It is frozen until it is whole.
    pub to: &'a Arc<dyn Moving>,
    /// What is copied: [`sections`] of the schemas of both.
    pub sections: &'a [Section],
    /// Whether the copy is read back and compared before it is thawed.
    pub verify: bool,
}

impl std::fmt::Debug for Copy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy")
            .field("source", &self.source)
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many more records of the source were counted.
    Counted(usize),
    /// So many records are to be copied in all; those before were copied earlier.
    Copying {
        /// How many were copied before this run.
        before: u64,
        /// How many there are.
        all: u64,
    },
    /// So many more records were copied.
    Copied(usize),
    /// So many more records of the copy were read back.
    Verified(usize),
}

/// Copies a frozen store, and gives what it held.
///
/// It goes on where an earlier run was cut, at whatever point: how far it is is kept in the target with what the source
/// held, so that a source that was changed in between is noticed. At most [`PAGE_MAX`] records are in memory.
///
/// # Errors
/// In words that say what to do: a source that is not frozen, or has changed since the copy began; a target that has other
/// data, or is the whole copy already; a copy that is not the same; and those of the stores.
pub async fn copy(ctx: &Context, copy: Copy<'_>, observe: &mut (dyn FnMut(Step) + Send)) -> Result<Contents> {
    if !copy.from.is_frozen(ctx).await? {
        return Err(Error::new(
            "the source is not frozen: freeze it first, so that nothing is written meanwhile",
        ));
    }
    let begun = progress::read(ctx, copy.to).await?;
    match &begun {
        Some(copying) => copying.may_go_on(copy.source)?,
        None => refuse_data(ctx, &**copy.to, copy.sections).await?,
    }
    copy.to.freeze(ctx, true).await?;
    let held = survey(ctx, copy.from, copy.sections, &mut |more| observe(Step::Counted(more))).await?;
    let mut copying = begun.unwrap_or_else(|| Copying::begin(copy.source, &held));
    copying.refuse_change(&held)?;
    progress::write(ctx, copy.to, &mut copying).await?;
    observe(Step::Copying { before: copying.copied, all: held.records() });
    copy_sections(ctx, &copy, &mut copying, observe).await?;
    refuse_thaw(ctx, copy.from).await?;
    if copy.verify {
        let copied =
            survey(ctx, &**copy.to, copy.sections, &mut |more| observe(Step::Verified(more))).await?;
        refuse_difference(&held, &copied)?;
        // Somebody may have thawed the source and frozen it again.
        copying.refuse_change(&survey(ctx, copy.from, copy.sections, &mut |_| ()).await?)?;
    }
    hand_over(ctx, &copy, &mut copying).await?;
    Ok(held)
}

async fn refuse_thaw(ctx: &Context, from: &dyn Moving) -> Result<()> {
    if from.is_frozen(ctx).await? {
        return Ok(());
    }
    Err(Error::new(
        "the source was thawed while it was copied, and may have been written to: freeze it again, and copy to an empty target",
    ))
}

/// Thaws a whole copy. A run that is cut in here leaves what the next one thaws.
async fn hand_over(ctx: &Context, copy: &Copy<'_>, copying: &mut Copying) -> Result<()> {
    copying.place = Place::Whole;
    progress::write(ctx, copy.to, copying).await?;
    copy.to.freeze(ctx, false).await?;
    copying.place = Place::Thawed;
    progress::write(ctx, copy.to, copying).await
}

/// Whether two stores hold the same, by the count and the digest of each section; gives what both hold.
///
/// # Errors
/// In words that name each section that differs; those of the stores. Stores that are written to meanwhile differ.
pub async fn verify(
    ctx: &Context,
    from: &dyn Moving,
    to: &dyn Moving,
    sections: &[Section],
    observe: &mut (dyn FnMut(Step) + Send),
) -> Result<Contents> {
    let held = survey(ctx, from, sections, &mut |more| observe(Step::Counted(more))).await?;
    let copied = survey(ctx, to, sections, &mut |more| observe(Step::Verified(more))).await?;
    refuse_difference(&held, &copied)?;
    Ok(held)
}

/// Whether a store is the whole copy of another one, and was handed over.
///
/// # Errors
/// Those of the store.
pub async fn is_copied(ctx: &Context, to: &Arc<dyn Moving>) -> Result<bool> {
    Ok(progress::read(ctx, to).await?.is_some_and(|copying| copying.place == Place::Thawed))
}

async fn refuse_data(ctx: &Context, to: &dyn Moving, sections: &[Section]) -> Result<()> {
    for section in sections {
        if !to.export(ctx, *section, None, 1).await?.records.is_empty() {
            return Err(Error::new(format!(
                "the target has other data ({}), which a copy would mix with: copy to an empty one",
                name(*section)
            )));
        }
    }
    Ok(())
}

async fn copy_sections(
    ctx: &Context,
    copy: &Copy<'_>,
    copying: &mut Copying,
    observe: &mut (dyn FnMut(Step) + Send),
) -> Result<()> {
    while let Place::In { section, mark } = copying.place.clone() {
        let Some(of) = copy.sections.get(section) else { return Ok(()) };
        let page = copy.from.export(ctx, *of, mark.map(staffa_storage::Mark).as_ref(), PAGE_MAX).await?;
        for portion in portions(page.records) {
            let copied = portion.len();
            copy.to.import(ctx, *of, portion).await?;
            copying.copied += u64::try_from(copied).unwrap_or(u64::MAX);
            observe(Step::Copied(copied));
        }
        copying.place = match page.next {
            Some(mark) => Place::In { section, mark: Some(mark.0) },
            None => Place::In { section: section + 1, mark: None },
        };
        progress::write(ctx, copy.to, copying).await?;
    }
    Ok(())
}

/// Records in portions that a server writes in a moment, in their order.
fn portions(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut portions = Vec::new();
    let (mut portion, mut bytes) = (Vec::new(), 0);
    for record in records {
        bytes += contents::bytes(&record);
        portion.push(record);
        if bytes >= PORTION_BYTES {
            portions.push(std::mem::take(&mut portion));
            bytes = 0;
        }
    }
    portions.extend(Some(portion).filter(|rest| !rest.is_empty()));
    portions
}

fn refuse_difference(held: &Contents, copied: &Contents) -> Result<()> {
    let differences = held.differences(copied);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!("the copy is not the same: {}", differences.join("; "))))
}
