//! Waiting with an end.
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long what must happen may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Looks until there is something to see; a failed test when [`SOON`] is over.
#[track_caller]
pub(crate) fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + SOON;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "not within {SOON:?}: {what}");
        sleep(Duration::from_millis(10));
    }
}
