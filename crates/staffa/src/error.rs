use std::fmt;

use crate::Outcome;

/// What composing and starting a service gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a service does not start, in one line for the person who starts it.
///
/// Any error becomes one by `?`; [`Error::context`] says what was attempted.
pub struct Error {
    words: String,
    outcome: Outcome,
}

impl Error {
    /// A start that failed, in words that say what to do.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), outcome: Outcome::StartFailed }
    }

    /// Settings that cannot be used, in words that name the setting and what it takes.
    pub fn settings(words: impl Into<String>) -> Self {
        Self { words: words.into(), outcome: Outcome::SettingsWrong }
    }

    pub(crate) fn job_failed(words: impl Into<String>) -> Self {
        Self { words: words.into(), outcome: Outcome::JobFailed }
    }

    /// The same error, with what was attempted in front.
    #[must_use]
    pub fn context(mut self, attempted: impl fmt::Display) -> Self {
        self.words = format!("{attempted}: {}", self.words);
        self
    }

    /// How the process ends because of it.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.words, self.outcome)
    }
}

/// `Error` is no `std::error::Error` itself, so that every such error becomes one.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(below) = source {
            let below_words = below.to_string();
            if !words.contains(&below_words) {
                words = format!("{words}: {below_words}");
            }
            source = below.source();
        }
        Self::new(words)
    }
}
