use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(20);

/// An OTLP receiver that answers each request with the next line of its script, once the test lets it.
pub(crate) struct OtlpReceiver {
    pub(crate) url: String,
    requests: Receiver<ExportTraceServiceRequest>,
    answers: Sender<&'static str>,
}

/// Accepts; the answer's body is empty.
pub(crate) const ACCEPT: &str = "200 OK";
/// Accepts, and says that it rejected a number of spans that cannot be.
pub(crate) const LIE: &str = "200 Lie";

impl OtlpReceiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sent, requests) = channel();
        let (answers, script) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // The connection ends when the exporter, or the test, does.
                let _ = serve(stream.unwrap(), &sent, &script);
            }
        });
        Self { url, requests, answers }
    }

    pub(crate) fn answer(&self, status: &'static str) {
        self.answers.send(status).unwrap();
    }

    pub(crate) fn accept_all(&self) {
        (0..100).for_each(|_| self.answer(ACCEPT));
    }

    /// The next request, accepted or not.
    pub(crate) fn request(&self) -> ExportTraceServiceRequest {
        self.requests.recv_timeout(SOON).unwrap()
    }

    /// The spans of all requests so far, each with the name of its service.
    pub(crate) fn spans(&self) -> Vec<(String, Span)> {
        self.requests.try_iter().flat_map(spans).collect()
    }
}

pub(crate) fn spans(request: ExportTraceServiceRequest) -> Vec<(String, Span)> {
    let mut all = Vec::new();
    for resource_spans in request.resource_spans {
        let attributes = resource_spans.resource.unwrap().attributes;
        let service = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
        let any_value::Value::StringValue(service) = service.value.unwrap().value.unwrap() else {
            panic!("a service name that is no text")
        };
        let spans = resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
        all.extend(spans.map(|span| (service.clone(), span)));
    }
    all
}

fn serve(
    mut stream: TcpStream,
    sent: &Sender<ExportTraceServiceRequest>,
    script: &Receiver<&'static str>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let head = head(&mut reader)?;
        assert!(head[0].starts_with("POST /v1/traces HTTP/1.1"), "{head:?}");
        assert!(head.iter().any(|line| line == "content-type: application/x-protobuf"), "{head:?}");
        let len = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; len.parse().unwrap()];
        reader.read_exact(&mut body)?;
        let _ = sent.send(ExportTraceServiceRequest::decode(&*body).unwrap());
        let Ok(status) = script.recv() else { return Ok(()) };
        let body = if status == LIE { lie() } else { Vec::new() };
        write!(stream, "HTTP/1.1 {status}\r\nretry-after: 0\r\ncontent-length: {}\r\n\r\n", body.len())?;
        stream.write_all(&body)?;
    }
}

fn lie() -> Vec<u8> {
    let partial = ExportTracePartialSuccess { rejected_spans: i64::MIN, ..Default::default() };
    ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
}

fn head(reader: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(line.to_ascii_lowercase().replacen("post /v1/traces http", "POST /v1/traces HTTP", 1));
    }
}
