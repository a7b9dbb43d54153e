//! The document. What it lacks is left alone: the page goes on without it.
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Document, Element, Event, HtmlElement, HtmlInputElement};

fn document() -> Option<Document> {
    web_sys::window()?.document()
}

fn by_id(id: &str) -> Option<Element> {
    document()?.get_element_by_id(id)
}

fn input(id: &str) -> Option<HtmlInputElement> {
    by_id(id)?.dyn_into().ok()
}

/// Calls `handler` for every event of this kind in the document.
pub(super) fn listen(kind: &str, handler: impl Fn(Event) + 'static) {
    let handler = Closure::<dyn Fn(Event)>::new(handler);
    if let Some(document) = document() {
        let _ = document.add_event_listener_with_callback(kind, handler.as_ref().unchecked_ref());
    }
    // It lives as long as the page.
    handler.forget();
}

/// Replaces what is in an element. The focus stays where it was, if what had it is still there.
pub(super) fn fill(id: &str, html: &str) {
    let Some(element) = by_id(id) else { return };
    let focused = document().and_then(|document| document.active_element()).map(|element| element.id());
    element.set_inner_html(html);
    if let Some(focused) = focused.filter(|id| !id.is_empty()) {
        focus(&focused);
    }
}

/// Adds to the end of an element.
pub(super) fn append(id: &str, html: &str) {
    if let Some(element) = by_id(id) {
        let _ = element.insert_adjacent_html("beforeend", html);
    }
}

pub(super) fn set_text(id: &str, text: &str) {
    if let Some(element) = by_id(id) {
        element.set_text_content(Some(text));
    }
}

pub(super) fn show(id: &str, shown: bool) {
    set_flag(id, "hidden", !shown);
}

pub(super) fn enable(id: &str, enabled: bool) {
    set_flag(id, "disabled", !enabled);
}

pub(super) fn open(id: &str, open: bool) {
    set_flag(id, "open", open);
}

fn set_flag(id: &str, name: &str, on: bool) {
    if let Some(element) = by_id(id) {
        let _ = element.toggle_attribute_with_force(name, on);
    }
}

pub(super) fn set(id: &str, name: &str, value: &str) {
    if let Some(element) = by_id(id) {
        let _ = element.set_attribute(name, value);
    }
}

/// Moves the focus, unless it is there.
pub(super) fn focus(id: &str) {
    let Some(document) = document() else { return };
    let is_there = document.active_element().is_some_and(|element| element.id() == id);
    let element: Option<HtmlElement> = by_id(id).and_then(|element| element.dyn_into().ok());
    if let (false, Some(element)) = (is_there, element) {
        let _ = element.focus();
    }
}

/// What an element's attribute `data-…` says; empty without one.
pub(super) fn data(element: &Element, name: &str) -> String {
    element.get_attribute(&["data-", name].concat()).unwrap_or_default()
}

/// What was typed or chosen.
pub(super) fn value(id: &str) -> String {
    // A list to choose from has a `value` as well.
    by_id(id).map(|element| value_of(&element)).unwrap_or_default()
}

/// What was typed into this element.
pub(super) fn value_of(element: &Element) -> String {
    element.unchecked_ref::<HtmlInputElement>().value()
}

pub(super) fn set_value(id: &str, value: &str) {
    if let Some(input) = input(id) {
        input.set_value(value);
    }
}

pub(super) fn is_checked(id: &str) -> bool {
    input(id).is_some_and(|input| input.checked())
}

/// The value of the radio button of this name that is on.
pub(super) fn checked_value(name: &str) -> String {
    let chosen = ["input[name=", name, "]:checked"].concat();
    let chosen = document().and_then(|document| document.query_selector(&chosen).ok().flatten());
    chosen.map(|element| value_of(&element)).unwrap_or_default()
}

/// Whether there is room for more than one column.
pub(super) fn is_wide() -> bool {
    let width = web_sys::window().and_then(|window| window.inner_width().ok());
    width.and_then(|width| width.as_f64()).is_some_and(|width| width >= 900.0)
}
