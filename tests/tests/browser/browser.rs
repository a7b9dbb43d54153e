//! A browser with one tab: the few of WebDriver's commands that the tests need.
//!
//! Elements are named by CSS selectors, and found anew for each step: the page replaces them as it goes.
use std::fs;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driver::{Driver, Refused};
use crate::program::needed;
use crate::soon::soon;

/// Keys as WebDriver spells them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SPACE: &str = " ";
pub(crate) const BACKSPACE: &str = "\u{e003}";
/// Selects all that a field holds, so that what is typed replaces it.
const SELECT_ALL: &str = "\u{e009}a\u{e000}";

/// What WebDriver says of an element that is not there yet, or is covered or replaced at this moment.
const PASSING: &[&str] =
    &["no such element", "stale element reference", "element not interactable", "element click intercepted"];

/// The key under which WebDriver puts an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running browser. Dropped, it is closed, and its profile removed.
#[derive(Debug)]
pub(crate) struct Browser {
    driver: Driver,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one with a window of a desktop's size.
    pub(crate) fn start() -> Self {
        let chromium = needed("chromium", "STAFFA_TEST_CHROMIUM", "chromium");
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let driver = Driver::start();
        let mut started = driver.ask("POST", "/session", Some(&wanted)).unwrap();
        let session = started["sessionId"].take().as_str().unwrap().to_owned();
        let browser = Self { driver, session, _profile: profile };
        browser.resize(1_280, 900, false);
        browser
    }

    fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refused> {
        self.driver.ask(method, &format!("/session/{}{path}", self.session), body)
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.try_ask("POST", path, Some(body)).unwrap_or_else(|refused| panic!("{path} {body}: {refused:?}"))
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// The handle of the tab that is in front.
    #[track_caller]
    pub(crate) fn tab(&self) -> String {
        let tab = self.try_ask("GET", "/window", None).unwrap();
        tab.as_str().unwrap().to_owned()
    }

    /// Opens another tab, and goes to it.
    #[track_caller]
    pub(crate) fn new_tab(&self) {
        let made = self.post("/window/new", &json!({ "type": "tab" }));
        self.go_to(made["handle"].as_str().unwrap());
        self.resize(1_280, 900, false);
    }

    #[track_caller]
    pub(crate) fn go_to(&self, tab: &str) {
        self.post("/window", &json!({ "handle": tab }));
    }

    /// What the body of a function in JavaScript returns.
    #[track_caller]
    pub(crate) fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// A command of the DevTools protocol.
    #[track_caller]
    pub(crate) fn tool(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Gives the page this width and height in CSS pixels; as on a phone, or as on a desktop.
    pub(crate) fn resize(&self, width: u32, height: u32, phone: bool) {
        let scale = if phone { 2 } else { 1 };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone });
        self.tool("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Whether the visitor likes it dark.
    pub(crate) fn dark(&self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.tool("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
    }

    fn element(&self, css: &str) -> Result<String, Refused> {
        // In the middle of the window, clear of what is fixed at its edges.
        let script = "const it = document.querySelector(arguments[0]); \
                      it?.scrollIntoView({ block: 'center', behavior: 'instant' }); return it";
        let body = json!({ "script": script, "args": [css] });
        let found = self.try_ask("POST", "/execute/sync", Some(&body))?;
        let missing = || Refused { error: PASSING[0].to_owned(), message: css.to_owned() };
        Ok(found[ELEMENT].as_str().ok_or_else(missing)?.to_owned())
    }

    /// Does something with an element as soon as it can be done.
    #[track_caller]
    fn act(&self, css: &str, action: &str, body: &Value) {
        let act = || {
            let element = self.element(css)?;
            self.try_ask("POST", &format!("/element/{element}/{action}"), Some(body))
        };
        soon(&format!("{action} on `{css}`: {}", self.shown()), || match act() {
            Ok(_) => Some(()),
            Err(refused) if PASSING.contains(&refused.error.as_str()) => None,
            Err(refused) => panic!("{action} on `{css}`: {refused:?}"),
        });
    }

    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.act(css, "click", &json!({}));
    }

    /// Types into an element, after what it holds.
    #[track_caller]
    pub(crate) fn send(&self, css: &str, keys: &str) {
        self.act(css, "value", &json!({ "text": keys }));
    }

    /// Types into a field, in place of what it holds.
    #[track_caller]
    pub(crate) fn fill(&self, css: &str, text: &str) {
        self.send(css, &format!("{SELECT_ALL}{text}"));
    }

    /// Presses a key, wherever the focus is.
    #[track_caller]
    pub(crate) fn press(&self, key: &str) {
        let strokes = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", &json!({ "actions": [keyboard] }));
    }

    /// Types this, wherever the focus is.
    #[track_caller]
    pub(crate) fn type_keys(&self, text: &str) {
        text.chars().for_each(|key| self.press(&key.to_string()));
    }

    /// The text of each visible element that fits, in the order of the page.
    #[track_caller]
    pub(crate) fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])] \
                      .filter((it) => it.checkVisibility()).map((it) => it.innerText ?? '')";
        let texts = self.run(script, &[css.into()]);
        texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// The text of an element; none while it is not visible.
    #[track_caller]
    pub(crate) fn text(&self, css: &str) -> Option<String> {
        self.texts(css).into_iter().next()
    }

    pub(crate) fn is_visible(&self, css: &str) -> bool {
        self.text(css).is_some()
    }

    /// Waits until such an element is visible.
    #[track_caller]
    pub(crate) fn sees(&self, css: &str) {
        self.says(css, "");
    }

    /// Waits until a visible element says this; gives all that it says.
    #[track_caller]
    pub(crate) fn says(&self, css: &str, words: &str) -> String {
        soon(&format!("`{css}` that says `{words}`"), || self.text(css).filter(|text| text.contains(words)))
    }

    /// Waits until no such element is visible.
    #[track_caller]
    pub(crate) fn loses(&self, css: &str) {
        soon(&format!("no `{css}`"), || (!self.is_visible(css)).then_some(()));
    }

    /// What the page says at this moment.
    fn shown(&self) -> String {
        let text = self.text("main").unwrap_or_default();
        text.chars().take(600).collect()
    }

    /// What the browser has noted since it was last asked: `browser` is the console, `performance` the DevTools
    /// protocol's events.
    pub(crate) fn log(&self, kind: &str) -> Vec<Value> {
        let records = self.post("/se/log", &json!({ "type": kind }));
        records.as_array().unwrap().clone()
    }

    /// The console has no errors: nothing was refused by the page's policy, nothing failed unseen.
    #[track_caller]
    pub(crate) fn is_content(&self) {
        let errors: Vec<Value> =
            self.log("browser").into_iter().filter(|record| record["level"] == "SEVERE").collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    /// A picture of the window.
    pub(crate) fn picture(&self, file: &Path) {
        let shot = self.try_ask("GET", "/screenshot", None).unwrap();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, base64(shot.as_str().unwrap())).unwrap();
    }
}

impl Browser {
    /// What helps to understand a failed test: the page as it was, and what its console says.
    fn last_words(&self) -> Result<String, Refused> {
        let url = self.try_ask("GET", "/url", None)?;
        let text = json!({ "script": "return document.body.dataset.ready + '\\n' + document.body.innerText", "args": [] });
        let text = self.try_ask("POST", "/execute/sync", Some(&text))?;
        let console = self.try_ask("POST", "/se/log", Some(&json!({ "type": "browser" })))?;
        Ok(format!("{url}\n{}\n{console:#}", text.as_str().unwrap_or_default()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "the page of the failed test:\n{}",
                self.last_words().unwrap_or_else(|refused| refused.error)
            );
        }
        // Closed through its driver, so that none of its processes stays.
        let _ = self.try_ask("DELETE", "", None);
    }
}

/// The bytes that a text in base64 stands for.
fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.as_bytes().iter().filter(|byte| **byte != b'=').map(digit).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for four in digits.chunks(4) {
        let whole = four.iter().fold(0_u32, |whole, digit| whole << 6 | u32::from(*digit));
        let whole = whole << (6 * (4 - four.len()));
        bytes.extend_from_slice(&whole.to_be_bytes()[1..four.len()]);
    }
    bytes
}

#[test]
fn base64_is_read_back() {
    for (text, bytes) in
        [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("+/+/", b"\xfb\xff\xbf")]
    {
        assert_eq!(base64(text), bytes, "{text}");
    }
}
