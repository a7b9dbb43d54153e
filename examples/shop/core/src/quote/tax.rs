//! Tax by country.
use crate::country::Country;
use crate::{Money, MoneyError};

/// The tax on everything that a customer pays, shipping included: the country's rate, rounded half to even once.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn on(amount: Money, country: &Country) -> Result<Money, MoneyError> {
    amount.share(country.tax)
}
