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

/// Logs everybody in, and gives these columns, as text and as the server sends them in binary, for every statement.
pub(crate) fn answer_all(stream: &mut (impl Read + Write), columns: &[(u32, Vec<u8>)]) {
    startup(stream);
    let ready = message(b'Z', b"I");
    let greeting = [message(b'R', &[0; 4]), message(b'K', &[1; 8]), ready.clone()].concat();
    stream.write_all(&greeting).unwrap();
    let mut asked = Vec::new();
    loop {
        let mut head = [0; 5];
        if stream.read_exact(&mut head).is_err() {
            return;
        }
        let len = usize::try_from(u32::from_be_bytes(head[1..].try_into().unwrap())).unwrap();
        stream.read_exact(&mut vec![0; len - 4]).unwrap();
        asked.push(head[0]);
        if head[0] == b'S' {
            let answers = asked.drain(..).flat_map(|asked| answer(asked, columns)).collect::<Vec<u8>>();
            stream.write_all(&answers).unwrap();
        }
    }
}

/// What a server says to one message of the extended protocol.
fn answer(asked: u8, columns: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let count = i16::try_from(columns.len()).unwrap().to_be_bytes();
    match asked {
        b'P' => message(b'1', &[]),
        b'B' => message(b'2', &[]),
        b'D' => {
            let described = columns.iter().flat_map(|(kind, _)| {
                let (table, place, len, modifier, binary) = ([0; 4], [0; 2], [0xff; 2], [0xff; 4], [0, 1]);
                [b"c\0".as_slice(), &table, &place, &kind.to_be_bytes(), &len, &modifier, &binary].concat()
            });
            message(b'T', &count.into_iter().chain(described).collect::<Vec<u8>>())
        }
        b'E' => {
            let values = columns.iter().flat_map(|(_, value)| {
                let len = u32::try_from(value.len()).unwrap().to_be_bytes();
                [len.as_slice(), value].concat()
            });
            let row = message(b'D', &count.into_iter().chain(values).collect::<Vec<u8>>());
            [row, message(b'C', b"SELECT 1\0")].concat()
        }
        b'S' => message(b'Z', b"I"),
        _ => Vec::new(),
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], &len[..], body].concat()
}

/// The error of opening a store there, which waits only a little for a server that starts.
pub(crate) async fn refused(ctx: &Context, url: &str) -> Error {
    let options = Options { connect_wait: Duration::from_millis(400), ..Options::default() };
    Postgres::open(ctx, url, options, Vec::new()).await.unwrap_err()
}
