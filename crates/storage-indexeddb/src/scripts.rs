//! The adapter's scripts, where each operation is explained: they hold the browser's handles, and run the transactions.
//!
//! They are two, since the runner of tests in a browser serves few files at once. A call has a number of ours. What it asks and its promise's answer are JSON.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// An operation in an open database: the call's number, the database's, and what is asked.
pub(crate) type Operation = fn(u32, u32, &str) -> Promise;

#[wasm_bindgen(module = "/src/js/store.js")]
extern "C" {
    pub(crate) fn stop(number: u32);
    pub(crate) fn open(number: u32, asked: &str, indexes: &JsValue) -> Promise;
    pub(crate) fn remove(number: u32, asked: &str) -> Promise;
    pub(crate) fn close(number: u32) -> Promise;
    pub(crate) fn get(number: u32, on: u32, asked: &str) -> Promise;
    pub(crate) fn ping(number: u32, on: u32, asked: &str) -> Promise;
    pub(crate) fn commit(number: u32, on: u32, asked: &str) -> Promise;
}

#[wasm_bindgen(module = "/src/js/more.js")]
extern "C" {
    #[cfg(feature = "indexes")]
    pub(crate) fn indexes(keys_of: &JsValue) -> JsValue;
    pub(crate) fn scan(number: u32, on: u32, asked: &str) -> Promise;
    pub(crate) fn kept(number: u32, on: u32, asked: &str) -> Promise;
    pub(crate) fn unsent(number: u32, on: u32, asked: &str) -> Promise;
    pub(crate) fn backlog(number: u32, on: u32, asked: &str) -> Promise;
    #[wasm_bindgen(js_name = markSent)]
    pub(crate) fn mark_sent(number: u32, on: u32, asked: &str) -> Promise;
    pub(crate) fn sweep(number: u32, on: u32, asked: &str) -> Promise;
}
