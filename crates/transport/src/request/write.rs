//! A request as a value, and a value as JSON text.
use serde::Serialize;
use serde_json::Value;

/// The request's fields.
///
/// # Errors
/// Why it is no JSON, in words.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn value(request: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(request).map_err(|error| error.to_string())
}

/// The same by way of text, which a page writes as well: each type's writer is linked once.
#[cfg(target_arch = "wasm32")]
pub(super) fn value(request: &impl Serialize) -> Result<Value, String> {
    // The words of `serde_json` are kilobytes, and nobody but the page's author could bring about one of its errors.
    let json = serde_json::to_vec(request).map_err(|_| "the request is no JSON".to_owned())?;
    staffa_context::parse(&json).map_err(|error| error.to_string())
}

/// What `serde_json` writes.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn json(value: &Value) -> String {
    value.to_string()
}

/// The same by the writer that a page has already.
#[cfg(target_arch = "wasm32")]
pub(super) fn json(value: &Value) -> String {
    staffa_context::json(value)
}
