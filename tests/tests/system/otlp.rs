//! A receiver of traces: OTLP over HTTP.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A span with the service that it happened in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) service: String,
    pub(crate) span: Span,
}

/// Takes what is sent to it until the test is over.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    spans: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&spans);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let taken = Arc::clone(&taken);
                // A connection ends when its exporter does.
                thread::spawn(move || serve(stream.unwrap(), &taken));
            }
        });
        Self { url, spans }
    }

    /// The spans of a trace that have come so far.
    pub(crate) fn trace(&self, id: &[u8]) -> Vec<Received> {
        let spans = self.spans.lock().unwrap();
        spans.iter().filter(|it| it.span.trace_id == id).cloned().collect()
    }
}

fn serve(mut stream: TcpStream, taken: &Mutex<Vec<Received>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut len, mut line) = (0, String::new());
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length: ") {
                len = value.trim().parse().unwrap();
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body)?;
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        taken.lock().unwrap().extend(spans(request));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Received> {
    let mut all = Vec::new();
    for part in request.resource_spans {
        let attributes = part.resource.map(|resource| resource.attributes).unwrap_or_default();
        let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
        let service = match name.and_then(|name| name.value).and_then(|value| value.value) {
            Some(Value::StringValue(service)) => service,
            other => panic!("a service without a name: {other:?}"),
        };
        let spans = part.scope_spans.into_iter().flat_map(|scope| scope.spans);
        all.extend(spans.map(|span| Received { service: service.clone(), span }));
    }
    all
}
