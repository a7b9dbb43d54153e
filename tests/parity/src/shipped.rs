//! The retailer's file: its products, and its invoices as cases.
use std::collections::BTreeMap;
use std::error::Error;

use flate2::read::GzDecoder;
use shop_core::invoice::{Invoices, ProductList, Record};
use shop_core::{Basket, PriceList, Product};

use crate::case::Case;

const FILE: &[u8] = include_bytes!("../../../examples/shop/data/online-retail-2010-12.csv.gz");

/// What the shipped file says.
#[derive(Debug)]
pub struct Shipped {
    /// The products, in the order of their codes.
    pub(crate) products: Vec<Product>,
    by_code: BTreeMap<String, Product>,
    invoices: Invoices,
}

impl Shipped {
    /// Reads the file, which is part of the program.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn read() -> Result<Self, Box<dyn Error>> {
        let mut products = ProductList::default();
        let mut invoices = Invoices::default();
        for row in csv::Reader::from_reader(GzDecoder::new(FILE)).records() {
            let row = row?;
            let record = Record::parse(&row.iter().collect::<Vec<&str>>())?;
            products.add(&record);
            invoices.add(record);
        }
        let products: Vec<Product> = products.listed().map(|listed| listed.product).collect();
        let by_code = products.iter().map(|product| (product.code.clone(), product.clone())).collect();
        Ok(Self { products, by_code, invoices })
    }

    /// The basket's products, as the catalogue hands them over: in the order of their codes, without those that
    /// it does not know.
    pub(crate) fn prices(&self, basket: &Basket) -> PriceList {
        let products = basket.codes().iter().filter_map(|code| self.by_code.get(code)).cloned().collect();
        PriceList { version: 1, products }
    }

    /// Every invoice of the file as a basket at its own prices, at its own time.
    pub fn cases(&self) -> impl ExactSizeIterator<Item = Case> {
        self.invoices.iter().map(|invoice| {
            let basket = invoice.basket();
            let prices = self.prices(&basket);
            Case { name: format!("invoice {}", invoice.number), basket, prices, now: invoice.at }
        })
    }
}
