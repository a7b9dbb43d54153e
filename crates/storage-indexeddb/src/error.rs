//! What the browser's errors mean to a caller.

use staffa_storage::Error;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::DomException;

/// The port's error for one of the browser's, of an operation that left nothing behind.
pub(crate) fn told(error: &JsValue) -> Error {
    match error.dyn_ref::<DomException>() {
        Some(error) => told_of(&error.name(), &error.message()),
        None => {
            let words = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
            Error::Unusable(words.unwrap_or_else(|| "the browser gave an error without words".into()))
        }
    }
}

/// The same for an exception's name and message.
pub(crate) fn told_of(name: &str, message: &str) -> Error {
    let unavailable = |words: &str| Error::Unavailable(words.to_owned());
    match name {
        "QuotaExceededError" => unavailable(
            "the browser gives this site no more room: free some on the device, or remove data of this site",
        ),
        "SecurityError" => none(),
        "InvalidStateError" => unavailable("the browser has closed the database: reload the page"),
        "AbortError" => unavailable("the browser took the transaction back"),
        "UnknownError" | "TimeoutError" | "TransactionInactiveError" => {
            Error::Unavailable(["the browser could not reach its disk: ", message].concat())
        }
        _ => Error::Unusable([name, ": ", message].concat()),
    }
}

/// There is no IndexedDB here.
pub(crate) fn none() -> Error {
    Error::Unusable(
        "this browser gives the page no IndexedDB, as in some private windows: use another window, or allow the \
         site to keep data"
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn each_exception_says_what_to_do() {
        let told = |name: &str| {
            told(
                &DomException::new_with_message_and_name("why", name)
                    .map_or_else(|error| error, JsValue::from),
            )
        };
        let unavailable = |name: &str, words: &str| match told(name) {
            Error::Unavailable(told) => assert!(told.contains(words), "{name}: {told}"),
            other => panic!("{name}: {other:?}"),
        };
        unavailable("QuotaExceededError", "no more room");
        unavailable("InvalidStateError", "reload");
        unavailable("AbortError", "took the transaction back");
        unavailable("UnknownError", "disk: why");
        assert_eq!(told("SecurityError"), none());
        assert_eq!(told("DataError"), Error::Unusable("DataError: why".into()));
        assert_eq!(super::told(&js_sys::Error::new("why")), Error::Unusable("why".into()));
    }
}
