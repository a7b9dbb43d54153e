/// What an adapter does when the store lacks what the schemas ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Migrate {
    /// It adds what is missing, beside writers and other processes that do the same.
    #[default]
    Apply,
    /// It changes no schema: [`crate::Error::Unusable`] says what is missing.
    Check,
}

/// One step that takes a store to the schemas of a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it may be done.
    pub phase: Phase,
    /// What a person would type into the database's own tool, or would read there.
    pub statement: String,
}

/// When a step may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// At any time: older binaries do not see it.
    Expand,
    /// At any time, in bounded batches that go on where they ended.
    Backfill,
    /// Once no older binary runs: it takes away what they need.
    Contract,
}
