//! The shipped file, read once.
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;

use shop_core::invoice::{Invoices, Listed, ProductList, Record, RecordKind};
use shop_core::{PriceList, Product};

pub(crate) struct File {
    pub(crate) records: u32,
    pub(crate) kinds: BTreeMap<RecordKind, u32>,
    pub(crate) invoices: Invoices,
    pub(crate) listed: Vec<Listed>,
    /// Quantity × price over all records, in pence.
    pub(crate) sum: i64,
}

impl File {
    pub(crate) fn price_list(&self) -> PriceList {
        PriceList { version: 1, products: self.products() }
    }

    pub(crate) fn products(&self) -> Vec<Product> {
        self.listed.iter().map(|listed| listed.product.clone()).collect()
    }
}

pub(crate) fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(read)
}

fn read() -> File {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/online-retail-2010-12.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    assert_eq!(fields(lines.next().unwrap()), shop_core::invoice::COLUMNS);

    let mut file = File {
        records: 0,
        kinds: BTreeMap::new(),
        invoices: Invoices::default(),
        listed: Vec::new(),
        sum: 0,
    };
    let mut products = ProductList::default();
    for line in lines {
        let fields = fields(line);
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let record = Record::parse(&fields).unwrap();
        file.records += 1;
        *file.kinds.entry(record.kind()).or_default() += 1;
        file.sum += record.quantity * record.price.minor();
        products.add(&record);
        file.invoices.add(record);
    }
    file.listed = products.listed().collect();
    file
}

/// The fields of a line. The file has quotes, but no line breaks inside them.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            character => fields.last_mut().unwrap().push(character),
        }
    }
    fields
}
