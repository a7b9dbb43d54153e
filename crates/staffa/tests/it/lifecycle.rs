use std::sync::Arc;

use staffa::settings::Flags;
use staffa::{Context, Endpoint, Failure, Host, Kind, Outcome, Service, test};
use tokio::sync::Notify;

use crate::http::{get, put};

const WAIT: Endpoint<(), String, Failure> = Endpoint::post("/wait");

/// A handler that is in hand until the test lets it go.
#[derive(Default)]
struct Gate {
    entered: Notify,
    opened: Notify,
    cancelled: Notify,
}

impl Gate {
    async fn wait(&self, ctx: &Context, (): ()) -> Result<String, Failure> {
        self.entered.notify_one();
        if let Err(cause) = ctx.run(self.opened.notified()).await {
            self.cancelled.notify_one();
            return Err(cause.into());
        }
        Ok("done".to_owned())
    }
}

async fn gated(stop: &[&str]) -> (test::Running, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let host = Host::new("gate").service("gate", async move |_: &Context, service: &mut Service<()>| {
        service.handle(WAIT, &held, Gate::wait);
        Ok(())
    });
    let set = stop.iter().map(|flag| (*flag).to_owned()).collect();
    (test::start_host(host, Flags { set, ..Flags::default() }).await, gate)
}

#[tokio::test]
async fn readiness_says_no_first_while_what_is_in_hand_ends_well() {
    let (service, gate) = gated(&["stop.window=300ms"]).await;
    let (base, admin) = (service.base_url(), service.admin_url());
    assert_eq!(get(&admin, "/readyz").await.unwrap().status, 200);

    let (client, ctx) = (service.client().clone(), service.context());
    let call = client.call(&ctx, WAIT, ());
    let probe = async {
        gate.entered.notified().await;
        let stop = service.try_stop();
        let watch = async {
            let answer = loop {
                let answer = get(&admin, "/readyz").await.unwrap();
                if answer.status != 200 {
                    break answer;
                }
            };
            assert_eq!(answer.status, 503);
            assert!(answer.body.contains(r#""status":"stopping""#), "{answer:?}");
            assert_eq!(get(&admin, "/healthz").await.unwrap().status, 200);
            // It still answers, so that no request is lost until a balancer has looked away.
            assert_eq!(get(&base, "/nothing").await.unwrap().status, 404);
            gate.opened.notify_one();
        };
        tokio::join!(stop, watch).0
    };
    let (answer, outcome) = tokio::join!(call, probe);
    assert_eq!(answer.unwrap(), "done");
    assert_eq!(outcome, Outcome::Stopped);
    assert!(get(&base, "/").await.is_err());
    assert!(get(&admin, "/healthz").await.is_err());
}

#[tokio::test]
async fn what_outlasts_the_drain_bound_is_cancelled_and_told() {
    let (service, gate) = gated(&["stop.drain=100ms"]).await;
    let (client, ctx) = (service.client().clone(), service.context());
    let call = client.call(&ctx, WAIT, ());
    let stop = async {
        gate.entered.notified().await;
        service.try_stop().await
    };
    let (answer, outcome) = tokio::join!(call, stop);
    assert_eq!(outcome, Outcome::DrainExceeded);
    assert_eq!(answer.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn jobs_end_with_the_process() {
    let ended = Arc::new(Notify::new());
    let told = Arc::clone(&ended);
    let compose = async move |_: &Context, service: &mut Service<()>| {
        let job = async move |ctx: Context| {
            ctx.done().await;
            told.notify_one();
            Ok(())
        };
        service.jobs().spawn("job", job).await?;
        Ok(())
    };
    let service = test::start(compose, ()).await;
    service.stop().await;
    ended.notified().await;
}

#[tokio::test]
async fn a_job_that_fails_is_told_at_the_end() {
    let compose = async |_: &Context, service: &mut Service<()>| {
        let job = async |_| Err::<(), _>(Failure::new(Kind::Internal, "the feed is gone"));
        service.jobs().spawn("feed", job).await?;
        Ok(())
    };
    let service = test::start(compose, ()).await;
    assert_eq!(service.try_stop().await, Outcome::JobFailed);
}

#[tokio::test]
async fn a_job_that_gives_back_the_cause_of_its_end_has_not_failed() {
    let compose = async |_: &Context, service: &mut Service<()>| {
        let job = async |ctx: Context| {
            loop {
                ctx.sleep(std::time::Duration::from_secs(1)).await?;
            }
        };
        service.jobs().spawn::<(), _, _>("poll", job).await?;
        Ok(())
    };
    let service = test::start(compose, ()).await;
    assert_eq!(service.try_stop().await, Outcome::Stopped);
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (setting, flag) in [("http.bind", "--port"), ("admin.bind", "--admin-port")] {
        let host = Host::new("shop").service("orders", crate::orders::compose);
        let flags = Flags { set: vec![format!("{setting}={address}")], ..Flags::default() };
        let error = test::try_start_host(host, flags).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::StartFailed);
        let told = error.to_string();
        for part in [setting, &address.to_string(), "in use", flag] {
            assert!(told.contains(part), "{told} without {part}");
        }
        assert!(!told.contains('\n'));
    }
}

#[tokio::test]
async fn the_admin_port_tells_health_metrics_and_the_log_level() {
    let service = test::start(crate::orders::compose, ()).await;
    let admin = service.admin_url();
    let ready = get(&admin, "/readyz").await.unwrap();
    assert_eq!(ready.body.trim(), r#"{"checks":{"test store":"ok"},"status":"ready"}"#);
    assert!(ready.head.contains("content-type: application/json"), "{}", ready.head);
    assert_eq!(get(&admin, "/healthz").await.unwrap().status, 200);
    let metrics = get(&admin, "/metrics").await.unwrap();
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{}", metrics.head);
    assert!(!metrics.body.contains("# EOF") && !metrics.body.contains("# UNIT"), "{}", metrics.body);
    let openmetrics = "GET /metrics HTTP/1.1\r\naccept: application/openmetrics-text; version=1.0.0\r\n";
    let metrics = crate::http::send(&admin, openmetrics, "").await.unwrap();
    assert!(metrics.head.contains("content-type: application/openmetrics-text"), "{}", metrics.head);
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
    assert_eq!(get(&admin, "/log/level").await.unwrap().body, "info\n");
    assert_eq!(put(&admin, "/log/level", "debug").await.unwrap().body, "debug\n");
    assert_eq!(get(&admin, "/log/level").await.unwrap().body, "debug\n");
    service.stop().await;
}

#[tokio::test]
async fn readiness_says_no_while_a_store_does_not_answer() {
    let service = test::start(crate::orders::compose, ()).await;
    service.stores("test")[0].close(&service.context()).await.unwrap();
    let answer = get(&service.admin_url(), "/readyz").await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains(r#""status":"unavailable""#), "{answer:?}");
    assert_eq!(get(&service.admin_url(), "/healthz").await.unwrap().status, 200);
}

#[tokio::test]
async fn what_a_dropped_process_had_in_hand_is_cancelled() {
    let (service, gate) = gated(&[]).await;
    let (client, ctx, base) = (service.client().clone(), service.context(), service.base_url());
    let call = client.call(&ctx, WAIT, ());
    let stop = async {
        gate.entered.notified().await;
        drop(service);
        gate.cancelled.notified().await;
    };
    let (answer, ()) = tokio::join!(call, stop);
    assert!(answer.is_err());
    assert!(get(&base, "/").await.is_err());
}
