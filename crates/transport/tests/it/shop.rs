//! The service that the tests call, and the ways to run it.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use staffa_context::{Cause, Context, Fail, Failure, IdempotencyKey, Kind};
use staffa_transport::{
    Answers, Client, Endpoint, EventSource, Events, KeptAnswer, LastEventId, Limits, Routes, Server,
    ServerContext, Work, join,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Line {
    pub(crate) code: String,
    pub(crate) quantity: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Place {
    pub(crate) customer: Option<i64>,
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Placed {
    /// Unique: a key of [`Placed`].
    pub(crate) number: u64,
    pub(crate) lines: Vec<Line>,
}

/// A plain value: it fills the only parameter of a path.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Number(pub(crate) u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Browse {
    pub(crate) shelf: String,
    pub(crate) prefix: Option<String>,
    pub(crate) limit: Option<u16>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Pause {
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PlaceError {
    Stale { total: u64 },
    Other(Failure),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { total } => write!(f, "the total is {total} by now; secret in the log"),
            Self::Other(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for PlaceError {}

impl Fail for PlaceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stale { .. } => Kind::Stale,
            Self::Other(failure) => failure.kind,
        }
    }

    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Stale { .. } => "prices have changed; take the new total".into(),
            Self::Other(failure) => failure.words.clone(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Stale { total } => json!({ "total": total }),
            Self::Other(failure) => failure.details.clone(),
        }
    }
}

impl From<Failure> for PlaceError {
    fn from(failure: Failure) -> Self {
        match failure.details["total"].as_u64() {
            Some(total) if failure.kind == Kind::Stale => Self::Stale { total },
            _ => Self::Other(failure),
        }
    }
}

impl From<Cause> for PlaceError {
    fn from(cause: Cause) -> Self {
        Self::Other(cause.into())
    }
}

pub(crate) const PLACE: Endpoint<Place, Placed, PlaceError> =
    Endpoint::post("/orders").idempotency_key().summary("Place an order");
pub(crate) const FIND: Endpoint<Number, Placed, Failure> = Endpoint::get("/orders/{number}");
pub(crate) const REMOVE: Endpoint<Number, (), Failure> = Endpoint::delete("/orders/{number}");
pub(crate) const BROWSE: Endpoint<Browse, Browse, Failure> = Endpoint::get("/shelves/{shelf}");
pub(crate) const ECHO: Endpoint<Place, Place, Failure> = Endpoint::put("/echo").body_max(4_096);
pub(crate) const FAIL: Endpoint<Pause, (), Failure> = Endpoint::get("/fail/{name}");
/// Waits until its context ends, or until the test lets it go.
pub(crate) const READ: Endpoint<Pause, String, Failure> = Endpoint::get("/read/{name}");
pub(crate) const WRITE: Endpoint<Pause, String, Failure> = Endpoint::post("/write/{name}");
/// Never looks at its context.
pub(crate) const DEAF: Endpoint<Pause, String, Failure> =
    Endpoint::get("/deaf/{name}").timeout(Duration::from_millis(100));
/// Says what is left of its budget, in milliseconds.
pub(crate) const BUDGET: Endpoint<(), u64, Failure> =
    Endpoint::get("/budget").timeout(Duration::from_secs(5));
/// Asks the same service for its budget, under its own.
pub(crate) const HOP: Endpoint<(), u64, Failure> = Endpoint::get("/hop").timeout(Duration::from_secs(4));
pub(crate) const COUNT: Events<Number, u64, Failure> =
    Events::get("/count/{number}").timeout(Duration::from_secs(2));
pub(crate) const FLOOD: Events<(), String, Failure> = Events::get("/flood");
/// One event, and then nothing.
pub(crate) const DRIP: Events<(), u64, Failure> = Events::get("/drip");
pub(crate) const QUIET: Events<(), u64, Failure> = Events::get("/quiet").timeout(Duration::from_millis(100));

/// What happened inside a handler.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Started(String),
    Ended(String, Option<Cause>),
}

pub(crate) struct Shop {
    seen: mpsc::UnboundedSender<Seen>,
    pub(crate) go: watch::Sender<bool>,
    pub(crate) kept: Kept,
    pub(crate) client: Mutex<Option<Client>>,
    pub(crate) stale: Mutex<Option<u64>>,
    /// How often an order was looked for.
    pub(crate) found: AtomicU64,
}

/// Answers as a store would keep them.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<BTreeMap<(String, String), KeptAnswer>>>);

impl Kept {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn keep(&self, key: &IdempotencyKey, placed: impl FnOnce(u64) -> Placed) -> Result<Placed, Failure> {
        let mut kept = self.0.lock().unwrap();
        let place = (key.scope.clone(), key.key.clone());
        if kept.contains_key(&place) {
            return Err(Failure::new(Kind::Conflict, "the key was kept"));
        }
        let placed = placed(kept.len() as u64 + 1);
        kept.insert(place, KeptAnswer { digest: key.digest, answer: json!(placed) });
        Ok(placed)
    }
}

#[async_trait]
impl Answers for Kept {
    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<KeptAnswer>, Failure> {
        ctx.check()?;
        Ok(self.0.lock().unwrap().get(&(scope.to_owned(), key.to_owned())).cloned())
    }
}

impl Shop {
    async fn place(&self, ctx: &Context, order: Place) -> Result<Placed, PlaceError> {
        if let Some(total) = *self.stale.lock().unwrap() {
            return Err(PlaceError::Stale { total });
        }
        // Two requests under one key are both here before either has kept its answer.
        self.wait(ctx, "place").await;
        let key = ctx.value::<IdempotencyKey>().unwrap();
        self.kept.keep(key, |number| Placed { number, lines: order.lines }).map_err(PlaceError::Other)
    }

    async fn find(&self, _ctx: &Context, Number(number): Number) -> Result<Placed, Failure> {
        self.found.fetch_add(1, Ordering::Relaxed);
        Ok(Placed { number, lines: Vec::new() })
    }

    async fn remove(&self, _ctx: &Context, _number: Number) -> Result<(), Failure> {
        Ok(())
    }

    async fn browse(&self, _ctx: &Context, browse: Browse) -> Result<Browse, Failure> {
        Ok(browse)
    }

    async fn echo(&self, _ctx: &Context, order: Place) -> Result<Place, Failure> {
        Ok(order)
    }

    async fn fail(&self, _ctx: &Context, how: Pause) -> Result<(), Failure> {
        let kind = match serde_json::from_value(how.name.clone().into()) {
            Ok(kind) => kind,
            Err(_) => {
                assert_ne!(how.name, "panic", "asked for");
                Kind::Internal
            }
        };
        Err(Failure::new(kind, "for the client").with_log("for the log"))
    }

    async fn pause(&self, ctx: &Context, pause: Pause) -> Result<String, Failure> {
        let _ = self.seen.send(Seen::Started(pause.name.clone()));
        self.wait(ctx, &pause.name).await;
        let _ = self.seen.send(Seen::Ended(pause.name.clone(), ctx.cause()));
        ctx.check()?;
        Ok(pause.name)
    }

    async fn deaf(&self, _ctx: &Context, _pause: Pause) -> Result<String, Failure> {
        std::future::pending().await
    }

    async fn budget(&self, ctx: &Context, (): ()) -> Result<u64, Failure> {
        Ok(u64::try_from(ctx.remaining().unwrap_or(Duration::MAX).as_millis()).unwrap_or(u64::MAX))
    }

    async fn hop(&self, ctx: &Context, (): ()) -> Result<u64, Failure> {
        ctx.sleep(Duration::from_millis(30)).await?;
        let client = self.client.lock().unwrap().clone().unwrap();
        client.call(ctx, BUDGET, ()).await
    }

    async fn count(&self, ctx: &Context, Number(to): Number) -> Result<EventSource<u64>, Failure> {
        if to > 1_000_000 {
            return Err(Failure::new(Kind::NotFound, "there are no such numbers"));
        }
        let from = ctx.value::<LastEventId>().map_or(0, |last| last.0);
        Ok(Box::pin(Count { next: from + 1, to }))
    }

    async fn flood(&self, _ctx: &Context, (): ()) -> Result<Flood, Failure> {
        Ok(Flood(0))
    }

    async fn drip(&self, ctx: &Context, (): ()) -> Result<Drip, Failure> {
        Ok(Drip(Some(ctx.value::<LastEventId>().map_or(0, |last| last.0) + 1)))
    }

    async fn quiet(&self, _ctx: &Context, (): ()) -> Result<Quiet, Failure> {
        Ok(Quiet)
    }

    async fn wait(&self, ctx: &Context, _name: &str) {
        let mut go = self.go.subscribe();
        let _ = ctx.run(go.wait_for(|go| *go)).await;
    }
}

struct Count {
    next: u64,
    to: u64,
}

impl Stream for Count {
    type Item = (u64, u64);

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<(u64, u64)>> {
        let next = self.next;
        self.next += 1;
        std::task::Poll::Ready((next <= self.to).then_some((next, next * next)))
    }
}

/// More than any client's buffers hold.
struct Flood(u64);

impl Stream for Flood {
    type Item = (u64, String);

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<(u64, String)>> {
        self.0 += 1;
        std::task::Poll::Ready(Some((self.0, "x".repeat(100_000))))
    }
}

struct Drip(Option<u64>);

impl Stream for Drip {
    type Item = (u64, u64);

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<(u64, u64)>> {
        match self.0.take() {
            Some(id) => std::task::Poll::Ready(Some((id, id))),
            None => std::task::Poll::Pending,
        }
    }
}

struct Quiet;

impl Stream for Quiet {
    type Item = (u64, u64);

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<(u64, u64)>> {
        std::task::Poll::Pending
    }
}

/// How a client reaches the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Http,
    InProcess,
}

pub(crate) const CARRIERS: [Carrier; 2] = [Carrier::Http, Carrier::InProcess];

/// A running shop.
pub(crate) struct Running {
    pub(crate) ctx: Context,
    pub(crate) shop: Arc<Shop>,
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) router: axum::Router,
    pub(crate) work: Work,
    seen: mpsc::UnboundedReceiver<Seen>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

pub(crate) fn routes(shop: &Arc<Shop>) -> Routes {
    Routes::new()
        .handle(PLACE, shop, Shop::place)
        .handle(FIND, shop, Shop::find)
        .handle(REMOVE, shop, Shop::remove)
        .handle(BROWSE, shop, Shop::browse)
        .handle(ECHO, shop, Shop::echo)
        .handle(FAIL, shop, Shop::fail)
        .handle(READ, shop, Shop::pause)
        .handle(WRITE, shop, Shop::pause)
        .handle(DEAF, shop, Shop::deaf)
        .handle(BUDGET, shop, Shop::budget)
        .handle(HOP, shop, Shop::hop)
        .events(COUNT, shop, Shop::count)
        .events(FLOOD, shop, Shop::flood)
        .events(DRIP, shop, Shop::drip)
        .events(QUIET, shop, Shop::quiet)
}

pub(crate) fn shop() -> (Arc<Shop>, mpsc::UnboundedReceiver<Seen>) {
    let (seen, receiver) = mpsc::unbounded_channel();
    let shop = Shop {
        seen,
        go: watch::Sender::new(false),
        kept: Kept::default(),
        client: Mutex::default(),
        stale: Mutex::default(),
        found: AtomicU64::default(),
    };
    (Arc::new(shop), receiver)
}

pub(crate) async fn start(carrier: Carrier) -> Running {
    start_with(carrier, Limits::default()).await
}

pub(crate) async fn start_with(carrier: Carrier, limits: Limits) -> Running {
    run(&Context::background(), carrier, limits).await
}

pub(crate) async fn start_in(ctx: &Context, carrier: Carrier) -> Running {
    run(ctx, carrier, Limits::default()).await
}

async fn run(ctx: &Context, carrier: Carrier, limits: Limits) -> Running {
    let ctx = ctx.clone();
    let (shop, seen) = shop();
    let mut server = ServerContext::new(&ctx);
    server.limits = limits.clone();
    server.answers = Some(Arc::new(shop.kept.clone()));
    let work = server.work.clone();
    let router = join(&ctx, [routes(&shop).into_router(&server)]);
    let bound = Server::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let address = bound.local_addr().unwrap();
    let stop = watch::Sender::new(false);
    let mut stopped = stop.subscribe();
    let serving = {
        let (ctx, router, work) = (ctx.clone(), router.clone(), work.clone());
        tokio::spawn(async move {
            let stop = async { drop(stopped.wait_for(|stop| *stop).await) };
            bound.serve(&ctx, router, &work, stop).await;
        })
    };
    let client = match carrier {
        Carrier::Http => Client::http(&format!("http://{address}")).unwrap(),
        Carrier::InProcess => Client::in_process(router.clone()),
    };
    *shop.client.lock().unwrap() = Some(client.clone());
    Running { ctx, shop, client, address, router, work, seen, stop, server: serving }
}

impl Running {
    pub(crate) fn go(&self) {
        self.shop.go.send_replace(true);
    }

    pub(crate) async fn seen(&mut self) -> Seen {
        tokio::time::timeout(Duration::from_secs(10), self.seen.recv()).await.unwrap().unwrap()
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the server to be gone.
    pub(crate) async fn stopped(self) {
        self.begin_stop();
        tokio::time::timeout(Duration::from_secs(10), self.server).await.unwrap().unwrap();
    }
}

pub(crate) fn pause(name: &str) -> Pause {
    Pause { name: name.into() }
}

pub(crate) fn order(quantity: u32) -> Place {
    Place { customer: None, lines: vec![Line { code: "85123A".into(), quantity }] }
}
