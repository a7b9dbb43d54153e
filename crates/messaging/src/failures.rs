//! What every bus makes of failures: which count against an event, and which are told.

use staffa_context::{Failure, Kind};

/// Whether a failure says something of the event, and not of the moment: unavailable, exhausted, past its deadline and
/// cancelled say nothing of it, and never make it dead.
pub fn counts(kind: Kind) -> bool {
    !kind.is_temporary() && !matches!(kind, Kind::DeadlineExceeded | Kind::Cancelled)
}

/// Which failures are worth a line in the log. One that counts always is; one of the moment, which all events have alike, is once
/// in a row, until an event succeeds.
#[derive(Debug, Default)]
pub struct News {
    /// The failure of the moment that was told last.
    told: Option<String>,
}

impl News {
    /// Whether to log this one.
    pub fn is_news(&mut self, failure: &Failure) -> bool {
        if counts(failure.kind) {
            return true;
        }
        let words = failure.to_string();
        let is_news = self.told.as_ref() != Some(&words);
        self.told = Some(words);
        is_news
    }

    /// An event succeeded: what fails after it is news again.
    pub fn succeeded(&mut self) {
        self.told = None;
    }
}
