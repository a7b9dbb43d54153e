//! Metrics as Prometheus reads them.
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use crate::data::stocked;
use crate::http::{self, request};
use crate::orders::{CODE, basket, id};
use crate::program::{end, needed, start};
use crate::shop::Shop;
use crate::soon::soon;

const PACKAGE: &str = "prometheus";

/// A shop that has answered something good and something bad.
fn busy(data: &std::path::Path) -> Shop {
    let shop = Shop::start(data);
    let order = shop.order("metrics", &basket(CODE, 1));
    shop.becomes(id(&order), "reserved");
    assert_eq!(shop.get("/products/nothing").status, 404);
    assert_eq!(shop.get("/orders?limit=0").status, 400);
    shop
}

#[test]
fn promtool_accepts_the_metrics() {
    let promtool = needed("promtool", "STAFFA_TEST_PROMTOOL", PACKAGE);
    let data = stocked();
    let shop = busy(data.path());
    let answer = http::get(shop.admin, "/metrics");
    assert_eq!(answer.status, 200);
    let plain = answer.header("content-type").unwrap();
    assert!(plain.starts_with("text/plain; version=0.0.4"), "{plain}");
    let text = answer.text();
    for series in
        [r#"http_server_request_duration_seconds_count{"#, r#"status="404""#, r#"route="/orders/{id}""#]
    {
        assert!(text.contains(series), "no `{series}` in\n{text}");
    }

    let mut check = Command::new(promtool);
    let mut child = check.args(["check", "metrics"]).stdin(Stdio::piped());
    child = child.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child: Child = child.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let ended = end(&mut child);
    assert_eq!(ended.code, Some(0), "{ended:?}\n{text}");
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", ""), "not even a hint");

    let accept = ("accept", "application/openmetrics-text; version=1.0.0");
    let open = http::send(shop.admin, &request("GET", "/metrics", &[accept], None)).unwrap();
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{open:?}");
    assert!(open.text().ends_with("# EOF\n"), "{open:?}");
    assert!(open.text().contains("# {trace_id=\""), "exemplars: {open:?}");
    shop.stop();
}

#[test]
fn prometheus_scrapes_the_shop() {
    let prometheus = needed("prometheus", "STAFFA_TEST_PROMETHEUS", PACKAGE);
    let data = stocked();
    let shop = busy(data.path());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prometheus.yml");
    let scrape = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: shop\n    static_configs:\n      - \
         targets: ['{}']\n",
        shop.admin
    );
    fs::write(&config, scrape).unwrap();
    let web = free_address();
    let mut command = Command::new(prometheus);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
    command.arg(format!("--web.listen-address={web}"));
    let server = Killed(start(command.current_dir(folder.path())));

    let up = soon("a scrape", || query(web, "up").filter(|value| value == "1"));
    assert_eq!(up, "1");
    let placed =
        "sum(http_server_request_duration_seconds_count{method=\"POST\",route=\"/orders\",status=\"200\"})";
    assert_eq!(soon("the orders' count", || query(web, placed)), "1");
    let refused = "sum(http_server_request_duration_seconds_count{status=\"404\"})";
    assert_eq!(soon("the refusals' count", || query(web, refused)), "1");
    drop(server);
    shop.stop();
}

/// The value of an instant query, once there is one.
fn query(web: SocketAddr, expression: &str) -> Option<String> {
    let escaped: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let bytes = request("GET", &format!("/api/v1/query?query={escaped}"), &[], None);
    let mut connection = http::Connection::open(web).ok()?;
    let answer = connection.call(&bytes).ok()??;
    if answer.status != 200 {
        return None;
    }
    let value = answer.json().pointer("/data/result/0/value/1")?.as_str()?.to_owned();
    Some(value)
}

/// An address that nobody listened at a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A program that is killed when the test is over.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
