//! Codes that are not goods: charges, fees, discounts and vouchers.
//!
//! They are priced like any product, and neither stocked nor packed.

/// The exact codes that are not goods: postage, carriage, fees, manual entries, samples and discounts.
pub const CHARGES: &[&str] =
    &["POST", "DOT", "C2", "M", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS"];

/// How codes of gift vouchers begin: `gift_0001_40`.
pub const VOUCHERS: &str = "gift_";

/// Whether this code is a thing that lies in a warehouse and goes into a box. Case counts.
pub fn is_goods(code: &str) -> bool {
    !CHARGES.contains(&code) && !code.starts_with(VOUCHERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_and_vouchers_are_not_goods() {
        for code in ["POST", "DOT", "M", "BANK CHARGES", "AMAZONFEE", "C2", "D", "S", "gift_0001_40"] {
            assert!(!is_goods(code), "{code}");
        }
        for code in ["85123A", "DCGS0076", "DCGS0003", "post", "10002"] {
            assert!(is_goods(code), "{code}");
        }
    }
}
