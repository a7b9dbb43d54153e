//! Who may come in.
use std::sync::Arc;

use staffa_context::{Failure, Kind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Work;
use crate::work::InHand;

/// A fixed number of places; who finds none is turned away at once.
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    work: Work,
}

/// A place of one request. Dropping it gives it back.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _in_hand: InHand,
}

impl Admission {
    pub(crate) fn new(places: usize, work: &Work) -> Self {
        let places = Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)));
        Self { places, work: work.clone() }
    }

    /// A place, if there is one now.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub(crate) fn admit(&self) -> Result<Place, Failure> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Ok(Place { _permit: permit, _in_hand: self.work.enter() }),
            Err(_) => {
                Err(Failure::new(Kind::Unavailable, "the service has too much to do; try again in a moment"))
            }
        }
    }
}
