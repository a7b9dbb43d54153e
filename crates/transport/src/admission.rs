//! Who may come in.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use staffa_context::{Failure, Kind};

use crate::Work;
use crate::work::InHand;

/// A fixed number of places; who finds none is turned away at once.
pub(crate) struct Admission {
    free: Arc<AtomicUsize>,
    work: Work,
}

/// A place of one request. Dropping it gives it back.
pub(crate) struct Place {
    free: Arc<AtomicUsize>,
    _in_hand: InHand,
}

impl Admission {
    pub(crate) fn new(places: usize, work: &Work) -> Self {
        Self { free: Arc::new(AtomicUsize::new(places.max(1))), work: work.clone() }
    }

    /// A place, if there is one now.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub(crate) fn admit(&self) -> Result<Place, Failure> {
        match self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1)) {
            Ok(_) => Ok(Place { free: Arc::clone(&self.free), _in_hand: self.work.enter() }),
            Err(_) => {
                Err(Failure::new(Kind::Unavailable, "the service has too much to do; try again in a moment"))
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free.fetch_add(1, Ordering::AcqRel);
    }
}
