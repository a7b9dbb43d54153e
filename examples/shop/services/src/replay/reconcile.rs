//! Holds what the services have against the file.
use std::collections::BTreeMap;
use std::fmt;

use shop_core::Money;
use shop_core::order::State;

use super::Sold;
use super::held::Held;

/// How many differences are told one by one.
const TOLD_MAX: usize = 20;

/// What was compared, as the file's and the services' figure, and where they differ.
#[derive(Debug)]
pub(crate) struct Findings {
    rows: Vec<(&'static str, String, String)>,
    others: u64,
    differences: Vec<String>,
}

impl Findings {
    pub(crate) fn reconciles(&self) -> bool {
        self.differences.is_empty() && self.rows.iter().all(|(_, file, services)| file == services)
    }
}

/// Compares order by order and code by code; the sums are what a person looks at.
pub(crate) fn reconcile(sold: &Sold, held: &Held) -> Findings {
    let mut differences = Vec::new();
    orders(sold, held, &mut differences);
    let drop = stock(sold, held, &mut differences);

    let file_minor: i64 = sold.invoices.iter().map(|invoice| invoice.minor()).sum();
    let held_minor: i64 = held.replayed.values().map(|order| order.minor).sum();
    let held_lines: u64 = held.replayed.values().map(|order| order.lines).sum();
    let file_units: i64 = sold.invoices.units().values().sum();
    let rows = vec![
        ("orders", sold.invoices.iter().len().to_string(), held.replayed.len().to_string()),
        ("lines", sold.lines.to_string(), held_lines.to_string()),
        ("goods", Money::pence(file_minor).to_string(), Money::pence(held_minor).to_string()),
        ("units", file_units.to_string(), drop.to_string()),
    ];
    Findings { rows, others: held.others, differences }
}

fn orders(sold: &Sold, held: &Held, differences: &mut Vec<String>) {
    for invoice in sold.invoices.iter() {
        let number = &invoice.number;
        let Some(order) = held.replayed.get(number) else {
            differences.push(format!("invoice {number} has no order"));
            continue;
        };
        let (file, services) = (Money::pence(invoice.minor()), Money::pence(order.minor));
        if file != services {
            differences.push(format!("invoice {number} comes to {file}, its order to {services}"));
        }
        if matches!(order.state, State::Placed | State::Rejected | State::Cancelled) {
            differences.push(format!("the order of invoice {number} is {}", order.state.name()));
        }
    }
}

/// How many units fewer there are than at first, but for what other orders took; code by code it must be what the
/// replayed orders hold.
fn stock(sold: &Sold, held: &Held, differences: &mut Vec<String>) -> i64 {
    let mut replayed: BTreeMap<&str, i64> = BTreeMap::new();
    for order in held.replayed.values() {
        for (code, units) in &order.units {
            *replayed.entry(code).or_default() += units;
        }
    }
    let mut all = 0;
    for listed in sold.products.listed().filter(|listed| listed.product.goods) {
        let code = listed.product.code.as_str();
        let of = |units: &BTreeMap<String, i64>| units.get(code).copied().unwrap_or_default();
        let drop = listed.stock - of(&held.available) - of(&held.others_units);
        let taken = replayed.get(code).copied().unwrap_or_default();
        if drop != taken {
            differences.push(format!("stock of {code} is lower by {drop}, its orders took {taken}"));
        }
        all += drop;
    }
    all
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<8} {:>18} {:>18}", "", "file", "services")?;
        for (name, file, services) in &self.rows {
            let mark = if file == services { "" } else { "  differs" };
            writeln!(f, "{name:<8} {file:>18} {services:>18}{mark}")?;
        }
        for difference in self.differences.iter().take(TOLD_MAX) {
            writeln!(f, "{difference}")?;
        }
        if self.differences.len() > TOLD_MAX {
            writeln!(f, "and {} more differences", self.differences.len() - TOLD_MAX)?;
        }
        writeln!(f, "other orders: {}", self.others)?;
        f.write_str(if self.reconciles() { "reconciled" } else { "does not reconcile" })
    }
}
