//! HTTP by hand, so that it can be wrong.
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back over a connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Sends these bytes on a new connection, and reads until the answer is whole; `None` when it is closed before.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may close before all of it is written.
    let _ = stream.write_all(bytes).await;
    read(&mut stream).await
}

pub(crate) async fn read(stream: &mut TcpStream) -> Option<Answer> {
    let mut text = Vec::new();
    let whole = async {
        let mut chunk = [0; 4_096];
        loop {
            if let Some(answer) = parse(&text) {
                return Some(answer);
            }
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return None,
                Ok(len) => text.extend_from_slice(&chunk[..len]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), whole).await.unwrap()
}

fn parse(text: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(text);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let answer = Answer { status, head: head.into(), body: body.into() };
    let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    (body.len() >= length).then_some(answer)
}

/// A request with a JSON body.
pub(crate) fn with_body(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{method} {target} HTTP/1.1\r\nhost: shop\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A request without a body.
pub(crate) fn bare(method: &str, target: &str, headers: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nhost: shop\r\n{headers}\r\n").into_bytes()
}
