//! The document, by the ids of its elements. `boot.js` has the other end.
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// Replaces what is in an element. The focus stays where it was, if what had it is still there.
    #[wasm_bindgen(js_namespace = dom)]
    pub(super) fn fill(id: &str, html: &str);

    /// Adds to the end of an element.
    #[wasm_bindgen(js_namespace = dom)]
    pub(super) fn append(id: &str, html: &str);

    /// Replaces the text of an element.
    #[wasm_bindgen(js_namespace = dom, js_name = text)]
    pub(super) fn set_text(id: &str, text: &str);

    /// Sets an attribute.
    #[wasm_bindgen(js_namespace = dom)]
    pub(super) fn set(id: &str, name: &str, value: &str);

    /// Sets an attribute without a value, or takes it away.
    #[wasm_bindgen(js_namespace = dom)]
    fn flag(id: &str, name: &str, on: bool);

    /// Moves the focus.
    #[wasm_bindgen(js_namespace = dom)]
    pub(super) fn focus(id: &str);

    /// What was typed or chosen.
    #[wasm_bindgen(js_namespace = dom)]
    pub(super) fn value(id: &str) -> String;

    /// Types it.
    #[wasm_bindgen(js_namespace = dom, js_name = setValue)]
    pub(super) fn set_value(id: &str, value: &str);

    /// Whether a box is checked.
    #[wasm_bindgen(js_namespace = dom, js_name = isChecked)]
    pub(super) fn is_checked(id: &str) -> bool;

    /// The value of the radio button of this name that is on.
    #[wasm_bindgen(js_namespace = dom)]
    pub(super) fn chosen(name: &str) -> String;

    /// Whether there is room for more than one column.
    #[wasm_bindgen(js_namespace = dom, js_name = isWide)]
    pub(super) fn is_wide() -> bool;
}

pub(super) fn show(id: &str, shown: bool) {
    flag(id, "hidden", !shown);
}

pub(super) fn enable(id: &str, enabled: bool) {
    flag(id, "disabled", !enabled);
}

pub(super) fn open(id: &str, open: bool) {
    flag(id, "open", open);
}
