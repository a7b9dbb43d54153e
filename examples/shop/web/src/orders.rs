//! Orders as they are shown.
use shop_core::Order;
use shop_core::order::{State, Step};
use staffa_storage::Versioned;

use crate::html::Html;
use crate::text;

/// The steps of an order that goes well.
const WAY: [State; 4] = [State::Placed, State::Reserved, State::Packed, State::Shipped];

/// What a state means for the customer.
pub fn meaning(state: State) -> &'static str {
    match state {
        State::Placed => "accepted; its stock is being asked for",
        State::Reserved => "its stock is set aside",
        State::Packed => "it is in its boxes",
        State::Shipped => "it has left",
        State::Rejected => "there is not enough stock",
        State::Cancelled => "called off before it left; its stock comes back",
    }
}

/// An order with its way so far and what can be done with it.
pub fn html(order: &Versioned<Order>) -> String {
    let mut html = Html::new();
    html.put("<p class=state><b data-testid=order-state data-state=").put(order.state.name()).put(">");
    html.put(order.state.name())
        .put("</b> <span>")
        .put(meaning(order.state))
        .put("</span></p><p class=facts>");
    html.text(&text::money(order.totals.total)).put(" · ").text(&order.country).put(" · ");
    html.text(&text::count(order.boxes, "box", "boxes")).put(" · order <code>").text(&order.id.to_string());
    html.put("</code></p><ol class=way>");
    for step in &order.steps {
        taken(&mut html, step);
    }
    for state in ahead(order) {
        html.put("<li class=ahead><b>").put(state.name()).put("</b></li>");
    }
    html.put("</ol><p class=row>");
    for (name, words) in steps(order.state) {
        html.put("<button data-do=\"")
            .put(name)
            .put("\" data-testid=\"order-")
            .put(name)
            .put("\" id=\"do-")
            .put(name);
        html.put("\">").put(words).put("</button>");
    }
    html.put("</p>");
    html.take()
}

fn taken(html: &mut Html, step: &Step) {
    html.put("<li class=\"").put(step.state.name()).put("\"><b>").put(step.state.name()).put("</b> <time>");
    html.text(&text::time(step.at)).put("</time>");
    if let Some(why) = &step.why {
        html.put("<span class=why>").text(why).put("</span>");
    }
    html.put("</li>");
}

fn ahead(order: &Order) -> Vec<State> {
    let here = WAY.iter().position(|state| *state == order.state);
    here.map_or_else(Vec::new, |here| WAY[here + 1..].to_vec())
}

/// What can be done with an order in this state, and the words for it.
fn steps(state: State) -> &'static [(&'static str, &'static str)] {
    match state {
        State::Placed => &[("call-off", "Cancel the order")],
        State::Reserved => &[("pack", "Pack"), ("call-off", "Cancel the order")],
        State::Packed => &[("ship", "Ship"), ("call-off", "Cancel the order")],
        State::Shipped | State::Rejected | State::Cancelled => &[],
    }
}

/// The last orders as list items.
pub fn list(orders: &[Versioned<Order>]) -> String {
    let mut html = Html::new();
    for order in orders {
        html.put("<li><button class=recent data-do=watch data-testid=recent-order data-with=\"")
            .text(&order.id.to_string());
        html.put("\" data-id=\"").text(&order.id.to_string());
        html.put("\"><span>").text(&text::time(order.placed_at)).put("</span><span class=pill>");
        html.put(order.state.name()).put("</span><span class=facts>").text(&order.country).put("</span><b>");
        html.text(&text::money(order.totals.total)).put("</b></button></li>");
    }
    html.take()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use shop_core::{Basket, Line, Money, Order, PriceList, Product, quote};
    use staffa_context::{Context, Timestamp};
    use staffa_storage::Versioned;
    use uuid::Uuid;

    use super::{html, list};

    const NOW: Timestamp = Timestamp::MIN;

    fn order() -> Order {
        let prices =
            PriceList { version: 1, products: vec![Product::new("A", "A THING", Money::pence(100))] };
        let lines = vec![Line { code: "A".into(), quantity: 1, agreed: None }];
        let basket = Basket { lines, country: "Norway".into(), coupon: None };
        let quote = quote(&Context::background(), &basket, &prices, NOW).unwrap();
        Order::new(Uuid::nil(), NOW, None, quote)
    }

    #[test]
    fn an_order_offers_the_steps_that_its_state_allows() {
        let shown = |order: Order| html(&Versioned { version: 1, value: order });
        let placed = shown(order());
        assert!(placed.contains("data-do=\"call-off\"") && !placed.contains("data-do=\"pack\""));
        assert_eq!(placed.matches("class=ahead").count(), 3);
        let reserved = order().reserve(NOW).unwrap();
        assert!(shown(reserved.clone()).contains("data-do=\"pack\""));
        let shipped = reserved.pack(NOW).unwrap().ship(NOW).unwrap();
        assert!(!shown(shipped).contains("<button"));
    }

    #[test]
    fn why_an_order_was_rejected_is_said() {
        let rejected = order().reject(NOW, "not enough <stock>".into()).unwrap();
        let shown = html(&Versioned { version: 2, value: rejected });
        assert!(shown.contains("not enough &lt;stock&gt;") && !shown.contains("class=ahead"));
    }

    #[test]
    fn recent_orders_can_be_watched() {
        let listed = list(&[Versioned { version: 1, value: order() }]);
        assert!(listed.contains("data-do=watch") && listed.contains("Norway"));
    }
}
