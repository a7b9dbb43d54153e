//! Phone width, dark and light.
use serde_json::Value;

use crate::data::stocked;
use crate::page::{DOORMAT, HEART, LANTERN, Page, serve};

/// What WCAG asks of text, level AA.
const CONTRAST_MIN: f64 = 4.5;

/// Each visible text with the contrast to what is behind it, the weakest first. Texts of disabled controls are exempt.
const CONTRASTS: &str = r"
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const behind = (it) => {
        for (let at = it; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const light = (colour) => {
        const [r, g, b] = colour.slice(0, 3).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const it = node.parentElement;
        const words = node.data.trim();
        if (!words || it.closest('script, noscript, [disabled], .hide') || !it.checkVisibility({ opacityProperty: true })) continue;
        const ratio = contrast(rgba(getComputedStyle(it).color), behind(it));
        found.push({ words: words.slice(0, 60), ratio, class: it.className });
    }
    return found.sort((a, b) => a.ratio - b.ratio);";

/// A page that shows most of what it can show.
#[track_caller]
fn filled(page: &Page) {
    page.add(HEART, "30");
    page.total();
    page.order();
    page.add(LANTERN, "12");
    page.total();
    page.add(DOORMAT, "3");
    page.total();
    page.click("[data-testid=compare]");
    page.says("[data-testid=compared]", "byte for byte");
    page.run("document.querySelectorAll('details').forEach((it) => it.open = true)", &[]);
    page.search("description", "white");
    page.behind("sqlite scan product");
}

#[test]
fn texts_are_readable_in_light_and_dark() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    filled(&page);
    for dark in [false, true] {
        page.dark(dark);
        let found = page.run(CONTRASTS, &[]);
        let texts = found.as_array().unwrap();
        assert!(texts.len() > 100, "{texts:#?}");
        let weak: Vec<&Value> =
            texts.iter().take_while(|text| text["ratio"].as_f64().unwrap() < CONTRAST_MIN).collect();
        assert!(weak.is_empty(), "dark: {dark}: {weak:#?}");
    }
    let ground = |dark| {
        page.dark(dark);
        page.run("return getComputedStyle(document.documentElement).backgroundColor", &[])
    };
    assert_ne!(ground(false), ground(true));
    shop.stop();
}

/// What reaches beyond the window to the right.
const TOO_WIDE: &str = "const inside = (it) => it.closest('.scroll, .hide, svg');
    return [...document.body.querySelectorAll('*')]
        .filter((it) => it.checkVisibility() && !inside(it) && it.getBoundingClientRect().right > innerWidth + 0.5)
        .map((it) => it.outerHTML.slice(0, 120));";

#[test]
fn a_phone_scrolls_in_one_direction_only() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.resize(360, 740, true);
    let fits = |what: &str| {
        let width = page.run("return document.documentElement.scrollWidth", &[]);
        let wide = page.run(TOO_WIDE, &[]);
        assert_eq!((width.as_i64(), wide.as_array().unwrap().len()), (Some(360), 0), "{what}: {wide:#}");
    };
    fits("empty");
    filled(&page);
    fits("filled");
    page.click("label:has(input[value=price])");
    fits("by price");
    page.resize(320, 640, true);
    page.run("return document.body.offsetWidth", &[]);
    let width = page.run("return document.documentElement.scrollWidth", &[]);
    assert_eq!(width, 320, "{:#}", page.run(TOO_WIDE, &[]));
    shop.stop();
}
