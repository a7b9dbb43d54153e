use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::net::TcpStream;

use crate::Error;

/// How much of an answer is read, in bytes.
const ANSWER_LEN_MAX: usize = 64 * 1_024;
/// How long a receiver may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    uri: Uri,
    host: String,
    port: u16,
}

impl Endpoint {
    pub(crate) fn parse(endpoint: &str) -> Result<Self, Error> {
        let wrong =
            |reason: &str| Error::Endpoint { endpoint: endpoint.to_owned(), reason: reason.to_owned() };
        let uri: Uri = endpoint.parse().map_err(|_| wrong("not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong(
                "not an http:// URL; send to a collector beside the process, which speaks TLS",
            ));
        }
        let host = uri.host().ok_or_else(|| wrong("no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(4318);
        let path = if uri.path() == "/" { "/v1/traces" } else { uri.path() };
        let uri = path.parse().map_err(|_| wrong("not a path"))?;
        Ok(Self { uri, host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.host, self.port, self.uri)
    }
}

/// A request that was not accepted.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) reason: String,
    pub(crate) temporary: bool,
    pub(crate) retry_after: Option<Duration>,
}

impl Failed {
    pub(crate) fn temporary(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), temporary: true, retry_after: None }
    }

    fn answered(status: StatusCode, headers: &HeaderMap) -> Self {
        let temporary = matches!(status.as_u16(), 429 | 502 | 503 | 504);
        let retry_after = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
        Self { reason: format!("the receiver answered {status}"), temporary, retry_after }
    }
}

/// A client with one connection, which it opens again when it is lost.
pub(crate) struct Post {
    endpoint: Endpoint,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Post {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connection: None }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }

    pub(crate) async fn post(&mut self, body: Bytes) -> Result<ExportTraceServiceResponse, Failed> {
        let request = self.request(body)?;
        let mut connection = self.connected().await?;
        let response = connection.send_request(request).await.map_err(Failed::temporary)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_LEN_MAX).collect().await.map_err(Failed::temporary)?.to_bytes();
        self.connection = Some(connection);
        if !head.status.is_success() {
            return Err(Failed::answered(head.status, &head.headers));
        }
        // A receiver that accepts may answer with nothing, or with JSON: then there is nothing to learn from it.
        Ok(ExportTraceServiceResponse::decode(body).unwrap_or_default())
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, Failed> {
        let Endpoint { uri, host, port } = &self.endpoint;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        Request::post(uri.clone())
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("staffa-telemetry/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(Failed::temporary)
    }

    async fn connected(&mut self) -> Result<SendRequest<Full<Bytes>>, Failed> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(Failed::temporary)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(Failed::temporary)?;
        // The driver ends with the connection; its error comes out of `send_request` too.
        #[expect(
            clippy::disallowed_methods,
            reason = "the exporter has a runtime of its own and outlives every context"
        )]
        tokio::spawn(async move { drop(driver.await) });
        Ok(connection)
    }
}
