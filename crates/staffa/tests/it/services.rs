use std::sync::Arc;

use staffa::settings::Flags;
use staffa::{Client, Context, Endpoint, Failure, Host, Outcome, Service, test};

use crate::http::get;

const PRICE: Endpoint<String, u32, Failure> =
    Endpoint::get("/prices/{code}").summary("The price of a product");
const TOTAL: Endpoint<String, u32, Failure> = Endpoint::get("/totals/{code}");

struct Catalog;

impl Catalog {
    async fn price(&self, _: &Context, code: String) -> Result<u32, Failure> {
        Ok(u32::try_from(code.len()).unwrap_or(u32::MAX))
    }
}

struct Totals(Client);

impl Totals {
    async fn total(&self, ctx: &Context, code: String) -> Result<u32, Failure> {
        Ok(self.0.call(ctx, PRICE, code).await? + 1)
    }
}

async fn catalog(_: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    service.handle(PRICE, &Arc::new(Catalog), Catalog::price);
    Ok(())
}

async fn totals(_: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    service.handle(TOTAL, &Arc::new(Totals(service.client("catalog")?)), Totals::total);
    Ok(())
}

/// The one that calls is composed before the one that is called.
fn shop() -> Host {
    Host::new("shop").version("1.2.3").service("totals", totals).service("catalog", catalog)
}

#[tokio::test]
async fn services_of_one_process_call_each_other_in_one_trace_under_their_own_names() {
    let process = test::start_host(shop(), Flags::default()).await;
    assert_eq!(process.call(TOTAL, "85123A".to_owned()).await, Ok(7));

    let spans = process.capture().spans();
    let of = |service: &str| spans.iter().find(|span| span.service == service).unwrap();
    assert_eq!(of("catalog").trace_id, of("totals").trace_id, "{spans:#?}");
    process.stop().await;
}

#[tokio::test]
async fn services_apart_call_each_other_over_http() {
    let away = test::start_host(shop().only(["catalog"]), Flags::default()).await;
    let set = vec![format!("services.catalog={}", away.base_url())];
    let near = test::start_host(shop().only(["totals"]), Flags { set, ..Flags::default() }).await;
    assert_eq!(near.call(TOTAL, "85123A".to_owned()).await, Ok(7));
    assert_eq!(get(&near.base_url(), "/prices/x").await.unwrap().status, 404);
    near.stop().await;
    away.stop().await;
}

#[tokio::test]
async fn a_service_that_is_nowhere_is_asked_for() {
    let error = test::try_start_host(shop().only(["totals"]), Flags::default()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::SettingsWrong);
    assert_eq!(
        error.to_string(),
        "totals: the service `catalog` is not hosted by this process; say where it is: services.catalog = \"http://HOST:PORT\" in the settings, or STAFFA__SERVICES__CATALOG in the environment"
    );
    let set = vec!["services.catalog=ftp://x".to_owned()];
    let flags = Flags { set, ..Flags::default() };
    let error = test::try_start_host(shop().only(["totals"]), flags).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::SettingsWrong, "{error}");
}

#[tokio::test]
async fn what_cannot_stand_together_is_refused() {
    for (host, words) in [
        (shop().service("catalog", catalog), "two services are named `catalog`"),
        (Host::new("shop").service("http", catalog), "a service cannot be named `http`"),
        (shop().only(["basket"]), "there is no service `basket`; known are totals, catalog"),
        (shop().service("prices", catalog), "catalog and prices both answer GET /prices/{code}"),
    ] {
        let error = test::try_start_host(host, Flags::default()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn one_document_describes_every_endpoint_of_the_listener() {
    let process = test::start_host(shop(), Flags::default()).await;
    let document = get(&process.base_url(), "/openapi.json").await.unwrap();
    let document: serde_json::Value = serde_json::from_str(&document.body).unwrap();
    assert_eq!(document["info"]["title"], "shop");
    assert_eq!(document["info"]["version"], "1.2.3");
    assert_eq!(document["paths"]["/prices/{code}"]["get"]["summary"], "The price of a product");
    assert!(document["paths"]["/totals/{code}"]["get"].is_object(), "{document}");
    process.stop().await;
}

#[tokio::test]
async fn a_router_of_ones_own_is_served_beside_the_endpoints() {
    let compose = async |ctx: &Context, service: &mut Service<()>| {
        catalog(ctx, service).await?;
        service.mount(axum::Router::new().route("/page", axum::routing::get(async || "a page")));
        Ok(())
    };
    let process = test::start(compose, ()).await;
    assert_eq!(get(&process.base_url(), "/page").await.unwrap().body, "a page");
    assert_eq!(process.call(PRICE, "x".to_owned()).await, Ok(1));
    process.stop().await;
}
