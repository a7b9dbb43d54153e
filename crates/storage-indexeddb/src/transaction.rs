//! Requests and transactions as futures. Their handlers run in the events themselves: between two requests of a
//! transaction nothing may be awaited but a request, or the browser commits it.

use js_sys::{Function, Object, Promise};
use staffa_storage::{Error, Result};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbObjectStore, IdbRequest, IdbTransaction};

use crate::call::Call;
use crate::error::told;

#[wasm_bindgen]
extern "C" {
    /// A transaction that can be told to commit; `web-sys` takes that for a browser's own.
    #[wasm_bindgen(extends = Object)]
    type Finishing;

    #[wasm_bindgen(method, catch)]
    fn commit(this: &Finishing) -> Result<(), JsValue>;
}

/// A transaction. Dropped before it was committed, it is aborted.
pub(crate) struct Transaction {
    tx: IdbTransaction,
    end: JsFuture,
    ended: bool,
}

impl Transaction {
    pub(crate) fn of(tx: IdbTransaction) -> Self {
        let end = JsFuture::from(Promise::new(&mut |complete: Function, abort: Function| {
            tx.set_oncomplete(Some(&complete));
            tx.set_onabort(Some(&abort));
        }));
        Self { tx, end, ended: false }
    }

    pub(crate) fn store(&self, name: &str) -> Result<IdbObjectStore> {
        self.tx.object_store(name).map_err(|error| told(&error))
    }

    /// Commits, and waits for the disk as the store's options say. From here on the call is not stopped.
    pub(crate) async fn commit(self, call: &Call) -> Result<()> {
        call.past_return();
        self.end().await
    }

    /// The same outside of a call.
    pub(crate) async fn end(mut self) -> Result<()> {
        self.ended = true;
        // It is refused when a request has failed; then the transaction's end says why.
        let _ = self.tx.unchecked_ref::<Finishing>().commit();
        match (&mut self.end).await {
            Ok(_) => Ok(()),
            Err(_) => Err(self.why(Error::Unavailable("the browser took the transaction back".into()))),
        }
    }

    /// Leaves it to the browser, which ends it after its last request.
    pub(crate) fn leave(mut self) {
        self.ended = true;
    }

    /// Why the browser aborted it, if it did, or else what one of its requests failed with: when a write finds no room,
    /// the requests after it know only that the transaction is gone.
    pub(crate) fn why(&self, error: Error) -> Error {
        self.tx.error().map_or(error, |error| told(&error))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            // It is refused for one that has ended.
            let _ = self.tx.abort();
        }
    }
}

/// What a request came to. Requests of a transaction end in their order: once the last one did, [`result`] gives what
/// each of the earlier came to.
pub(crate) async fn answer(request: &IdbRequest) -> Result<JsValue> {
    let promise = Promise::new(&mut |success: Function, error: Function| {
        request.set_onsuccess(Some(&success));
        request.set_onerror(Some(&error));
    });
    match JsFuture::from(promise).await {
        Ok(_) => result(request),
        Err(_) => Err(failed(request)),
    }
}

/// What a request that has ended came to.
pub(crate) fn result(request: &IdbRequest) -> Result<JsValue> {
    request.result().map_err(|error| told(&error))
}

/// Why a request failed.
pub(crate) fn failed(request: &IdbRequest) -> Error {
    match request.error() {
        Ok(Some(error)) => told(&error),
        Ok(None) => told(&JsValue::NULL),
        Err(error) => told(&error),
    }
}

/// A request that was made, or why it was not.
pub(crate) fn asked(request: Result<IdbRequest, JsValue>) -> Result<IdbRequest> {
    request.map_err(|error| told(&error))
}
