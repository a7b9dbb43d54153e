use std::time::Duration;

/// How a store works. The defaults are safe, and suit a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What a commit waits for. Default: [`Durability::Strict`].
    pub durability: Durability,
    /// How long opening waits for other tabs that hold the store in an older form, and for their upgrade of it. Default: 3 s.
    pub blocked_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::Strict, blocked_wait: Duration::from_secs(3) }
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
