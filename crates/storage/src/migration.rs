/// What an adapter does when the store lacks what the schemas ask for.
///
/// An adapter that is opened with a choice gives two functions beside its `open`, of the same arguments: `plan(…, contract)`
/// tells the [`Step`]s that are missing and changes nothing; `migrate(…, contract, observe)` does them, and waits until every index
/// is whole. Neither contracts unless it is told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Migrate {
    /// It adds what is missing, beside writers and other processes that do the same.
    #[default]
    Apply,
    /// It changes no schema: [`crate::Error::Unusable`] says what is missing. Keys of rows that an older binary wrote are still
    /// made.
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
