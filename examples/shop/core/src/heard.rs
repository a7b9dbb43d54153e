//! What a consumer makes of an event, once.
use serde::de::DeserializeOwned;
use staffa_context::{Failure, Kind};
use staffa_storage::{Error, Event};

/// What an event says.
pub(crate) fn payload<T: DeserializeOwned>(event: &Event) -> Result<T, Failure> {
    T::deserialize(&event.payload).map_err(|error| {
        Failure::new(Kind::Internal, "an event has a payload that does not fit")
            .with_log(format!("{} {}: {error}", event.name, event.id))
    })
}

/// What the commit of an event's effect means: one whose effect was taken before is no failure.
pub(crate) fn taken(committed: Result<(), Error>) -> Result<(), Failure> {
    match committed {
        Ok(()) | Err(Error::Kept) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
