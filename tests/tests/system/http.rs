//! HTTP/1.1 by hand, so that it can be wrong, slow and cut.
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::soon::SOON;

/// A whole answer.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}", self.head, self.text())
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of an answer that must have been good.
    #[track_caller]
    pub(crate) fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// It is a problem of this status and kind, whose words say this.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, kind: &str, words: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:staffa:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(words), "`{detail}` does not say `{words}`");
    }
}

/// A request as bytes.
pub(crate) fn request(method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nhost: shop\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    if let Some(body) = body {
        bytes.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body.unwrap_or_default());
    bytes
}

/// What a request has that brings JSON.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SOON)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.set_write_timeout(Some(SOON))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next answer; `Ok(None)` when the connection was closed before a byte of it came.
    pub(crate) fn answer(&mut self) -> io::Result<Option<Answer>> {
        loop {
            if let Some((answer, len)) = parse(&self.unread) {
                self.unread.drain(..len);
                return Ok(Some(answer));
            }
            let mut chunk = [0; 16_384];
            match self.stream.read(&mut chunk) {
                Ok(0) if self.unread.is_empty() => return Ok(None),
                Ok(0) => return Err(cut(&self.unread)),
                Ok(len) => self.unread.extend_from_slice(&chunk[..len]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset && self.unread.is_empty() => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends, and waits for the answer.
    pub(crate) fn call(&mut self, bytes: &[u8]) -> io::Result<Option<Answer>> {
        self.write(bytes)?;
        self.answer()
    }
}

fn cut(seen: &[u8]) -> io::Error {
    let seen = String::from_utf8_lossy(seen).into_owned();
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer was cut: {seen}"))
}

/// The first answer in these bytes and its length, once it is whole. Its length must be said.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer { status, head, body: Vec::new() };
    let len: usize = answer.header("content-length").map_or(0, |len| len.parse().unwrap());
    let body = bytes.get(at + 4..at + 4 + len)?;
    answer.body = body.to_vec();
    Some((answer, at + 4 + len))
}

/// Sends these bytes on a connection of their own; the answer, or none when it is closed without one.
#[track_caller]
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open(address).unwrap();
    // A server that refuses early may close before all of it is written.
    let _ = connection.write(bytes);
    connection.answer().unwrap()
}

#[track_caller]
pub(crate) fn get(address: SocketAddr, target: &str) -> Answer {
    send(address, &request("GET", target, &[], None)).unwrap_or_else(|| panic!("no answer to GET {target}"))
}

/// A POST with a JSON body.
#[track_caller]
pub(crate) fn post(address: SocketAddr, target: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[JSON], headers].concat();
    let bytes = request("POST", target, &headers, Some(body.to_string().as_bytes()));
    send(address, &bytes).unwrap_or_else(|| panic!("no answer to POST {target}"))
}
