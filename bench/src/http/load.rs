//! A closed loop of connections: each asks again as soon as it is answered.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Requests with the answers that they must get.
pub(crate) struct Load {
    connections: usize,
    exchanges: Arc<[Exchange]>,
}

struct Exchange {
    target: String,
    request: Vec<u8>,
    body: Vec<u8>,
}

/// What was answered, all of it as it must be.
pub(crate) struct Done {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
}

impl Load {
    /// Asks this server what the answers are.
    pub(crate) async fn of(
        targets: Vec<String>,
        connections: usize,
        server: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut connection = Connection::open(server).await?;
        let mut exchanges = Vec::with_capacity(targets.len());
        for target in targets {
            let request = request(&target);
            let body = connection.ask(&request).await.with_context(|| target.clone())?.to_vec();
            exchanges.push(Exchange { target, request, body });
        }
        Ok(Self { connections, exchanges: exchanges.into() })
    }

    /// An error unless this server answers every request with the same bytes.
    pub(crate) async fn compare(&self, server: SocketAddr) -> anyhow::Result<()> {
        let mut connection = Connection::open(server).await?;
        for Exchange { target, request, body } in &*self.exchanges {
            let answer = connection.ask(request).await.with_context(|| target.clone())?;
            let text = String::from_utf8_lossy(answer);
            ensure!(
                answer == body,
                "{target} is answered with {text}, not {}",
                String::from_utf8_lossy(body)
            );
        }
        Ok(())
    }

    /// Asks for this long. Status and length of every answer are checked.
    #[expect(clippy::disallowed_methods, reason = "what is measured is time, by the machine's clock")]
    pub(crate) async fn run(&self, server: SocketAddr, time: Duration) -> anyhow::Result<Done> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(server).await?);
        }
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for (number, connection) in connections.into_iter().enumerate() {
            // Each begins at another place of the list.
            let first = number * self.exchanges.len() / self.connections;
            tasks.spawn(ask_until(connection, Arc::clone(&self.exchanges), first, begun + time));
        }
        let mut requests = 0;
        while let Some(asked) = tasks.join_next().await {
            requests += asked??;
        }
        Ok(Done { requests, seconds: begun.elapsed().as_secs_f64() })
    }
}

/// How many requests this connection had answered by then.
#[expect(clippy::disallowed_methods, reason = "what is measured is time, by the machine's clock")]
async fn ask_until(
    mut connection: Connection,
    exchanges: Arc<[Exchange]>,
    first: usize,
    end: Instant,
) -> anyhow::Result<u64> {
    let mut requests = 0;
    for Exchange { target, request, body } in exchanges.iter().cycle().skip(first) {
        if Instant::now() >= end {
            break;
        }
        let answer = connection.ask(request).await.with_context(|| target.clone())?;
        ensure!(answer.len() == body.len(), "{target} is answered with {} bytes", answer.len());
        requests += 1;
    }
    Ok(requests)
}

fn request(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\n\r\n").into()
}

/// A connection that is kept alive.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(8 << 10) })
    }

    /// The body of the answer, whose status must be 200.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the connection was closed");
            if let Some(body) = body(&self.buffer)? {
                return Ok(&self.buffer[body..]);
            }
        }
    }
}

/// Where the body begins, once it is whole.
fn body(answer: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head_len) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..head_len])?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "the answer is {head}");
    let length = head.split("\r\n").skip(1).find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let length: usize = length.context("an answer without content-length")?.parse()?;
    let begin = head_len + 4;
    ensure!(answer.len() <= begin + length, "more was answered than asked for");
    Ok((answer.len() == begin + length).then_some(begin))
}
