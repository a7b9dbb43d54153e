//! The shop's page: what a visitor does with it, by its hooks `data-testid`.
use std::env;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::browser::{BACKSPACE, Browser, TAB};
use crate::shop::{Shop, shop};
use crate::soon::soon;

/// Products of the shipped list.
pub(crate) const HEART: &str = "85123A";
pub(crate) const LANTERN: &str = "71053";
pub(crate) const DOORMAT: &str = "48187";

/// Where the built page is.
fn folder() -> PathBuf {
    if let Some(path) = env::var_os("STAFFA_TEST_PAGE") {
        return path.into();
    }
    // This program is `target/debug/deps/browser-…`.
    let own = env::current_exe().unwrap();
    let path = own.ancestors().nth(3).unwrap().join("page");
    assert!(path.is_dir(), "build the page first: cargo xtask bundle ({})", path.display());
    path
}

/// Starts the shop with its page, as `cargo xtask shop` does.
#[track_caller]
pub(crate) fn serve(data: &Path, more: &[&str]) -> Shop {
    let folder = folder();
    let page = ["--page", folder.to_str().unwrap(), "--slow-store"];
    Shop::start_with(data, &[&page, more].concat())
}

/// Starts it again where it was.
#[track_caller]
pub(crate) fn serve_again(data: &Path, at: SocketAddr) -> Shop {
    let mut command = shop(&["serve", "--admin-port", "0", "--set", "log.format=json", "--slow-store"]);
    command.arg("--data").arg(data).arg("--page").arg(folder()).args(["--port", &at.port().to_string()]);
    Shop::run(&mut command)
}

/// The page in a browser of its own.
#[derive(Debug)]
pub(crate) struct Page(Browser);

impl Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.0
    }
}

impl Page {
    /// Opens it, and waits for its first products.
    #[track_caller]
    pub(crate) fn open(shop: &Shop) -> Self {
        Self::open_in(Browser::start(), shop)
    }

    #[track_caller]
    pub(crate) fn open_in(browser: Browser, shop: &Shop) -> Self {
        browser.open(&shop.url());
        let page = Self(browser);
        page.is_there();
        page
    }

    #[track_caller]
    pub(crate) fn is_there(&self) {
        self.sees("body[data-ready=yes]");
        self.found();
    }

    /// Waits until no browsing is in hand; gives what the page says of it.
    #[track_caller]
    pub(crate) fn found(&self) -> String {
        self.sees("#products[aria-busy=false]");
        self.says("[data-testid=found]", "")
    }

    /// The codes of the products that are shown.
    pub(crate) fn codes(&self) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll('[data-testid=product]')].map((it) => it.dataset.code)";
        let codes = self.run(script, &[]);
        codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    }

    /// Searches by `description` or `code`.
    #[track_caller]
    pub(crate) fn search(&self, by: &str, text: &str) {
        self.click(&format!("label:has(input[value={by}])"));
        self.fill("[data-testid=search]", text);
        self.click("[data-testid=browse]");
        self.found();
    }

    /// Finds a product and puts so many of it into the basket.
    #[track_caller]
    pub(crate) fn add(&self, code: &str, quantity: &str) {
        self.search("code", code);
        let row = format!("[data-testid=product][data-code='{code}']");
        self.fill(&format!("{row} input"), quantity);
        self.click(&format!("{row} [data-testid=add]"));
    }

    /// How many of a product in the basket there shall be.
    #[track_caller]
    pub(crate) fn change_quantity(&self, code: &str, quantity: &str) {
        self.fill(&format!("[data-testid=basket-line][data-code='{code}'] input"), quantity);
    }

    #[track_caller]
    pub(crate) fn choose_country(&self, name: &str) {
        self.send("[data-testid=country]", name);
        let chosen = || self.run("return document.getElementById('country').value", &[]);
        soon(&format!("the country {name}"), || (chosen() == name).then_some(()));
    }

    #[track_caller]
    pub(crate) fn enter_coupon(&self, code: &str) {
        self.fill("[data-testid=coupon]", &format!("{BACKSPACE}{code}{TAB}"));
    }

    /// Waits for the quote of the basket as it is: its total as a service spells it, `12.34 GBP`.
    #[track_caller]
    pub(crate) fn total(&self) -> String {
        self.sees("[data-testid=place]:not([disabled])");
        let total = self.says("[data-testid=quote-total]", "£");
        format!("{} GBP", total.replace(['£', ','], ""))
    }

    /// Places the order of the basket, and waits until its stock is set aside; gives its id.
    #[track_caller]
    pub(crate) fn order(&self) -> String {
        self.total();
        self.click("[data-testid=place]");
        self.order_is("reserved");
        self.text("#order-now code").unwrap()
    }

    /// Waits until the order that is watched has this state.
    #[track_caller]
    pub(crate) fn order_is(&self, state: &str) {
        self.sees(&format!("[data-testid=order-state][data-state={state}]"));
    }

    /// Waits until the panel has the server's part; gives its rows.
    #[track_caller]
    pub(crate) fn behind(&self, has: &str) -> Vec<Row> {
        soon(&format!("`{has}` behind the click"), || {
            let rows = self.rows();
            let whole = self.is_visible("[data-testid=behind][data-server=yes]");
            (whole && rows.iter().any(|row| row.name == has)).then_some(rows)
        })
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let script = "return [...document.querySelectorAll('[data-testid=behind-row]')].map((row) => ({
            name: row.dataset.name,
            service: row.dataset.service,
            depth: row.querySelector('th span').className,
            took: row.querySelector('.took').innerText,
            left: row.querySelector('.left').innerText,
            reason: row.querySelector('[data-testid=behind-reason]')?.innerText ?? '',
            notes: row.querySelector('.notes')?.innerText ?? '',
        }))";
        self.run(script, &[]).as_array().unwrap().iter().map(Row::read).collect()
    }

    /// The id of the trace that the panel shows.
    #[track_caller]
    pub(crate) fn trace(&self) -> u128 {
        let words = self.says("#behind-words", "Trace ");
        u128::from_str_radix(words.trim_start_matches("Trace ").trim(), 16)
            .unwrap_or_else(|_| panic!("{words}"))
    }
}

/// A row of the panel "behind this click", as it is read there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) depth: u32,
    pub(crate) took: String,
    pub(crate) left: String,
    pub(crate) reason: String,
    pub(crate) notes: String,
}

impl Row {
    fn read(row: &Value) -> Self {
        let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{row}")).to_owned();
        Self {
            name: text("name"),
            service: text("service"),
            depth: text("depth").trim_start_matches('d').parse().unwrap(),
            took: text("took"),
            left: text("left"),
            reason: text("reason"),
            notes: text("notes"),
        }
    }

    /// A time as the panel writes it, in microseconds.
    #[track_caller]
    pub(crate) fn micros(time: &str) -> u64 {
        let (number, unit) = time.split_once(' ').unwrap_or_else(|| panic!("`{time}` is no time"));
        let number: f64 = number.replace(',', "").parse().unwrap();
        let of_unit = match unit {
            "µs" => 1.0,
            "ms" => 1_000.0,
            "s" => 1_000_000.0,
            _ => panic!("`{time}` is no time"),
        };
        (number * of_unit) as u64
    }
}
