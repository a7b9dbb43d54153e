//! Amounts, sizes and times as people read them.
use shop_core::{Currency, Money, Size};
use staffa_context::Timestamp;

/// `£1,234.50`, with a minus in front when it is negative.
pub fn money(amount: Money) -> String {
    let minor = amount.minor().unsigned_abs();
    let sign = if amount.minor() < 0 { "−" } else { "" };
    let symbol = match amount.currency() {
        Currency::Gbp => "£",
        Currency::Eur => "€",
    };
    [sign, symbol, &grouped(minor / 100), ".", &two_digits(minor % 100)].concat()
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 box`, `2 boxes`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    [grouped(number).as_str(), " ", noun].concat()
}

/// `85 g`, and from a kilogram on `1.24 kg`, rounded down.
pub fn weight(grams: u64) -> String {
    if grams < 1_000 {
        return [&grams.to_string(), " g"].concat();
    }
    [&grouped(grams / 1_000), ".", &two_digits(grams % 1_000 / 10), " kg"].concat()
}

/// `12.3 × 8 × 4.5 cm`.
pub fn size(size: Size) -> String {
    [&tenths(size.x.into()), " × ", &tenths(size.y.into()), " × ", &tenths(size.z.into()), " cm"].concat()
}

/// `85 µs`, `3.2 ms`, `1.24 s`, rounded down.
pub fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => [&micros.to_string(), " µs"].concat(),
        1_000..1_000_000 => [&tenths(micros / 100), " ms"].concat(),
        _ => [&grouped(micros / 1_000_000), ".", &two_digits(micros % 1_000_000 / 10_000), " s"].concat(),
    }
}

/// The time of day in UTC to hundredths of a second: `06:14:53.12`.
pub fn time(at: Timestamp) -> String {
    at.to_string().get(11..22).unwrap_or_default().to_owned()
}

/// The day in UTC: `2010-12-01`.
pub fn day(at: Timestamp) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

/// `3 %`, `19.6 %`.
pub fn percent(basis_points: u32) -> String {
    let hundredths = basis_points % 100;
    let whole = (basis_points / 100).to_string();
    if hundredths == 0 {
        return [&whole, " %"].concat();
    }
    let part = two_digits(hundredths.into());
    [&whole, ".", part.trim_end_matches('0'), " %"].concat()
}

/// `12.3`, or `8` when nothing follows the point.
fn tenths(tenths: u64) -> String {
    let whole = grouped(tenths / 10);
    if tenths.is_multiple_of(10) { whole } else { [&whole, ".", &(tenths % 10).to_string()].concat() }
}

fn two_digits(number: u64) -> String {
    [(number / 10).to_string(), (number % 10).to_string()].concat()
}

#[cfg(test)]
mod tests {
    use shop_core::{Currency, Money, Size};
    use staffa_context::Timestamp;

    use super::{count, day, grouped, micros, money, percent, size, time, weight};

    #[test]
    fn money_has_a_symbol_groups_and_two_decimals() {
        let check = |minor, expect: &str| assert_eq!(money(Money::pence(minor)), expect);
        check(0, "£0.00");
        check(5, "£0.05");
        check(255, "£2.55");
        check(-255, "−£2.55");
        check(123_456_789, "£1,234,567.89");
        check(i64::MIN, "−£92,233,720,368,547,758.08");
        assert_eq!(money(Money::new(100, Currency::Eur)), "€1.00");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let all = [0, 12, 999, 1_000, 100_000, 1_234_567].map(grouped);
        assert_eq!(all, ["0", "12", "999", "1,000", "100,000", "1,234,567"]);
        assert_eq!((count(1, "box", "boxes"), count(0, "box", "boxes")), ("1 box".into(), "0 boxes".into()));
    }

    #[test]
    fn weights_sizes_and_rates_have_their_unit() {
        assert_eq!([85, 999, 1_000, 1_249].map(weight), ["85 g", "999 g", "1.00 kg", "1.24 kg"]);
        assert_eq!(size(Size::new(123, 80, 5)), "12.3 × 8 × 0.5 cm");
        assert_eq!([0, 300, 1_960, 1_750, 5].map(percent), ["0 %", "3 %", "19.6 %", "17.5 %", "0.05 %"]);
    }

    #[test]
    fn durations_take_the_unit_that_reads_best() {
        let all = [0, 850, 1_000, 3_250, 999_999, 1_000_000, 12_340_000].map(micros);
        assert_eq!(all, ["0 µs", "850 µs", "1 ms", "3.2 ms", "999.9 ms", "1.00 s", "12.34 s"]);
    }

    #[test]
    fn times_are_utc() {
        let at = Timestamp::from_micros(1_291_190_400_123_456);
        assert_eq!((day(at).as_str(), time(at).as_str()), ("2010-12-01", "08:00:00.12"));
    }
}
