use std::sync::{Arc, Mutex};
use std::time::Duration;

use staffa_context::{
    Cause, Context, Instruments, Meter, Metric, Record, Recording, Series, SpanStart, SpanValue,
    TraceContext, Tracer,
};
use staffa_storage::{Schema, Store};
use staffa_storage_sqlite::{OPERATION_SECONDS, Sqlite};

use crate::folder::{Folder, Product, insert, product, quick};

/// Keeps every span and observation as a line of text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn with(&self, part: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|line| line.contains(part)).cloned().collect()
    }
}

struct Kept {
    line: String,
    lines: Lines,
}

impl Tracer for Lines {
    fn start(&self, start: SpanStart) -> (TraceContext, Option<Box<dyn Recording>>) {
        let kept = Kept { line: format!("span {:?}", start.name), lines: self.clone() };
        (TraceContext { trace_id: 1, span_id: 1, sampled: true }, Some(Box::new(kept)))
    }
}

impl Recording for Kept {
    fn set(&mut self, key: &'static str, value: SpanValue) {
        self.line += &format!(" {key}={value:?}");
    }

    fn event(&mut self, _: &'static str) {}

    fn fail(&mut self, reason: &str) {
        self.line += &format!(" failed={reason}");
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
    }
}

struct Named(String, Lines);

impl Meter for Lines {
    fn series(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Series {
        Series::new(Arc::new(Named(format!("{} {labels:?}", metric.name), self.clone())))
    }
}

impl Record for Named {
    fn add(&self, _: i64) {}

    fn set(&self, _: i64) {}

    fn observe(&self, _: f64, trace: Option<TraceContext>) {
        self.1.push(format!("{} traced={}", self.0, trace.is_some()));
    }
}

async fn watched(folder: &Folder) -> (Context, Lines, Arc<Sqlite>) {
    let lines = Lines::default();
    let ctx = Context::root(Instruments {
        tracer: Some(Arc::new(lines.clone())),
        meter: Some(Arc::new(lines.clone())),
        ..Instruments::default()
    });
    let store = Sqlite::open(&ctx, folder.file(), quick(), vec![Schema::of::<Product>()]).await.unwrap();
    (ctx, lines, store)
}

#[tokio::test]
async fn an_operation_tells_what_it_did_and_how_long_it_took() {
    let folder = Folder::new();
    let (ctx, lines, store) = watched(&folder).await;
    insert(&store, &ctx.with_timeout(Duration::from_secs(9)), [product(1)]).await.unwrap();
    store.get(&ctx, "product", &staffa_storage::Part::Text("x".into())).await.unwrap();
    let [commit] = &lines.with("sqlite commit product")[..] else {
        panic!("{lines:?}", lines = lines.with(""))
    };
    for part in
        ["db.system=Text(\"sqlite\")", "budget_us=Int(8", "queue_us=Int(", "run_us=Int(", "units=Int(1)"]
    {
        assert!(commit.contains(part), "{commit}");
    }
    let [get] = &lines.with("sqlite get product")[..] else { panic!("{lines:?}", lines = lines.with("")) };
    assert!(get.contains("kind=Text(\"product\")"), "{get}");
    let seconds = lines.with(OPERATION_SECONDS.name);
    assert_eq!(seconds.len(), 2, "{seconds:?}");
    assert!(seconds.iter().all(|line| line.contains("traced=true")));
}

#[tokio::test]
async fn a_statement_that_was_stopped_says_so_and_why() {
    let folder = Folder::new();
    let (ctx, lines, store) = watched(&folder).await;
    let (begins, mut begun) = tokio::sync::mpsc::channel(1);
    let sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let (request, cancel) = ctx.with_cancel();
    let read = store.read(&request, move |connection| {
        begins.blocking_send(()).unwrap();
        connection.query_row(sql, [], |row| row.get::<_, i64>(0))
    });
    let (read, ()) = tokio::join!(read, async {
        begun.recv().await.unwrap();
        cancel.cancel(Cause::ClientGone);
    });
    read.unwrap_err();
    store.ping(&ctx).await.unwrap();
    let [read] = &lines.with("sqlite read")[..] else { panic!("{lines:?}", lines = lines.with("")) };
    assert!(read.contains("ended=Text(\"client_gone\")"), "{read}");
    assert!(read.contains("run_us="), "{read}");
}
