//! Holds what the services have against what the customers were promised.

use std::collections::{BTreeMap, BTreeSet};

use shop_core::Order;
use shop_core::order::State;
use shop_core::reporting::{Day, Revenue};

use crate::held::Stocks;
use crate::ledger::{Ledger, Promised};

/// What is not as it must be; empty when all is well.
pub(crate) type Differences = Vec<String>;

/// Every promised order is there once, as it was promised, and no other but those that were left.
pub(crate) fn orders(ledger: &Ledger, held: &[Order]) -> Differences {
    let mut differences = Differences::new();
    let mut by_reference: BTreeMap<&str, Vec<&Order>> = BTreeMap::new();
    for order in held {
        by_reference.entry(order.reference.as_deref().unwrap_or_default()).or_default().push(order);
        differences.extend(impossible_steps(order));
    }
    for promised in &ledger.promised {
        let reference = promised.order.reference.as_deref().unwrap_or_default();
        let found = by_reference.remove(reference).unwrap_or_default();
        differences.extend(difference(reference, promised, &found));
    }
    let left: BTreeSet<&str> = ledger.left.iter().map(String::as_str).collect();
    for (reference, found) in by_reference {
        if found.len() > 1 || !left.contains(reference) {
            differences
                .push(format!("order {reference} is there {} times, and nobody placed it", found.len()));
        }
        if let Some(waiting) = found.iter().find(|order| order.state == State::Placed) {
            differences.push(format!("order {reference} ({}) still waits for its stock", waiting.id));
        }
    }
    differences
}

fn difference(reference: &str, promised: &Promised, found: &[&Order]) -> Option<String> {
    let [order] = found else {
        return Some(format!("order {reference} was promised once, and is there {} times", found.len()));
    };
    let first = &promised.order;
    if (order.id, &order.lines, order.totals) != (first.id, &first.lines, first.totals) {
        return Some(format!("order {reference} was promised as\n{first:?}\nand is\n{order:?}"));
    }
    if order.state != promised.end {
        let (is, expected) = (order.state.name(), promised.end.name());
        return Some(format!("order {reference} is {is} instead of {expected}: {:?}", order.steps));
    }
    None
}

/// No event takes effect twice: an order comes into each state once. One that was called off while its stock was on
/// the way has a second step that says so.
fn impossible_steps(order: &Order) -> Option<String> {
    let mut seen = BTreeSet::new();
    let twice = order.steps.iter().any(|step| !seen.insert((step.state, step.why.is_some())));
    twice.then(|| format!("order {} took a step twice: {:?}", order.id, order.steps))
}

/// What the events of orders did to the stock of a code.
#[derive(Debug, Default)]
struct Moved {
    available: i64,
    reserved: i64,
    refused: i64,
    /// How often it was written: once for each event.
    writes: i64,
}

/// Each code's stock has moved by what the orders took since `before`, and was written once for each event.
pub(crate) fn stocks(before: &Stocks, orders: &[Order], after: &Stocks) -> Differences {
    let mut moved: BTreeMap<String, Moved> = BTreeMap::new();
    orders.iter().for_each(|order| count(order, &mut moved));
    let nothing = Moved::default();
    let differing = after.iter().filter_map(|(code, now)| {
        let moved = moved.get(code).unwrap_or(&nothing);
        let old = before.get(code)?;
        let is = (now.value.available, now.value.reserved, now.value.refused, now.version);
        let expected = (
            old.value.available + moved.available,
            old.value.reserved + moved.reserved,
            old.value.refused + moved.refused,
            old.version + moved.writes,
        );
        (is != expected).then(|| {
            format!(
                "stock of {code} (available, reserved, refused, version) is {is:?} instead of {expected:?}"
            )
        })
    });
    differing.collect()
}

fn count(order: &Order, moved: &mut BTreeMap<String, Moved>) {
    // A refused order is noted at its first code alone; ours have one.
    let refused = order.state == State::Rejected;
    let released = order.steps.iter().any(|step| step.state == State::Cancelled && step.why.is_some());
    let reserved = released || order.steps.iter().any(|step| step.state == State::Reserved);
    let cancelled = reserved && order.state == State::Cancelled;
    let shipped = order.state == State::Shipped;
    for units in order.units() {
        let moved = moved.entry(units.code).or_default();
        moved.refused += i64::from(refused);
        moved.available -= if reserved && !cancelled { units.units } else { 0 };
        moved.reserved += if reserved && !cancelled && !shipped { units.units } else { 0 };
        moved.writes += i64::from(refused) + i64::from(reserved) + i64::from(cancelled) + i64::from(shipped);
    }
}

/// The report comes to what the orders come to, to the penny.
pub(crate) fn revenue(orders: &[Order], report: &[Revenue]) -> Differences {
    let mut sums: BTreeMap<(Day, &str), (i64, i64)> = BTreeMap::new();
    for order in orders.iter().filter(|order| !matches!(order.state, State::Rejected | State::Cancelled)) {
        let sum = sums.entry((Day::of(order.placed_at), &order.country)).or_default();
        *sum = (sum.0 + 1, sum.1 + order.totals.lines.minor());
    }
    let reported: BTreeMap<(Day, &str), (i64, i64)> =
        report.iter().map(|row| ((row.day, row.country.as_str()), (row.orders, row.pence))).collect();
    if sums == reported {
        return Differences::new();
    }
    vec![format!("the report says {reported:?}, the orders come to {sums:?}")]
}
