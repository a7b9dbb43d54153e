use crate::{Part, Row};

/// One page of a read by index, as the adapter sees it.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The kind of the entities.
    pub kind: &'static str,
    /// What orders them.
    pub by: By,
    /// Equality on the leading parts, possibly none of them. A none part equals none.
    pub equal: Vec<Part>,
    /// What the part after them must satisfy.
    pub bound: Bound,
    /// Whether the whole order, the id included, is reversed.
    pub descending: bool,
    /// The key and id after which, in the scan's direction, the page begins.
    pub after: Option<(Vec<Part>, Part)>,
    /// How many rows at most.
    pub limit: usize,
}

/// What orders a scan. The id is always the last tie-break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The id alone; the key is empty, and `equal` too; the bound is on the id.
    Id,
    /// The index at this place of the schema.
    Index(usize),
}

/// What the part after the equal ones must satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Anything.
    All,
    /// `from` (included) to `to` (excluded); an open end is `None`. With a bound on either side, none parts that
    /// come before an absent `from` are included, since none is first.
    Range {
        /// Included.
        from: Option<Part>,
        /// Excluded.
        to: Option<Part>,
    },
    /// Text that begins with this, byte for byte.
    Prefix(String),
}

impl Bound {
    /// Whether a part satisfies it. A prefix covers no none part.
    pub fn covers(&self, part: &Part) -> bool {
        match self {
            Self::All => true,
            Self::Range { from, to } => {
                from.as_ref().is_none_or(|from| part >= from) && to.as_ref().is_none_or(|to| part < to)
            }
            Self::Prefix(prefix) => matches!(part, Part::Text(text) if text.starts_with(prefix)),
        }
    }
}

/// A row that a scan found, with its key in the scan's index as it is stored (empty by id).
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The row.
    pub row: Row,
    /// Its key in the scan's index.
    pub key: Vec<Part>,
}
