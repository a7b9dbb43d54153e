use std::time::Duration;

/// How a store works. The defaults are safe, and suit a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What a commit waits for. Default: [`Durability::Strict`].
    pub durability: Durability,
    /// How long opening waits for other tabs that hold the store in an older form, and for their upgrade of it. Default: 3 s.
    pub blocked_wait: Duration,
    /// How many operations the browser has in hand at once. Others wait, the first the longest, for as long as their
    /// contexts let them. Default: 256; 0 is 1.
    pub operations_max: u32,
    /// How long an operation whose context has ended may take to say what became of it; the outcome of one that writes is
    /// unknown after that. Default: 5 s.
    pub end_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Strict,
            blocked_wait: Duration::from_secs(3),
            operations_max: 256,
            end_wait: Duration::from_secs(5),
        }
    }
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The disk: a commit that was answered survives a power cut.
    #[default]
    Strict,
    /// The operating system: it survives a crash of the browser; a power cut may undo the last commits, whole ones.
    Relaxed,
}

impl Durability {
    /// The browser's word for it.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Relaxed => "relaxed",
        }
    }
}
