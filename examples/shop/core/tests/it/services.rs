//! The use cases over the in-memory store, joined by hand as a bus would join them.
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use shop_core::catalog::{Browse, PricesOf, ProductOf};
use shop_core::inventory::{self, AllStock, StockOf};
use shop_core::order::{Order, State, Units};
use shop_core::orders::{self, ListOrders, OrderError, OrderOf, Orders};
use shop_core::{Basket, Catalog, Inventory, Line, Money, Place, PlaceError, Product, Quotes, Token};
use staffa_context::{Context, Fail, Failure, IdempotencyKey, Instruments, Kind, ManualClock};
use staffa_storage::memory::Memory;
use staffa_storage::{Store, Unsent, Versioned};
use uuid::Uuid;

struct Shop {
    ctx: Context,
    clock: ManualClock,
    catalog: Arc<Catalog>,
    quotes: Quotes,
    orders: Orders,
    orders_store: Arc<dyn Store>,
    inventory: Inventory,
    inventory_store: Arc<dyn Store>,
}

impl Shop {
    async fn open() -> Self {
        let clock = ManualClock::at("2010-12-08T12:00:00Z".parse().unwrap());
        let instruments = Instruments { clock: Arc::new(clock.clone()), ..Instruments::default() };
        let ctx = Context::root(instruments);
        let orders_store: Arc<dyn Store> = Memory::open(Orders::schemas()).unwrap();
        let inventory_store: Arc<dyn Store> = Memory::open(Inventory::schemas()).unwrap();
        let catalog = Arc::new(Catalog::new(Memory::open(Catalog::schemas()).unwrap(), None));
        let token = Some(Token::new("the right"));
        let shop = Self {
            quotes: Quotes::new(catalog.clone()),
            orders: Orders::new(Arc::clone(&orders_store), catalog.clone(), token),
            inventory: Inventory::new(Arc::clone(&inventory_store)),
            ctx,
            clock,
            catalog,
            orders_store,
            inventory_store,
        };
        shop.fill().await;
        shop
    }

    async fn fill(&self) {
        let product =
            |code: &str, description: &str, pence| Product::new(code, description, Money::pence(pence));
        let products = [
            product("10001", "RED MUG", 250),
            product("10002", "RED TEAPOT", 1_005),
            product("10002a", "Blue teapot", 999),
            product("POST", "POSTAGE", 1_800),
        ];
        self.catalog.import(&self.ctx, &products).await.unwrap();
        let first = [units("10001", 100), units("10002", 5), units("10002a", 5)];
        assert_eq!(self.inventory.open(&self.ctx, &first).await.unwrap(), 3);
    }

    /// Delivers every event, twice, until none is left.
    async fn deliver(&self) {
        let ctx = &self.ctx;
        loop {
            let placed = self.orders_store.unsent(ctx, Unsent::all(100)).await.unwrap();
            let answered = self.inventory_store.unsent(ctx, Unsent::all(100)).await.unwrap();
            if placed.is_empty() && answered.is_empty() {
                return;
            }
            for event in placed.iter().chain(&placed) {
                assert!(inventory::HEARS.contains(&event.name.as_str()));
                self.inventory.consume(ctx, event).await.unwrap();
            }
            for event in answered.iter().chain(&answered) {
                assert!(orders::HEARS.contains(&event.name.as_str()));
                self.orders.consume(ctx, event).await.unwrap();
            }
            let ids = |events: &[staffa_storage::Event]| -> Vec<Uuid> {
                events.iter().map(|event| event.id).collect()
            };
            self.orders_store.mark_sent(ctx, &ids(&placed)).await.unwrap();
            self.inventory_store.mark_sent(ctx, &ids(&answered)).await.unwrap();
        }
    }

    async fn order(&self, code: &str, quantity: i64) -> Versioned<Order> {
        let basket = basket(vec![line(code, quantity)]);
        let quote = self.quotes.quote(&self.ctx, basket.clone()).await.unwrap();
        let place = Place { basket, quoted: Some(quote.quoted()), reference: None, token: None };
        self.orders.place(&self.ctx, place).await.unwrap()
    }

    async fn state(&self, id: Uuid) -> State {
        self.orders.find(&self.ctx, OrderOf { id }).await.unwrap().state
    }

    /// Available and reserved units.
    async fn stock(&self, code: &str) -> (i64, i64) {
        let stock = self.inventory.find(&self.ctx, StockOf { code: code.into() }).await.unwrap();
        (stock.available, stock.reserved)
    }
}

fn units(code: &str, units: i64) -> Units {
    Units { code: code.into(), units }
}

fn line(code: &str, quantity: i64) -> Line {
    Line { code: code.into(), quantity, agreed: None }
}

fn basket(lines: Vec<Line>) -> Basket {
    Basket { lines, country: "United Kingdom".into(), coupon: None }
}

fn trusted(reference: &str, basket: Basket) -> Place {
    Place { basket, quoted: None, reference: Some(reference.into()), token: Some(Token::new("the right")) }
}

#[tokio::test]
async fn an_order_goes_from_placed_to_shipped() {
    let shop = Shop::open().await;
    let id = shop.order("10001", 10).await.id;
    assert_eq!(shop.state(id).await, State::Placed);
    shop.deliver().await;
    assert_eq!((shop.state(id).await, shop.stock("10001").await), (State::Reserved, (90, 10)));

    shop.orders.pack(&shop.ctx, OrderOf { id }).await.unwrap();
    let shipped = shop.orders.ship(&shop.ctx, OrderOf { id }).await.unwrap();
    let states: Vec<State> = shipped.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [State::Placed, State::Reserved, State::Packed, State::Shipped]);
    shop.deliver().await;
    assert_eq!(shop.stock("10001").await, (90, 0));

    let late = shop.orders.cancel(&shop.ctx, OrderOf { id }).await;
    assert_eq!(late, Err(OrderError::WrongState { from: State::Shipped, to: State::Cancelled }));
}

#[tokio::test]
async fn short_stock_rejects_the_whole_order_and_says_why() {
    let shop = Shop::open().await;
    let lines = vec![line("10001", 10), line("10002", 6)];
    let place = trusted("A1", basket(lines));
    let id = shop.orders.place(&shop.ctx, place).await.unwrap().id;
    shop.deliver().await;
    let order = shop.orders.find(&shop.ctx, OrderOf { id }).await.unwrap();
    assert_eq!(order.state, State::Rejected);
    let why = order.steps.last().and_then(|step| step.why.clone());
    assert_eq!(why.as_deref(), Some("not enough stock: 5 of 6 `10002` are available"));
    assert_eq!((shop.stock("10001").await, shop.stock("10002").await), ((100, 0), (5, 0)));
}

#[tokio::test]
async fn a_cancelled_orders_stock_comes_back_once() {
    let shop = Shop::open().await;
    let id = shop.order("10001", 10).await.id;
    shop.deliver().await;
    shop.orders.cancel(&shop.ctx, OrderOf { id }).await.unwrap();
    shop.deliver().await;
    assert_eq!((shop.state(id).await, shop.stock("10001").await), (State::Cancelled, (100, 0)));
    assert!(shop.orders.cancel(&shop.ctx, OrderOf { id }).await.is_err());
}

#[tokio::test]
async fn stock_that_crossed_a_cancellation_comes_back() {
    let shop = Shop::open().await;
    let id = shop.order("10001", 10).await.id;
    shop.orders.cancel(&shop.ctx, OrderOf { id }).await.unwrap();
    shop.deliver().await;
    assert_eq!((shop.state(id).await, shop.stock("10001").await), (State::Cancelled, (100, 0)));
}

#[tokio::test]
async fn an_order_without_goods_waits_for_nothing() {
    let shop = Shop::open().await;
    let placed = shop.order("POST", 1).await;
    assert_eq!(placed.state, State::Reserved);
    shop.orders.cancel(&shop.ctx, OrderOf { id: placed.id }).await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.state(placed.id).await, State::Cancelled);
}

#[tokio::test]
async fn an_order_of_a_thousand_products_is_one_reservation() {
    let shop = Shop::open().await;
    let code = |at: i64| format!("9{at:04}");
    let products: Vec<Product> =
        (0..1_000).map(|at| Product::new(code(at), "THING", Money::pence(100))).collect();
    let stock: Vec<Units> = (0..1_000).map(|at| units(&code(at), 1)).collect();
    for (products, stock) in products.chunks(500).zip(stock.chunks(500)) {
        shop.catalog.import(&shop.ctx, products).await.unwrap();
        shop.inventory.open(&shop.ctx, stock).await.unwrap();
    }
    let lines = (0..1_000).map(|at| line(&code(at), 1)).collect();
    let id = shop.orders.place(&shop.ctx, trusted("all", basket(lines))).await.unwrap().id;
    shop.deliver().await;
    assert_eq!((shop.state(id).await, shop.stock("90999").await), (State::Reserved, (0, 1)));
}

#[tokio::test]
async fn a_quote_that_differs_or_is_old_comes_back_new() {
    let shop = Shop::open().await;
    let basket = basket(vec![line("10001", 2)]);
    let quoted = shop.quotes.quote(&shop.ctx, basket.clone()).await.unwrap().quoted();
    let place = Place { basket, quoted: Some(quoted), reference: None, token: None };

    let mut wrong = place.clone();
    wrong.quoted.as_mut().unwrap().total = Money::pence(1);
    let stale = shop.orders.place(&shop.ctx, wrong).await.unwrap_err();
    assert!(
        matches!(&stale, PlaceError::Stale { quote } if quote.quoted() == *place.quoted.as_ref().unwrap())
    );

    shop.clock.advance(Duration::from_secs(901));
    let Err(PlaceError::Stale { quote }) = shop.orders.place(&shop.ctx, place.clone()).await else {
        unreachable!("an old quote was taken")
    };
    assert_eq!(quote.made_at, shop.ctx.wall());
    let again = Place { quoted: Some(quote.quoted()), ..place };
    assert!(shop.orders.place(&shop.ctx, again).await.is_ok());
}

#[tokio::test]
async fn a_changed_price_makes_a_quote_stale() {
    let shop = Shop::open().await;
    let basket = basket(vec![line("10001", 2)]);
    let quoted = shop.quotes.quote(&shop.ctx, basket.clone()).await.unwrap().quoted();
    let dearer = Product::new("10001", "RED MUG", Money::pence(260));
    shop.catalog.import(&shop.ctx, &[dearer]).await.unwrap();
    let place = Place { basket, quoted: Some(quoted), reference: None, token: None };
    let stale = shop.orders.place(&shop.ctx, place).await.unwrap_err();
    assert!(matches!(&stale, PlaceError::Stale { quote } if quote.totals.lines == Money::pence(520)));
    let mut failure = Failure::of(&stale);
    failure.log = None;
    assert_eq!(PlaceError::from(failure), stale);
}

#[tokio::test]
async fn agreed_prices_need_the_right() {
    let shop = Shop::open().await;
    let agreed = basket(vec![Line { agreed: Some(Money::pence(1)), ..line("10001", 1) }]);
    let place = |token: Option<&str>, basket: &Basket| Place {
        basket: basket.clone(),
        quoted: None,
        reference: None,
        token: token.map(Token::new),
    };
    for token in [None, Some(""), Some("the wrong"), Some("the right and more")] {
        let refused = shop.orders.place(&shop.ctx, place(token, &agreed)).await;
        assert_eq!(refused, Err(PlaceError::Forbidden), "{token:?}");
    }
    let placed = shop.orders.place(&shop.ctx, place(Some("the right"), &agreed)).await.unwrap();
    assert_eq!(placed.totals.lines, Money::pence(1));
    // Without the right, an order needs a quote.
    let unquoted = shop.orders.place(&shop.ctx, place(None, &basket(vec![line("10001", 1)]))).await;
    assert!(matches!(unquoted, Err(PlaceError::Stale { .. })));
    assert!(!format!("{:?}", place(Some("the right"), &agreed)).contains("the right"));
}

#[tokio::test]
async fn a_reference_is_taken_once() {
    let shop = Shop::open().await;
    let place = trusted("536365", basket(vec![line("10001", 1)]));
    let placed = shop.orders.place(&shop.ctx, place.clone()).await.unwrap();
    let again = shop.orders.place(&shop.ctx, place.clone()).await;
    assert_eq!(again, Err(PlaceError::ReferenceTaken { reference: "536365".into() }));
    let found = ListOrders { reference: Some("536365".into()), ..ListOrders::default() };
    assert_eq!(shop.orders.list(&shop.ctx, found).await.unwrap().items, [placed]);
    for reference in ["", "a b", "é", &"x".repeat(41)] {
        let wrong = Place { reference: Some(reference.into()), ..place.clone() };
        assert_eq!(shop.orders.place(&shop.ctx, wrong).await.unwrap_err().kind(), Kind::Invalid);
    }
}

#[tokio::test]
async fn the_answer_is_kept_with_the_order() {
    let shop = Shop::open().await;
    let key = IdempotencyKey { scope: "place".into(), key: "536365".into(), digest: [7; 32] };
    let ctx = shop.ctx.with_value(key);
    let placed = shop.orders.place(&ctx, trusted("536365", basket(vec![line("10001", 1)]))).await.unwrap();
    let kept = shop.orders_store.kept(&shop.ctx, "place", "536365").await.unwrap().unwrap();
    assert_eq!(kept.answer, serde_json::to_value(&placed).unwrap());
}

#[tokio::test]
async fn baskets_without_a_quote_are_refused_in_their_own_words() {
    let shop = Shop::open().await;
    let place = |lines| trusted("A1", basket(lines));
    let refused = shop.orders.place(&shop.ctx, place(vec![line("10001", 1); 10_000])).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::TooLarge);
    let refused = shop.orders.place(&shop.ctx, place(vec![line("nothing", 1)])).await.unwrap_err();
    assert_eq!(refused.words(), "line 1: there is no product `nothing`");
    let mut failure = Failure::of(&refused);
    failure.log = None;
    assert_eq!(PlaceError::from(failure), refused);
}

#[tokio::test]
async fn orders_are_paged_by_time() {
    let shop = Shop::open().await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        shop.clock.advance(Duration::from_secs(1));
        placed.push(shop.order("10001", 1).await.id);
    }
    for newest_first in [None, Some(true)] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let asked = ListOrders { newest_first, after, limit: Some(2), ..ListOrders::default() };
            let page = shop.orders.list(&shop.ctx, asked).await.unwrap();
            seen.extend(page.items.iter().map(|order| order.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if newest_first.is_some() {
            seen.reverse();
        }
        assert_eq!(seen, placed);
    }
    let wide = ListOrders { limit: Some(101), ..ListOrders::default() };
    assert_eq!(shop.orders.list(&shop.ctx, wide).await.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn a_watched_order_ends_with_its_last_state() {
    let shop = Shop::open().await;
    let id = shop.order("10001", 1).await.id;
    let mut watched = shop.orders.watch(&shop.ctx, OrderOf { id }).await.unwrap();
    let (version, first) = watched.next().await.unwrap();
    assert_eq!((version, first.state), (1, State::Placed));
    shop.orders.cancel(&shop.ctx, OrderOf { id }).await.unwrap();
    let (next, ()) = tokio::join!(watched.next(), async {
        tokio::task::yield_now().await;
        shop.clock.advance(Duration::from_secs(1));
    });
    assert_eq!(next.map(|(version, order)| (version, order.state)), Some((2, State::Cancelled)));
    assert!(watched.next().await.is_none());

    let mut again = shop.orders.watch_after(&shop.ctx, OrderOf { id }, Some(1)).await.unwrap();
    assert_eq!(again.next().await.map(|(version, _)| version), Some(2));
    let mut over = shop.orders.watch_after(&shop.ctx, OrderOf { id }, Some(2)).await.unwrap();
    assert!(over.next().await.is_none());
}

#[tokio::test]
async fn importing_twice_changes_nothing() {
    let shop = Shop::open().await;
    let before = shop.catalog.prices_of(&shop.ctx, PricesOf { codes: vec!["10001".into()] }).await.unwrap();
    shop.fill_again().await;
    let after = shop.catalog.prices_of(&shop.ctx, PricesOf { codes: vec!["10001".into()] }).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(shop.stock("10001").await, (100, 0));
}

impl Shop {
    async fn fill_again(&self) {
        let page = self.catalog.browse(&self.ctx, Browse::default()).await.unwrap();
        let products: Vec<Product> = page.items.into_iter().map(|product| product.value).collect();
        let imported = self.catalog.import(&self.ctx, &products).await.unwrap();
        assert_eq!((imported.added, imported.changed, imported.unchanged), (0, 0, 4));
        assert_eq!(self.inventory.open(&self.ctx, &[units("10001", 7)]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_catalogue_is_browsed_by_each_index() {
    let shop = Shop::open().await;
    let codes = async |asked: Browse| -> Vec<String> {
        let page = shop.catalog.browse(&shop.ctx, asked).await.unwrap();
        page.items.into_iter().map(|product| product.value.code).collect()
    };
    let nothing = Browse::default;
    assert_eq!(codes(nothing()).await, ["10001", "10002", "10002a", "POST"]);
    assert_eq!(codes(Browse { code: Some("10002".into()), ..nothing() }).await, ["10002", "10002a"]);
    assert_eq!(codes(Browse { description: Some(" red".into()), ..nothing() }).await, ["10001", "10002"]);
    assert_eq!(codes(Browse { description: Some("blue t".into()), ..nothing() }).await, ["10002a"]);
    let between =
        Browse { price_from: Some(Money::pence(999)), price_to: Some(Money::pence(1_005)), ..nothing() };
    assert_eq!(codes(between).await, ["10002a", "10002"]);
    let both = Browse { code: Some("1".into()), description: Some("R".into()), ..nothing() };
    assert_eq!(shop.catalog.browse(&shop.ctx, both).await.unwrap_err().kind, Kind::Invalid);
    let slow = Browse { slow: Some(true), ..nothing() };
    assert_eq!(shop.catalog.browse(&shop.ctx, slow).await.unwrap_err().kind, Kind::Unsupported);
    let unknown = shop.catalog.find(&shop.ctx, ProductOf { code: "10002A".into() }).await;
    assert_eq!(unknown.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn all_stock_is_paged() {
    let shop = Shop::open().await;
    let page = shop.inventory.all(&shop.ctx, AllStock { limit: Some(2), after: None }).await.unwrap();
    assert_eq!(page.items.len(), 2);
    let rest = shop.inventory.all(&shop.ctx, AllStock { limit: Some(2), after: page.next }).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
}
