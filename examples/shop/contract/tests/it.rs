//! The contract between the core and its callers: what goes through a client comes back the same.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::sync::Arc;

use serde_json::{Value, json};
use shop_contract::catalog::CatalogPrices;
use shop_contract::{catalog, inventory, orders, quote};
use shop_core::catalog::{Browse, PricesOf, ProductOf};
use shop_core::inventory::{AllStock, StockOf};
use shop_core::order::{State, Units};
use shop_core::orders::{ListOrders, OrderError, OrderOf};
use shop_core::{
    Basket, Catalog, Inventory, Line, Money, Orders, Place, PlaceError, Prices, Product, QuoteError, Quotes,
    Token,
};
use staffa_context::{Context, Kind};
use staffa_storage::memory::Memory;
use staffa_transport::{Client, Routes, ServerContext, join};
use uuid::Uuid;

struct Shop {
    ctx: Context,
    client: Client,
    openapi: Value,
}

/// The four services behind one router; orders and quotes reach the catalogue as a client.
async fn shop() -> Shop {
    let ctx = Context::background();
    let server = ServerContext::new(&ctx);
    let products = Arc::new(Catalog::new(Memory::open(Catalog::schemas()).unwrap(), None));
    let list = [
        Product::new("10001", "RED MUG", Money::pence(250)),
        Product::new("BANK CHARGES", "Bank Charges", Money::pence(1_500)),
        Product::new("gift/%ü", "VOUCHER", Money::pence(900)),
    ];
    products.import(&ctx, &list).await.unwrap();
    let stock = Arc::new(Inventory::new(Memory::open(Inventory::schemas()).unwrap()));
    stock.open(&ctx, &[Units { code: "10001".into(), units: 9 }]).await.unwrap();

    let catalogue = Routes::new()
        .handle(catalog::BROWSE, &products, Catalog::browse)
        .handle(catalog::PRODUCT, &products, Catalog::find)
        .handle(catalog::PRICES, &products, Catalog::prices_of);
    let openapi_of_catalogue = catalogue.openapi("catalog", "1");
    let catalogue = catalogue.into_router(&server);
    let prices = Arc::new(CatalogPrices(Client::in_process(catalogue.clone())));
    let quotes = Arc::new(Quotes::new(prices.clone()));
    let token = Some(Token::new("the right"));
    let sold = Arc::new(Orders::new(Memory::open(Orders::schemas()).unwrap(), prices, token));
    let rest = Routes::new()
        .handle(quote::QUOTE, &quotes, Quotes::quote)
        .handle(orders::PLACE, &sold, Orders::place)
        .handle(orders::LIST, &sold, Orders::list)
        .handle(orders::FIND, &sold, Orders::find)
        .handle(orders::CANCEL, &sold, Orders::cancel)
        .handle(orders::PACK, &sold, Orders::pack)
        .handle(orders::SHIP, &sold, Orders::ship)
        .events(orders::WATCH, &sold, orders::watch)
        .handle(inventory::STOCK, &stock, Inventory::find)
        .handle(inventory::ALL, &stock, Inventory::all);
    let openapi = json!([openapi_of_catalogue, rest.openapi("shop", "1")]);
    let router = join(&ctx, [catalogue, rest.into_router(&server)]);
    Shop { ctx, client: Client::in_process(router), openapi }
}

fn basket(code: &str) -> Basket {
    let line = Line { code: code.into(), quantity: 2, agreed: None };
    Basket { lines: vec![line], country: "EIRE".into(), coupon: Some("BASALT10".into()) }
}

#[tokio::test]
async fn products_are_browsed_page_by_page() {
    let Shop { ctx, client, .. } = shop().await;
    let asked = Browse {
        price_from: Some(Money::pence(250)),
        price_to: Some(Money::pence(1_500)),
        limit: Some(2),
        ..Browse::default()
    };
    let first = client.call(&ctx, catalog::BROWSE, asked.clone()).await.unwrap();
    assert_eq!(first.items.len(), 2);
    let rest = client.call(&ctx, catalog::BROWSE, Browse { after: first.next, ..asked }).await.unwrap();
    assert_eq!((rest.items[0].code.as_str(), &rest.next), ("BANK CHARGES", &None));
}

#[tokio::test]
async fn any_code_travels_in_a_path() {
    let Shop { ctx, client, .. } = shop().await;
    for code in ["10001", "BANK CHARGES", "gift/%ü"] {
        let found = client.call(&ctx, catalog::PRODUCT, ProductOf { code: code.into() }).await.unwrap();
        assert_eq!(found.code, code);
    }
    let unknown = client.call(&ctx, catalog::PRODUCT, ProductOf { code: "1".into() }).await;
    assert_eq!(unknown.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn the_client_is_the_core_s_port() {
    let Shop { ctx, client, .. } = shop().await;
    let codes = vec!["10001".to_owned(), "nothing".to_owned()];
    let over_the_wire = CatalogPrices(client.clone()).of(&ctx, codes.clone()).await.unwrap();
    let called = client.call(&ctx, catalog::PRICES, PricesOf { codes }).await.unwrap();
    assert_eq!(over_the_wire, called);
    assert_eq!((called.version, called.products.len()), (1, 1));
}

#[tokio::test]
async fn the_page_s_quote_is_the_server_s() {
    let Shop { ctx, client, .. } = shop().await;
    let basket = basket("10001");
    let theirs = client.call(&ctx, quote::QUOTE, basket.clone()).await.unwrap();
    let prices = CatalogPrices(client.clone()).of(&ctx, basket.codes()).await.unwrap();
    let ours = shop_core::quote(&ctx, &basket, &prices, theirs.made_at).unwrap();
    assert_eq!(serde_json::to_string(&ours).unwrap(), serde_json::to_string(&theirs).unwrap());

    let wrong = Basket { country: "Atlantis".into(), ..basket };
    let refused = client.call(&ctx, quote::QUOTE, wrong).await;
    assert_eq!(refused, Err(QuoteError::UnknownCountry { country: "Atlantis".into() }));
}

#[tokio::test]
async fn an_order_is_placed_found_listed_watched_and_called_off() {
    let Shop { ctx, client, .. } = shop().await;
    let basket = basket("10001");
    let quoted = client.call(&ctx, quote::QUOTE, basket.clone()).await.unwrap().quoted();
    let place = Place { basket, quoted: Some(quoted), reference: Some("536365".into()), token: None };
    let placed = client.call(&ctx, orders::PLACE, place).await.unwrap();
    let id = OrderOf { id: placed.id };
    assert_eq!(client.call(&ctx, orders::FIND, id.clone()).await.unwrap(), placed);
    let by_reference = ListOrders { reference: Some("536365".into()), ..ListOrders::default() };
    assert_eq!(
        client.call(&ctx, orders::LIST, by_reference).await.unwrap().items,
        std::slice::from_ref(&placed)
    );

    let early = client.call(&ctx, orders::PACK, id.clone()).await;
    assert_eq!(early, Err(OrderError::WrongState { from: State::Placed, to: State::Packed }));
    let cancelled = client.call(&ctx, orders::CANCEL, id.clone()).await.unwrap();
    assert_eq!(cancelled.state, State::Cancelled);
    let mut watched = client.events(&ctx, orders::WATCH, id).await.unwrap();
    assert_eq!(watched.next().await.unwrap().unwrap().1, cancelled);
    let id = Uuid::nil();
    let unknown = client.call(&ctx, orders::FIND, OrderOf { id }).await;
    assert_eq!(unknown, Err(OrderError::Unknown { id }));
}

#[tokio::test]
async fn a_stale_quote_comes_back_through_the_client() {
    let Shop { ctx, client, .. } = shop().await;
    let place = Place { basket: basket("10001"), quoted: None, reference: None, token: None };
    let refused = client.call(&ctx, orders::PLACE, place.clone()).await;
    let Err(PlaceError::Stale { quote }) = refused else { unreachable!("it was not stale") };
    let again = Place { quoted: Some(quote.quoted()), ..place.clone() };
    assert!(client.call(&ctx, orders::PLACE, again).await.is_ok());
    let wrong = Place { token: Some(Token::new("a guess")), ..place.clone() };
    assert_eq!(client.call(&ctx, orders::PLACE, wrong).await, Err(PlaceError::Forbidden));
    let unknown = Place { basket: basket("nothing"), ..place };
    let error = PlaceError::Quote(QuoteError::UnknownCode { line: 0, code: "nothing".into() });
    assert_eq!(client.call(&ctx, orders::PLACE, unknown).await, Err(error));
}

#[tokio::test]
async fn stock_is_read_by_code_and_by_page() {
    let Shop { ctx, client, .. } = shop().await;
    let stock = client.call(&ctx, inventory::STOCK, StockOf { code: "10001".into() }).await.unwrap();
    assert_eq!((stock.available, stock.reserved), (9, 0));
    let all = client.call(&ctx, inventory::ALL, AllStock::default()).await.unwrap();
    assert_eq!(all.items, [stock]);
}

#[tokio::test]
async fn the_contract_has_a_document() {
    let document = shop().await.openapi.to_string();
    for part in ["/products/{code}", "/orders/{id}/events", "2.55 GBP", "placements"] {
        assert!(document.contains(part), "{part}");
    }
}
