//! The shop's real products, from the file that comes with it.
use flate2::read::GzDecoder;
use shop_core::Product;
use shop_core::invoice::{ProductList, Record};

static SHIPPED: &[u8] = include_bytes!("../../../examples/shop/data/online-retail-2010-12.csv.gz");

/// All of them, in the order of their codes.
pub(crate) fn shipped() -> anyhow::Result<Vec<Product>> {
    let mut list = ProductList::default();
    for fields in csv::Reader::from_reader(GzDecoder::new(SHIPPED)).records() {
        let fields = fields?;
        let fields: Vec<&str> = fields.iter().collect();
        list.add(&Record::parse(&fields)?);
    }
    Ok(list.listed().map(|listed| listed.product).collect())
}
