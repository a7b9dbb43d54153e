//! Serves the page, and what was behind its requests.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shop_contract::{BEHIND, Behind, BehindOf, Passage};
use staffa::context::SpanValue;
use staffa::telemetry::FinishedSpan;
use staffa::{Context, Failure, Kind, Recent, Service};

/// The page's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    /// The folder of the page's files. They are read at the start. Without it no page is served.
    folder: Option<PathBuf>,
}

/// How large a file of the page may be.
const FILE_MAX: u64 = 8 << 20;
/// How many files it may have.
const FILES_MAX: usize = 100;

pub(crate) async fn compose(_ctx: &Context, service: &mut Service<Settings>) -> staffa::Result<()> {
    service.handle(BEHIND, &Arc::new(Requests(service.recent())), Requests::behind);
    if let Some(folder) = &service.settings.folder {
        service.mount(Files::read(folder)?.routes());
    }
    Ok(())
}

struct Requests(Recent);

impl Requests {
    async fn behind(&self, _ctx: &Context, asked: BehindOf) -> Result<Behind, Failure> {
        let trace = (asked.trace.len() == 32).then(|| u128::from_str_radix(&asked.trace, 16).ok()).flatten();
        let trace = trace.ok_or_else(|| Failure::new(Kind::Invalid, "`trace` is 32 hexadecimal digits"))?;
        Ok(Behind { passages: self.0.trace(trace).into_iter().map(passage).collect() })
    }
}

/// The attribute under which an operation notes the budget that it starts with, in microseconds.
const BUDGET: &str = "budget_us";

fn passage(span: FinishedSpan) -> Passage {
    let budget = match span.attributes.get(BUDGET) {
        Some(SpanValue::Int(micros)) => u64::try_from(*micros).ok(),
        _ => None,
    };
    let notes = span.attributes.iter().filter(|(key, _)| *key != BUDGET);
    Passage {
        span: format!("{:016x}", span.span_id),
        parent: span.parent_id.map(|parent| format!("{parent:016x}")),
        service: span.service,
        name: span.name,
        start_micros: span.start.as_micros(),
        micros: u64::try_from(span.duration.as_micros()).unwrap_or(u64::MAX),
        budget_micros: budget,
        notes: notes.map(|(key, value)| (key.clone(), text(value))).collect(),
        failure: span.failed,
    }
}

fn text(value: &SpanValue) -> String {
    match value {
        SpanValue::Bool(value) => value.to_string(),
        SpanValue::Int(value) => value.to_string(),
        SpanValue::Float(value) => value.to_string(),
        SpanValue::Text(value) => value.to_string(),
    }
}

/// The page's files by their path, in memory, each also compressed.
struct Files(BTreeMap<String, Arc<File>>);

struct File {
    kind: &'static str,
    tag: String,
    plain: Vec<u8>,
    compressed: Vec<u8>,
}

impl Files {
    fn read(folder: &Path) -> staffa::Result<Self> {
        let told = |error: std::io::Error| {
            staffa::Error::from(error).context(format!("page.folder {}", folder.display()))
        };
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(told)? {
            let entry = entry.map_err(told)?;
            let meta = entry.metadata().map_err(told)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Braces would make a parameter of the route.
            if !meta.is_file() || name.contains(['{', '}']) {
                continue;
            }
            if meta.len() > FILE_MAX || files.len() == FILES_MAX {
                let words =
                    format!("page.folder: {name} is over {FILE_MAX} bytes, or one of over {FILES_MAX} files");
                return Err(staffa::Error::settings(words));
            }
            let file = File::new(&name, std::fs::read(entry.path()).map_err(told)?)?;
            files.insert(format!("/{name}"), Arc::new(file));
        }
        if !files.contains_key("/index.html") {
            return Err(staffa::Error::settings(format!(
                "page.folder: {} has no index.html",
                folder.display()
            )));
        }
        Ok(Self(files))
    }

    /// A route for each file: what nothing answers is the whole process's to say.
    fn routes(self) -> Router {
        let index = self.0.get("/index.html").map(|index| ("/".to_owned(), Arc::clone(index)));
        self.0.into_iter().chain(index).fold(Router::new(), |router, (path, file)| {
            router.route(&path, get(async move |headers: HeaderMap| file.answer(&headers)))
        })
    }
}

impl File {
    fn new(name: &str, plain: Vec<u8>) -> std::io::Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plain)?;
        let mut tag = String::from("\"");
        for byte in &Sha256::digest(&plain)[..12] {
            // Writing to a string cannot fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        Ok(Self { kind: kind(name), tag, plain, compressed: encoder.finish()? })
    }

    /// The file, or 304 when the browser has it. It asks each time, so that an update is seen at once.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let has = |name, wanted: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.contains(wanted))
        };
        let common = [(header::ETAG, self.tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
        if has(header::IF_NONE_MATCH, &self.tag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let typed = [(header::CONTENT_TYPE, self.kind), (header::VARY, "accept-encoding")];
        if has(header::ACCEPT_ENCODING, "gzip") {
            return (common, typed, [(header::CONTENT_ENCODING, "gzip")], self.compressed.clone())
                .into_response();
        }
        (common, typed, self.plain.clone()).into_response()
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" | "webmanifest" => "application/json",
        _ => "application/octet-stream",
    }
}
