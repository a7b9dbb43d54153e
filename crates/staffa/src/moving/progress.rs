use std::sync::Arc;

use serde::{Deserialize, Serialize};
use staffa_context::Context;
use staffa_storage::{Entity, Moving, Part, Record, Repository, Section, Store};

use super::Contents;
use crate::{Error, Result};

/// How far a copy is, in the store that is copied to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Copying {
    name: String,
    source: String,
    /// What the source held when the copy began.
    held: Contents,
    /// How many records were copied.
    pub(super) copied: u64,
    pub(super) place: Place,
    /// How often it was written.
    writes: i64,
}

/// Where a copy goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// In the section of this number, after this mark.
    In { section: usize, mark: Option<String> },
    /// Nothing is left to copy; it is frozen still.
    Whole,
    /// It was thawed: it is its owner's.
    Thawed,
}

const NAME: &str = "copy";

impl Entity for Copying {
    type Id = String;
    const KIND: &'static str = "staffa_copy";

    fn id(&self) -> &String {
        &self.name
    }
}

impl Copying {
    pub(super) fn begin(source: &str, held: &Contents) -> Self {
        let (name, source, held) = (NAME.to_owned(), source.to_owned(), held.clone());
        Self { name, source, held, copied: 0, place: Place::In { section: 0, mark: None }, writes: 0 }
    }

    /// Refuses a copy that is whole, or of another source.
    pub(super) fn may_go_on(&self, source: &str) -> Result<()> {
        let of = &self.source;
        if self.place == Place::Thawed {
            return Err(Error::new(format!(
                "the target is a whole copy of {of} already, and is not written again"
            )));
        }
        if self.source != source {
            return Err(Error::new(format!(
                "the target has a part of a copy of {of}: go on from there, or copy to an empty one"
            )));
        }
        Ok(())
    }

    /// Refuses a source that does not hold what it held.
    pub(super) fn refuse_change(&self, held: &Contents) -> Result<()> {
        if self.held == *held {
            return Ok(());
        }
        let changed = self.held.differences(held).join("; ");
        Err(Error::new(format!(
            "the source was changed since the copy began ({changed}): copy to an empty target"
        )))
    }
}

pub(super) async fn read(ctx: &Context, store: &Arc<dyn Moving>) -> Result<Option<Copying>> {
    let store: Arc<dyn Store> = Arc::<dyn Moving>::clone(store);
    let found = Repository::<Copying>::new(&store).find(ctx, NAME.to_owned()).await?;
    Ok(found.map(|copying| copying.value))
}

/// Writes it as a copied row, since the store is frozen.
pub(super) async fn write(ctx: &Context, store: &Arc<dyn Moving>, copying: &mut Copying) -> Result<()> {
    copying.writes += 1;
    let row = Record::Row {
        id: Part::Text(NAME.to_owned()),
        version: copying.writes,
        shape: Copying::SHAPE,
        document: Some(serde_json::to_value(&*copying)?),
    };
    Ok(store.import(ctx, Section::Rows(Copying::KIND), vec![row]).await?)
}
