//! The line to a server, as a TCP proxy on which things go wrong when they are asked to.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use staffa_context::{Context, Group};
use staffa_storage::conformance::Faults;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// It runs until it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    ctx: Context,
    _tasks: Arc<Group<io::Error>>,
}

/// What is wrong now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Whole,
    Cut,
    Stalled,
}

struct State {
    server: String,
    mode: watch::Sender<Mode>,
    /// How many connections there are.
    connections: watch::Sender<usize>,
    /// How many answers come back before the next one is cut off; below 0: all of them.
    answers: AtomicI64,
}

/// As many connections as the tests of a pool ever make.
const CONNECTIONS_MAX: usize = 1_024;
/// How long cutting waits for connections to be gone.
const CUT_WAIT: Duration = Duration::from_secs(2);

impl Proxy {
    /// Listens on a port of its own of this machine.
    pub(crate) async fn start(ctx: &Context, server: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("a port for the proxy")?;
        let address = listener.local_addr().context("the proxy's port")?;
        let state = Arc::new(State {
            server,
            mode: watch::Sender::new(Mode::Whole),
            connections: watch::Sender::new(0),
            answers: AtomicI64::new(-1),
        });
        let tasks = Arc::new(Group::new(ctx, "proxy").limit(CONNECTIONS_MAX));
        let (group, accepting) = (Arc::downgrade(&tasks), Arc::clone(&state));
        let accept = async move |ctx: Context| {
            loop {
                let Ok(accepted) = ctx.run(listener.accept()).await else { return Ok(()) };
                let (Ok((client, _)), Some(group)) = (accepted, group.upgrade()) else { continue };
                if *accepting.mode.borrow() != Mode::Cut {
                    let state = Arc::clone(&accepting);
                    // A connection too many is refused, by dropping it.
                    let _ = group.try_spawn("connection", |_| async move { serve(&state, client).await });
                }
            }
        };
        tasks.spawn("accept", accept).await?;
        Ok(Self { address, state, ctx: ctx.clone(), _tasks: tasks })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

#[async_trait]
impl Faults for Proxy {
    async fn cut(&self) {
        self.state.mode.send_replace(Mode::Cut);
        let mut connections = self.state.connections.subscribe();
        // What is not gone by then is not served either.
        let _ = self.ctx.with_timeout(CUT_WAIT).run(connections.wait_for(|count| *count == 0)).await;
    }

    async fn stall(&self) {
        self.state.mode.send_replace(Mode::Stalled);
    }

    async fn cut_after(&self, answers: usize) {
        self.state.answers.store(i64::try_from(answers).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    async fn mend(&self) {
        self.state.answers.store(-1, Ordering::SeqCst);
        self.state.mode.send_replace(Mode::Whole);
    }
}

impl State {
    /// Whether an answer may come back; when it is the one to cut, everything is.
    fn may_answer(&self) -> bool {
        let count = |left: i64| (left >= 0).then(|| left - 1);
        match self.answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) {
            Ok(0) => {
                self.mode.send_replace(Mode::Cut);
                false
            }
            _ => true,
        }
    }

    /// Waits until bytes may flow, or the line is cut.
    async fn flows(&self) -> io::Result<()> {
        let mut mode = self.mode.subscribe();
        match mode.wait_for(|mode| *mode != Mode::Stalled).await.map(|mode| *mode) {
            Ok(Mode::Whole) => Ok(()),
            _ => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    async fn is_cut(&self) {
        let mut mode = self.mode.subscribe();
        if mode.wait_for(|mode| *mode == Mode::Cut).await.is_err() {
            pending::<()>().await;
        }
    }
}

async fn serve(state: &State, client: TcpStream) -> io::Result<()> {
    state.connections.send_modify(|count| *count += 1);
    let asked = AtomicBool::new(false);
    let joined = async {
        let server = TcpStream::connect(&state.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::try_join!(
            requests(state, &asked, from_client, to_server),
            answers(state, &asked, from_server, to_client)
        )
    };
    tokio::select! {
        _ = joined => {}
        () = state.is_cut() => {}
    }
    state.connections.send_modify(|count| *count -= 1);
    // However a connection ends, the others go on.
    Ok(())
}

/// An error ends the connection; the end of one direction does so too, as it is with databases.
fn over() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

async fn requests(
    state: &State,
    asked: &AtomicBool,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let len = from.read(&mut bytes).await?;
        if len == 0 {
            return Err(over());
        }
        state.flows().await?;
        asked.store(true, Ordering::SeqCst);
        to.write_all(&bytes[..len]).await?;
    }
}

async fn answers(
    state: &State,
    asked: &AtomicBool,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let len = from.read(&mut bytes).await?;
        if len == 0 {
            return Err(over());
        }
        state.flows().await?;
        // Further bytes without a request in between belong to the same answer.
        if asked.swap(false, Ordering::SeqCst) && !state.may_answer() {
            return Err(over());
        }
        to.write_all(&bytes[..len]).await?;
    }
}
