//! Plain HTTP, as a probe or a scraper speaks it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer: its status, its head and its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) async fn get(base: &str, path: &str) -> std::io::Result<Answer> {
    send(base, &format!("GET {path} HTTP/1.1\r\n"), "").await
}

pub(crate) async fn put(base: &str, path: &str, body: &str) -> std::io::Result<Answer> {
    send(base, &format!("PUT {path} HTTP/1.1\r\n"), body).await
}

pub(crate) async fn send(base: &str, head: &str, body: &str) -> std::io::Result<Answer> {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request =
        format!("{head}host: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
