//! A small core over the port: it has to read as the design promises.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use staffa_context::{Context, Fail, IdempotencyKey, Kind, Timestamp};
use staffa_storage::memory::Memory;
use staffa_storage::{
    Entity, Error, Happened, Index, Indexes, KeyPart, Page, Part, PartType, Range, Repository, Schema, Store,
    Unit, Versioned, retry,
};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OrderId(Uuid);

impl KeyPart for OrderId {
    const TYPE: PartType = Uuid::TYPE;
    fn part(&self) -> staffa_storage::Result<Part> {
        self.0.part()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: OrderId,
    number: u64,
    customer: i64,
    placed: Timestamp,
}

const NUMBER: Index<Order, u64> = Index::unique("number", |order| order.number);
const CUSTOMER_PLACED: Index<Order, (i64, Timestamp)> =
    Index::new("customer_placed", |order| (order.customer, order.placed));

impl Entity for Order {
    type Id = OrderId;
    const KIND: &'static str = "order";
    const INDEXES: Indexes<Self> = &[&NUMBER, &CUSTOMER_PLACED];
    fn id(&self) -> &OrderId {
        &self.id
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stock {
    code: String,
    units: i64,
}

impl Entity for Stock {
    type Id = String;
    const KIND: &'static str = "stock";
    fn id(&self) -> &String {
        &self.code
    }
}

impl Stock {
    fn take(self, quantity: i64) -> Result<Self, StockError> {
        let units = self.units - quantity;
        if units < 0 { Err(StockError::Short) } else { Ok(Self { units, ..self }) }
    }
}

#[derive(Debug)]
enum StockError {
    Unknown(String),
    Short,
    Store(Error),
}

impl std::fmt::Display for StockError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(code) => write!(f, "there is no {code}"),
            Self::Short => f.write_str("too few"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StockError {}

impl Fail for StockError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown(_) => Kind::NotFound,
            Self::Short => Kind::Conflict,
            Self::Store(error) => error.kind(),
        }
    }

    fn words(&self) -> Cow<'static, str> {
        self.to_string().into()
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::Store(error) => error.details(),
            _ => serde_json::Value::Null,
        }
    }
}

impl From<Error> for StockError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

#[derive(Serialize)]
struct OrderPlaced {
    number: u64,
}

impl Happened for OrderPlaced {
    const NAME: &'static str = "order_placed";
}

struct Orders {
    store: Arc<dyn Store>,
}

impl Orders {
    async fn place(&self, ctx: &Context, order: Order) -> Result<Versioned<Order>, Error> {
        let mut unit = self.store.unit();
        let placed = unit.insert(order);
        unit.emit(&placed, OrderPlaced { number: placed.number });
        unit.answer(ctx, &placed);
        unit.commit(ctx).await?;
        Ok(placed)
    }
}

async fn take(ctx: &Context, store: &Arc<dyn Store>, code: &String, quantity: i64) -> Result<(), StockError> {
    retry(ctx, || async {
        let mut unit = store.unit();
        let stock = unit.get::<Stock>(ctx, code).await?.ok_or_else(|| StockError::Unknown(code.clone()))?;
        unit.update(stock.try_map(|stock| stock.take(quantity))?);
        Ok(unit.commit(ctx).await?)
    })
    .await
}

fn is_send<T: Send>(value: T) -> T {
    value
}

fn store() -> Arc<dyn Store> {
    Memory::open(vec![Schema::of::<Order>(), Schema::of::<Stock>()]).unwrap()
}

fn order(number: u64, customer: i64) -> Order {
    let placed = Timestamp::from_micros(i64::try_from(number).unwrap());
    Order { id: OrderId(Uuid::from_u128(u128::from(number))), number, customer, placed }
}

#[tokio::test]
async fn a_placed_order_is_found_by_id_by_number_and_by_customer() {
    let (ctx, store) = (Context::background(), store());
    let orders = Orders { store: Arc::clone(&store) };
    let placed = orders.place(&ctx, order(7, 1)).await.unwrap();
    orders.place(&ctx, order(8, 2)).await.unwrap();

    let orders: Repository<Order> = Repository::new(&store);
    assert_eq!(orders.find(&ctx, placed.id()).await.unwrap().as_ref(), Some(&placed));
    assert_eq!(orders.first(&ctx, &NUMBER, 7).await.unwrap().as_ref(), Some(&placed));
    let customer = 1;
    let page = orders.range(&ctx, &CUSTOMER_PLACED, (customer,), Page::after(None)).await.unwrap();
    assert_eq!((page.items, page.next), (vec![placed], None));
}

#[tokio::test]
async fn a_range_continues_the_leading_parts_and_pages_follow_one_another() {
    let (ctx, store) = (Context::background(), store());
    let placing = Orders { store: Arc::clone(&store) };
    for number in 1..=9 {
        placing.place(&ctx, order(number, 1)).await.unwrap();
    }
    let orders: Repository<Order> = Repository::new(&store);
    let range = || Range::of((1,)).from(Timestamp::from_micros(3)).to(Timestamp::from_micros(8)).descending();
    let (mut numbers, mut cursor) = (Vec::new(), None);
    loop {
        let page = orders.range(&ctx, &CUSTOMER_PLACED, range(), Page::after(cursor).limit(2)).await.unwrap();
        numbers.extend(page.items.iter().map(|order| order.number));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(numbers, [7, 6, 5, 4, 3]);
    assert_eq!(orders.all(&ctx, Page::first()).await.unwrap().items.len(), 9);
}

#[tokio::test]
async fn a_change_is_run_again_on_a_conflict_and_not_on_a_refusal() {
    let (ctx, store) = (Context::background(), store());
    let code = "85123A".to_owned();
    let mut unit = store.unit();
    unit.insert(Stock { code: code.clone(), units: 20 });
    unit.commit(&ctx).await.unwrap();

    let takes = (0..20).map(|_| {
        let (ctx, store, code) = (ctx.clone(), Arc::clone(&store), code.clone());
        tokio::spawn(is_send(async move { take(&ctx, &store, &code, 1).await }))
    });
    for taken in takes.collect::<Vec<_>>() {
        taken.await.unwrap().unwrap();
    }
    assert!(matches!(take(&ctx, &store, &code, 1).await, Err(StockError::Short)));
    assert!(matches!(take(&ctx, &store, &"x".into(), 1).await, Err(StockError::Unknown(_))));
}

#[tokio::test]
async fn a_unit_that_writes_under_a_key_must_answer() {
    let store = store();
    let key = IdempotencyKey { scope: "place".into(), key: "1".into(), digest: [1; 32] };
    let ctx = Context::background().with_value(key);
    let mut unit: Unit<'_> = store.unit();
    unit.insert(order(1, 1));
    let refused = unit.commit(&ctx).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid { path, .. } if path == "unit"));

    let placed = Orders { store: Arc::clone(&store) }.place(&ctx, order(1, 1)).await.unwrap();
    let kept = store.kept(&ctx, "place", "1").await.unwrap().unwrap();
    assert_eq!(kept.answer, json!(placed));
    assert_eq!(Orders { store }.place(&ctx, order(2, 1)).await, Err(Error::Kept));
}
