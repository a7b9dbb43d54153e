//! A panic ends the instance: the console gets its words; `boot.js` sees the trap, and offers to reload.
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(words: &JsValue);
}

pub(super) fn install() {
    std::panic::set_hook(Box::new(|panic| error(&JsValue::from_str(&panic.to_string()))));
}
