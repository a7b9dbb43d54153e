//! Pictures of the page, in `target/screenshots`. `docs/shop.png` and `docs/shop-phone.png` are `shop.png` and
//! `shop-phone.png` of a run of this test.
use std::fs;
use std::path::{Path, PathBuf};

use crate::data::stocked;
use crate::page::{BRACELET, DOORMAT, LANTERN, Page, serve};

/// As large as the picture in the README may be.
const BYTES_MAX: u64 = 300_000;

fn folder() -> PathBuf {
    // `CARGO_TARGET_TMPDIR` is `target/tmp`.
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots")
}

fn picture(page: &Page, name: &str) -> u64 {
    let file = folder().join(name);
    page.picture(&file);
    fs::metadata(file).unwrap().len()
}

/// A basket with its quote, which the server shares, its box, and what was behind asking it.
#[track_caller]
fn scene(page: &Page) {
    page.add(DOORMAT, "1");
    page.order();
    page.add(LANTERN, "12");
    page.total();
    page.add(DOORMAT, "4");
    page.total();
    page.add(BRACELET, "36");
    page.total();
    page.enter_coupon("BASALT10");
    page.total();
    page.search("description", "white");
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
    page.resize(1_280, 1_480, false);
    scene(&page);
    let bytes = picture(&page, "shop.png");
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
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
