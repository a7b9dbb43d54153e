//! A server made of a few bytes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use staffa_context::Context;
use staffa_storage::Error;
use staffa_storage_postgres::{Options, Postgres};

/// A server that answers each connection in this way; it lives as long as the process.
pub(crate) struct Fake {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, answer) = (Arc::clone(&connections), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                thread::spawn(move || answer(stream));
            }
        });
        Self { port, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The URL of its database, with these parameters.
    pub(crate) fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgres://user:secret@{host}:{}/shop?{parameters}", self.port)
    }
}

/// Reads the message that begins a connection.
pub(crate) fn startup(stream: &mut impl Read) {
    let mut len = [0; 4];
    stream.read_exact(&mut len).unwrap();
    let len = usize::try_from(u32::from_be_bytes(len)).unwrap();
    stream.read_exact(&mut vec![0; len - 4]).unwrap();
}

/// Refuses a connection with this state.
pub(crate) fn refuse(stream: &mut impl Write, code: &str, words: &str) {
    let mut fields = Vec::new();
    for (field, text) in [('S', "FATAL"), ('V', "FATAL"), ('C', code), ('M', words)] {
        fields.extend_from_slice(format!("{field}{text}\0").as_bytes());
    }
    fields.push(0);
    let len = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    stream.write_all(&[b"E", &len[..], &fields].concat()).unwrap();
    stream.flush().unwrap();
}

/// The error of opening a store there, which waits only a little for a server that starts.
pub(crate) async fn refused(ctx: &Context, url: &str) -> Error {
    let options = Options { connect_wait: Duration::from_millis(400), ..Options::default() };
    Postgres::open(ctx, url, options, Vec::new()).await.unwrap_err()
}
