//! From start to stop: nothing that was accepted fails, and what was kept is there again.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::data::stocked;
use crate::http::{self, Connection, JSON, request};
use crate::orders::{CODE, basket, id};
use crate::program;
use crate::shop::{Shop, serve};
use crate::soon::soon;

/// How many clients there are.
const CLIENTS: usize = 8;

/// What the clients of a shop under load saw.
#[derive(Debug, Default)]
struct Load {
    answered: AtomicUsize,
    stop: AtomicBool,
}

/// What one client saw.
#[derive(Debug, Default)]
struct Client {
    /// The keys of its orders that were taken.
    placed: Vec<String>,
    /// Answers that were cut or said no.
    failed: Vec<String>,
}

impl Client {
    /// Calls until nobody takes its calls any more.
    fn run(number: usize, address: SocketAddr, order: &Value, load: &Load) -> Self {
        let mut client = Self::default();
        let mut connection = None;
        for at in 0.. {
            if load.stop.load(Ordering::Relaxed) {
                break;
            }
            let key = format!("load-{number}-{at}");
            let Some(open) = connection.take().or_else(|| Connection::open(address).ok()) else { break };
            match client.call(open, at, &key, order) {
                Some(open) => {
                    load.answered.fetch_add(1, Ordering::Relaxed);
                    connection = Some(open);
                }
                // Closed without a byte of an answer; a new connection tells whether anybody is there.
                None if nobody_at(address) => break,
                None => {}
            }
        }
        client
    }

    /// One call, by turns an order and a read; gives the connection back when it may be used again.
    fn call(&mut self, mut open: Connection, at: usize, key: &str, order: &Value) -> Option<Connection> {
        let place = at.is_multiple_of(2);
        let bytes = if place {
            let mut order = order.clone();
            order["reference"] = json!(key);
            request("POST", "/orders", &[JSON, ("idempotency-key", key)], Some(order.to_string().as_bytes()))
        } else {
            request("GET", "/products?limit=5", &[], None)
        };
        // A connection that was closed between two calls does not take the next one.
        open.write(&bytes).ok()?;
        match open.answer() {
            Ok(None) => return None,
            Ok(Some(answer)) if answer.status == 200 => {
                if place {
                    self.placed.push(key.to_owned());
                }
                if answer.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close")) {
                    return None;
                }
            }
            Ok(Some(answer)) => self.failed.push(format!("{key}: {answer:?}")),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return None,
            Err(error) => self.failed.push(format!("{key}: {error}")),
        }
        Some(open)
    }
}

/// Whether nobody listens any more.
fn nobody_at(address: SocketAddr) -> bool {
    Connection::open(address).is_err()
}

#[test]
fn under_load_sigterm_fails_no_request_that_was_accepted() {
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--set", "stop.window=1s"]);
    let one = basket(CODE, 1);
    let order = json!({ "basket": one, "quoted": shop.quoted(&one) });
    let load = Load::default();
    let (address, admin) = (shop.http, shop.admin);

    let (clients, (code, log)) = thread::scope(|scope| {
        let (order, load) = (&order, &load);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || Client::run(number, address, order, load)))
            .collect();
        soon("some load", || (load.answered.load(Ordering::Relaxed) > 10 * CLIENTS).then_some(()));
        shop.signal("TERM");
        // Readiness says no first: the process lives, and takes requests as before.
        let unready = soon("readiness that says no", || {
            let answer = http::get(admin, "/readyz");
            (answer.status == 503).then_some(answer)
        });
        assert_eq!(unready.json()["status"], "stopping");
        assert_eq!(http::get(admin, "/healthz").status, 200);
        assert_eq!(http::get(address, "/products?limit=1").status, 200);
        let at_signal = load.answered.load(Ordering::Relaxed);
        let ended = shop.end();
        load.stop.store(true, Ordering::Relaxed);
        let clients: Vec<Client> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert!(load.answered.load(Ordering::Relaxed) > at_signal, "the window took requests");
        (clients, ended)
    });
    assert_eq!(code, Some(0), "{log}");
    let failed: Vec<&String> = clients.iter().flat_map(|client| &client.failed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let mut placed: Vec<String> = clients.into_iter().flat_map(|client| client.placed).collect();
    placed.sort();

    // The second start has every order whose client was told so, and none whose client was not.
    let shop = Shop::start(data.path());
    eprintln!("a start with {} orders took {:?}", placed.len(), shop.started_in);
    let mut kept: Vec<String> =
        shop.orders().iter().map(|order| order["value"]["reference"].as_str().unwrap().to_owned()).collect();
    kept.sort();
    assert_eq!(kept, placed);
    shop.stop();
}

#[test]
fn a_second_start_is_quick_and_has_what_was_kept() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let order = shop.order("kept", &basket(CODE, 3));
    let order = shop.becomes(id(&order), "reserved");
    shop.stop();
    let shop = Shop::start(data.path());
    eprintln!("the second start took {:?}", shop.started_in);
    assert!(shop.started_in.as_secs() < 20, "{:?}", shop.started_in);
    assert_eq!(shop.orders(), [order]);
    shop.stop();
}

#[test]
fn a_stopped_shops_data_files_are_whole_by_themselves() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let order = shop.order("kept", &basket(CODE, 3));
    let order = shop.becomes(id(&order), "reserved");
    shop.stop();
    let copy = tempfile::tempdir().unwrap();
    for file in ["catalog.sqlite", "orders.sqlite", "inventory.sqlite"] {
        std::fs::copy(data.path().join(file), copy.path().join(file)).unwrap();
    }
    let shop = Shop::start(copy.path());
    assert_eq!(shop.orders(), [order]);
    shop.get(&format!("/products/{CODE}")).good();
    shop.stop();
}

#[test]
fn a_first_start_that_is_killed_is_finished_by_the_next() {
    let data = tempfile::tempdir().unwrap();
    for step in 0..16 {
        let mut first = program::start(&mut serve(data.path(), &[]));
        // Each time a little later; there is nothing to see from outside before it is ready.
        thread::sleep(Duration::from_millis(60 * step));
        if step % 2 == 0 {
            first.kill().unwrap();
        } else {
            program::signal(&first, "INT");
        }
        let ended = program::end(&mut first);
        // Until it listens to signals, the system's default holds.
        assert!(matches!(ended.code, None | Some(0)), "{ended:?}");
    }
    let shop = Shop::start(data.path());
    let whole = stocked();
    let other = Shop::start(whole.path());
    assert_eq!(shop.products(), other.products());
    assert_eq!(shop.products().len(), 2_748);
    assert_eq!(shop.all_stock(), other.all_stock());
    shop.stop();
    other.stop();
}

#[test]
fn a_request_in_hand_ends_before_the_process_does() {
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--slow-store", "--set", "stop.window=0s"]);
    let mut client = Connection::open(shop.http).unwrap();
    client.write(&request("GET", "/products?slow=true&limit=1", &[], None)).unwrap();
    soon("the request in hand", || {
        let metrics = http::get(shop.admin, "/metrics").text();
        let in_hand = "http_server_requests_in_flight{";
        metrics.lines().find(|line| line.starts_with(in_hand) && line.ends_with(" 1")).map(|_| ())
    });
    shop.signal("TERM");
    let answer = client.answer().unwrap().unwrap_or_else(|| panic!("it was cut"));
    // On a slow machine the endpoint's own deadline is sooner than the statement's end.
    assert!(matches!(answer.status, 200 | 504), "{answer:?}");
    let (code, log) = shop.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_stream_is_ended_and_does_not_hold_up_the_stop() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let order = shop.order("watched", &basket(CODE, 1));
    let mut watch = std::net::TcpStream::connect(shop.http).unwrap();
    let target = format!("/orders/{}/events", id(&order));
    std::io::Write::write_all(&mut watch, &request("GET", &target, &[], None)).unwrap();
    shop.becomes(id(&order), "reserved");
    shop.signal("TERM");
    let (code, log) = shop.end();
    assert_eq!(code, Some(0), "{log}");
    let mut seen = String::new();
    std::io::Read::read_to_string(&mut watch, &mut seen).unwrap();
    assert!(seen.contains("text/event-stream") && seen.contains("\"reserved\""), "{seen}");
}

#[test]
fn a_stream_that_its_client_leaves_is_no_warning() {
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--set", "log.level=info,staffa_transport=debug"]);
    let order = shop.order("left", &basket(CODE, 1));
    let mut watch = std::net::TcpStream::connect(shop.http).unwrap();
    let target = format!("/orders/{}/events", id(&order));
    std::io::Write::write_all(&mut watch, &request("GET", &target, &[], None)).unwrap();
    std::io::Read::read_exact(&mut watch, &mut [0; 12]).unwrap();
    drop(watch);
    let left = shop.logged("an event stream was left");
    assert_eq!((&left["level"], &left["service"]), (&json!("DEBUG"), &json!("orders")), "{left}");
    shop.stop();
}

#[test]
fn clients_that_do_not_read_their_answers_do_not_hold_up_the_stop() {
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--set", "stop.drain=1s"]);
    let asked = request("GET", "/products?limit=1000", &[], None).repeat(100);
    let deaf: Vec<Connection> = (0..20)
        .map(|_| {
            let mut connection = Connection::open(shop.http).unwrap();
            connection.write(&asked).unwrap();
            connection
        })
        .collect();
    assert_eq!(shop.get("/products?limit=1").status, 200, "others are served");
    shop.signal("TERM");
    let asked = Instant::now();
    let (code, log) = shop.end();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {log}");
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    drop(deaf);
}

#[test]
fn a_second_sigterm_ends_it_at_once_and_loses_nothing() {
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--set", "stop.window=1h"]);
    let order = shop.order("twice", &basket(CODE, 2));
    let order = shop.becomes(id(&order), "reserved");
    shop.signal("TERM");
    shop.logged("stopping");
    assert_eq!(http::get(shop.admin, "/healthz").status, 200);
    shop.signal("TERM");
    let (code, log) = shop.end();
    assert_eq!(code, Some(128 + 15), "{log}");
    let shop = Shop::start(data.path());
    assert_eq!(shop.orders(), [order]);
    shop.stop();
}

#[test]
fn interrupted_it_stops_as_well() {
    let data = stocked();
    let shop = Shop::start(data.path());
    shop.signal("INT");
    let (code, log) = shop.end();
    assert_eq!(code, Some(0), "{log}");
}
