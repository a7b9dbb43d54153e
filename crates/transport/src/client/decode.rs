//! What a service answers, read as the type that its endpoint declares.
use serde::de::DeserializeOwned;

#[cfg(not(target_arch = "wasm32"))]
pub(super) fn decode<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json)
}

/// In a page, which loads every reader of every type, the small ones read.
#[cfg(target_arch = "wasm32")]
pub(super) fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, staffa_context::NotRead> {
    staffa_context::read(&staffa_context::parse(json)?)
}
