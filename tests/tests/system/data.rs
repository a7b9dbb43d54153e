//! Data folders and the retailer's file.
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::program::run;
use crate::shop::{Shop, shop};

/// The real file that comes with the shop.
pub(crate) fn real_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop/data/online-retail-2010-12.csv.gz")
}

/// The real file's text.
pub(crate) fn real_text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = String::new();
        GzDecoder::new(fs::File::open(real_file()).unwrap()).read_to_string(&mut text).unwrap();
        text
    })
}

/// The first lines of the real file, with its header: so many that they are `invoices` invoices.
pub(crate) fn first_invoices(invoices: usize) -> String {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for line in real_text().lines() {
        let number = line.split(',').next().unwrap_or_default();
        if number.bytes().all(|byte| byte.is_ascii_digit()) && seen.insert(number) && seen.len() > invoices {
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// What the sold lines of a file come to, by a reading of our own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sold {
    pub(crate) orders: usize,
    pub(crate) lines: usize,
    pub(crate) pence: i64,
}

impl Sold {
    pub(crate) fn of(text: &str) -> Self {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut orders = BTreeSet::new();
        let (mut lines, mut pence) = (0, 0);
        for record in reader.records() {
            let record = record.unwrap();
            let quantity: i64 = record[3].parse().unwrap();
            let price = in_pence(&record[5]);
            if !record[0].starts_with('C') && quantity > 0 && price > 0 {
                orders.insert(record[0].to_owned());
                lines += 1;
                pence += quantity * price;
            }
        }
        Self { orders: orders.len(), lines, pence }
    }

    /// The goods as the shop prints them.
    pub(crate) fn goods(&self) -> String {
        format!("{}.{:02} GBP", self.pence / 100, self.pence % 100)
    }
}

fn in_pence(price: &str) -> i64 {
    let (whole, part) = price.split_once('.').unwrap_or((price, ""));
    let pence: i64 = format!("{whole}{part:0<2}").parse().unwrap();
    pence
}

/// These bytes as gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A data folder with the whole product list and no orders: a copy of one that is made once.
pub(crate) fn stocked() -> TempDir {
    static ORIGINAL: OnceLock<PathBuf> = OnceLock::new();
    copy(ORIGINAL.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stocked");
        let _ = fs::remove_dir_all(&folder);
        let shop = Shop::start(&folder);
        eprintln!("the first start with its import took {:?}", shop.started_in);
        shop.stop();
        folder
    }))
}

/// A data folder with the products of this file and no orders.
pub(crate) fn stocked_from(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.csv.gz");
    fs::write(&file, gzip(text.as_bytes())).unwrap();
    let mut import = shop(&["import"]);
    let ended = run(import.arg(&file).arg("--data").arg(folder.path()));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (folder, file)
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}
