//! Pictures of the page, in `target/screenshots`. Those in `docs` are copies from a run of this test:
//!
//! ```sh
//! cargo xtask test && cp target/screenshots/shop.png target/screenshots/shop-phone.png docs/
//! ```
use std::fs;
use std::path::{Path, PathBuf};

use crate::data::stocked;
use crate::page::{DOORMAT, LANTERN, Page, serve};

fn folder() -> PathBuf {
    // `CARGO_TARGET_TMPDIR` is `target/tmp`.
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots")
}

fn picture(page: &Page, name: &str) {
    let file = folder().join(name);
    page.picture(&file);
    let bytes = fs::metadata(&file).unwrap().len();
    assert!(bytes > 20_000, "{bytes} bytes: a blank page");
    eprintln!("{bytes} bytes: {}", file.display());
}

/// A basket with its quote, which the server shares, its box, and what was behind asking it.
#[track_caller]
fn scene(page: &Page) {
    page.add(DOORMAT, "1");
    page.order();
    page.add(LANTERN, "24");
    page.total();
    page.add(DOORMAT, "4");
    page.total();
    page.enter_coupon("BASALT10");
    page.total();
    page.search("description", "love");
    page.click("[data-testid=compare]");
    page.says("[data-testid=compared]", "byte for byte");
    page.behind("POST /quotes");
    page.run("document.activeElement.blur(); scrollTo(0, 0)", &[]);
}

#[test]
fn pictures_are_taken() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.resize(1_280, 1_420, false);
    scene(&page);
    picture(&page, "shop.png");
    page.dark(true);
    picture(&page, "shop-dark.png");
    page.resize(1_280, 3_000, false);
    picture(&page, "whole-dark.png");
    page.dark(false);
    picture(&page, "whole.png");

    page.resize(360, 800, true);
    page.run("document.getElementById('behind').open = false; scrollTo(0, 0)", &[]);
    picture(&page, "phone-top.png");
    page.run("document.getElementById('basket-title').scrollIntoView()", &[]);
    picture(&page, "shop-phone.png");
    page.run("document.getElementById('boxes-title').scrollIntoView()", &[]);
    picture(&page, "phone-boxes.png");
    page.run("document.getElementById('behind').open = true", &[]);
    picture(&page, "phone-behind.png");
    shop.stop();
}
