//! `shop import`: a file that is wrong is told in one line, and loses nothing.
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::data::{first_invoices, gzip, real_file, stocked, stocked_from};
use crate::orders::CODE;
use crate::program::{Ended, run};
use crate::shop::{Shop, shop};

const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
const GOOD: &str = "536365,85123A,HOLDER,6,01/12/2010 08:26,2.55,17850,United Kingdom";

fn import(file: &Path, data: &Path) -> Ended {
    run(shop(&["import"]).arg(file).arg("--data").arg(data))
}

/// Imports a file of these bytes into a folder.
fn import_bytes(bytes: &[u8], data: &Path) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.csv");
    fs::write(&file, bytes).unwrap();
    import(&file, data)
}

/// What the shop holds, as its users see it, with the version of a product.
fn holdings(data: &Path) -> (Vec<Value>, Vec<Value>, Value) {
    let shop = Shop::start(data);
    let held = (shop.products(), shop.all_stock(), shop.get(&format!("/products/{CODE}")).good());
    shop.stop();
    held
}

#[test]
fn importing_twice_changes_nothing() {
    let data = stocked();
    let before = holdings(data.path());
    for _ in 0..2 {
        let ended = import(&real_file(), data.path());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("products: 0 added, 0 changed, 2748 unchanged"), "{ended:?}");
        assert!(ended.out.contains("stock: 0 opened"), "{ended:?}");
        assert!(ended.out.contains("0 bad"), "{ended:?}");
        assert!(ended.out.starts_with("lines: 39522 read (38640 sold, "), "{ended:?}");
    }
    assert_eq!(holdings(data.path()), before);
}

#[test]
fn a_bad_line_is_told_with_its_number_and_counted_and_the_others_are_taken() {
    let data = tempfile::tempdir().unwrap();
    let long = "x".repeat(1 << 20);
    let lines: Vec<Vec<u8>> = vec![
        HEADER.into(),
        GOOD.into(),
        "536365,71053,LANTERN,six,01/12/2010 08:26,3.39,17850,United Kingdom".into(),
        "536365,71053,LANTERN,6,01/12/2010 08:26,3.399,17850,United Kingdom".into(),
        "536365,71053,LANTERN,6,31/02/2010 08:26,3.39,17850,United Kingdom".into(),
        "536365,71053,LANTERN,6".into(),
        "536365,71053,\"LANTERN,6,01/12/2010 08:26,3.39,17850,United Kingdom".into(),
        [b"536365,71053,LAMPE \xe0 HUILE,6,01/12/2010 08:26,3.39,17850,France".as_slice()].concat(),
        format!("536365,71053,{long},6,01/12/2010 08:26,3.39,17850,France").into(),
        ",71053,LANTERN,6,01/12/2010 08:26,3.39,17850,United Kingdom".into(),
        "536365,71053,LAN\u{0}TERN,6,01/12/2010 08:26,3.39,17850,United Kingdom".into(),
        "536365,71053,LANTERN,9223372036854775808,01/12/2010 08:26,3.39,17850,United Kingdom".into(),
        "536366,22633,\"WARMER, \"\"UNION\"\"\",6,01/12/2010 08:28,1.85,17850,United Kingdom".into(),
    ];
    let ended = import_bytes(&lines.join(&b'\n'), data.path());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let expect = [
        (3, "its quantity `six` is not a whole number"),
        (4, "its price `3.399` is not an amount with at most two decimals"),
        (5, "its time `31/02/2010 08:26` is not"),
        (6, "it has 4 fields instead of 8"),
        (7, "it has a quote without its end"),
        (8, "it is not UTF-8: save the file as UTF-8"),
        (9, "it is longer than 16384 bytes"),
        (10, "its invoice number is missing"),
        (11, "its description is missing, too long or has control characters"),
        (12, "its quantity `9223372036854775808` is not a whole number"),
    ];
    for (line, why) in expect {
        let told = format!("line {line}: {why}");
        assert!(ended.err.contains(&told), "no `{told}`: {ended:?}");
    }
    assert_eq!(ended.err.lines().count(), expect.len(), "a line for each: {ended:?}");
    assert!(
        ended.out.contains("lines: 2 read (2 sold, 0 returns, 0 adjustments, 0 unpriced), 10 bad"),
        "{ended:?}"
    );
    assert!(ended.out.contains("products: 2 added"), "{ended:?}");

    let shop = Shop::start(data.path());
    let product = shop.get("/products/22633").good();
    assert_eq!(product["value"]["description"], "WARMER, \"UNION\"", "{product}");
    assert_eq!(shop.stock("22633"), (1_006, 0));
    shop.get("/products/71053").problem(404, "not_found", "there is no such product");
    shop.stop();
}

#[test]
fn a_file_that_is_not_the_list_is_refused_in_one_line_and_nothing_is_lost() {
    let (data, _) = stocked_from(&first_invoices(20));
    let before = holdings(data.path());
    let whole = first_invoices(20);
    let zipped = gzip(whole.as_bytes());
    let columns = format!("{}\n{GOOD}\n", HEADER.replace("StockCode,Description", "Description,StockCode"));
    let utf16: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let megabyte = "x".repeat(1 << 20);
    let cases: [(&str, &[u8], &str); 9] = [
        ("empty", b"", "the file is empty"),
        ("a truncated gzip", &zipped[..zipped.len() / 2], "the file ends too early: is it whole?"),
        ("a gzip that is cut in its head", &zipped[..5], "the file ends too early: is it whole?"),
        ("a gzip that is damaged", &damaged(&zipped), "list.csv: "),
        ("wrong columns", columns.as_bytes(), "the first line must be `InvoiceNo,StockCode,"),
        ("no columns", GOOD.as_bytes(), "the first line must be `InvoiceNo,StockCode,"),
        ("UTF-16", &utf16, "in UTF-8"),
        ("one line of a megabyte", megabyte.as_bytes(), "the first line must be"),
        ("bytes of something else", b"\x7fELF\x02\x01\x01\0\0\0", "the first line must be"),
    ];
    for (what, bytes, words) in cases {
        let ended = import_bytes(bytes, data.path());
        assert_eq!(ended.code, Some(1), "{what}: {ended:?}");
        let line = ended.one_line();
        assert!(
            line.starts_with("import: ") && line.contains(words) && !line.contains("task"),
            "{what}: `{line}` does not say `{words}`"
        );
        assert!(ended.out.is_empty(), "{what}: {ended:?}");
    }
    assert_eq!(holdings(data.path()), before);
}

/// A byte in the middle is another.
fn damaged(zipped: &[u8]) -> Vec<u8> {
    let mut damaged = zipped.to_vec();
    let last = damaged.len() - 6;
    damaged[last] ^= 0xff;
    damaged
}

#[test]
fn a_list_that_is_cut_in_a_line_says_so_and_takes_the_whole_lines() {
    let data = tempfile::tempdir().unwrap();
    let cut = format!("{HEADER}\n{GOOD}\n536365,71053,LANT");
    let ended = import_bytes(cut.as_bytes(), data.path());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("line 3: it has 3 fields instead of 8"), "{ended:?}");
    assert!(ended.out.contains("1 bad") && ended.out.contains("products: 1 added"), "{ended:?}");
}

#[test]
fn a_list_in_another_encoding_is_given_up_after_a_thousand_bad_lines() {
    let data = tempfile::tempdir().unwrap();
    let mut latin = format!("{HEADER}\n").into_bytes();
    for _ in 0..2_000 {
        latin.extend(b"536365,71053,LAMPE \xe0 HUILE,6,01/12/2010 08:26,3.39,17850,France\n");
    }
    let ended = import_bytes(&latin, data.path());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("line 2: it is not UTF-8: save the file as UTF-8"), "{ended:?}");
    assert!(ended.err.lines().last().unwrap().contains("1000 lines are bad"), "{ended:?}");
}

#[test]
fn what_is_no_file_is_refused_in_one_line() {
    let data = tempfile::tempdir().unwrap();
    import(&data.path().join("nowhere.csv"), data.path()).refused(&[
        "import: ",
        "nowhere.csv",
        "No such file",
    ]);
    import(data.path(), data.path()).refused(&["import: ", "is a folder"]);
    assert!(fs::read_dir(data.path()).unwrap().next().is_none(), "nothing was made");
}

#[test]
fn a_store_that_a_running_shop_holds_is_refused_in_one_line() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let before = shop.stock(CODE);
    let ended = import(&real_file(), data.path());
    ended.refused(&["import: ", "catalog.sqlite", "in use by another process", "stop that one"]);
    assert_eq!(shop.stock(CODE), before);
    shop.stop();
}

#[test]
fn a_place_that_cannot_be_written_is_refused_in_one_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let ended = import(&real_file(), &file);
    ended.refused(&["import: ", "the folder ", "/file cannot be made", "choose another place"]);
    let ended = run(shop(&["import", "--store", "mysql://root:hunter2@db"]).arg(real_file()));
    ended.refused(&["import: ", "no store is known for `mysql:`", "sqlite:FOLDER"]);
    assert!(!ended.err.contains("hunter2"), "{ended:?}");
}
