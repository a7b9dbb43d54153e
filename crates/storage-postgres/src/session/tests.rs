#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and plays the server in a thread"
)]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, mpsc};
use std::task::Poll;
use std::thread;

use staffa_context::Context;
use staffa_storage::Error;

use super::*;
use crate::call::Call;
use crate::commit::{Changes, Common, quick};
use crate::options::Options;
use crate::pool::Pool;
use crate::url::Target;

const CANCEL: u32 = 80_877_102;
/// What a server says of a statement that a cancellation has hit.
const ASKED: &str = "canceling statement due to user request";

/// A pool on a server that answers each text so, and tells when it is asked to cancel.
fn server(
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    cancelled: impl Fn() + Send + Sync + 'static,
) -> Pool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (answer, cancelled) = (Arc::new(answer), Arc::new(cancelled));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answer, cancelled) = (Arc::clone(&answer), Arc::clone(&cancelled));
            // It ends when the client leaves.
            thread::spawn(move || serve(stream, &*answer, &*cancelled).is_ok());
        }
    });
    let target = Target::parse(&format!("postgres://user@127.0.0.1:{port}/shop?sslmode=disable")).unwrap();
    Pool::new(&Context::background(), &target, &Options::default()).unwrap()
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&str) -> Vec<u8>, cancelled: &dyn Fn()) -> io::Result<()> {
    let startup = body(&mut stream)?;
    if startup[..4] == CANCEL.to_be_bytes() {
        cancelled();
        return Ok(());
    }
    stream.write_all(&[message(b'R', &[0; 4]), message(b'K', &[1; 8]), ready()].concat())?;
    loop {
        let mut tag = [0];
        stream.read_exact(&mut tag)?;
        let text = body(&mut stream)?;
        if tag == [b'Q'] {
            let text = std::str::from_utf8(&text).unwrap();
            stream.write_all(&[answer(text.trim_end_matches('\0')), ready()].concat())?;
        }
    }
}

fn body(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(len)).unwrap() - 4];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], &len[..], body].concat()
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn done() -> Vec<u8> {
    message(b'C', b"SELECT 1\0")
}

fn stopped(words: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C57014\0M{words}\0\0").as_bytes())
}

async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_cancellation_waits_until_the_server_has_begun_the_transaction() {
    let (go, gone) = mpsc::channel();
    let (cancelled, heard) = mpsc::channel();
    let gone = Mutex::new(gone);
    let answer = move |text: &str| {
        if text.starts_with("BEGIN") {
            gone.lock().unwrap().recv().unwrap();
        }
        done()
    };
    let session = server(answer, move || cancelled.send(()).unwrap());
    let session = session.session(&Context::background()).await.unwrap();
    let stop = session.stop();
    let (mut begin, mut send) = (Box::pin(session.begin("SELECT enter")), Box::pin(stop.send()));
    assert!(is_pending(&mut begin).await && is_pending(&mut send).await);
    assert!(stop.sent.load(Ordering::Acquire) == 0, "it was sent to a server that begins");
    go.send(()).unwrap();
    begin.await.unwrap();
    send.await;
    heard.recv().unwrap();
}

#[tokio::test]
async fn a_transaction_that_waits_at_its_beginning_is_cancelled() {
    let (cancelled, heard) = mpsc::channel();
    let heard = Mutex::new(heard);
    let answer = move |text: &str| {
        if text.starts_with("BEGIN") {
            return done();
        }
        heard.lock().unwrap().recv().unwrap();
        stopped(ASKED)
    };
    let pool = server(answer, move || cancelled.send(()).unwrap());
    let session = pool.session(&Context::background()).await.unwrap();
    let stop = session.stop();
    let (begun, ()) = join(session.begin("SELECT enter"), stop.send()).await;
    assert!(is_stopped_by_request(&begun.unwrap_err()) && !session.is_torn());
}

#[tokio::test]
async fn what_ran_without_its_transaction_is_unknown() {
    let answer = |text: &str| if text.starts_with("BEGIN") { stopped(ASKED) } else { done() };
    let ctx = Context::background();
    let session = server(answer, || {}).session(&ctx).await.unwrap();
    let changes = Changes { checks: Vec::new(), writes: Vec::new(), events: Vec::new(), kept: None };
    let tried = quick(&session, &changes, &Common::new("shop"), &Call::new(ctx)).await;
    assert!(matches!(tried, Err(Error::Unknown(_))));
}

/// How many connections are left after a statement that is cancelled ended with these words.
async fn left_after(words: &'static str, dropped_before: bool) -> usize {
    let (cancelled, heard) = mpsc::channel();
    let heard = Mutex::new(heard);
    let answer = move |_: &str| {
        heard.lock().unwrap().recv().unwrap();
        stopped(words)
    };
    // The server may be gone when a second one comes.
    let pool = server(answer, move || {
        let _gone = cancelled.send(()).is_err();
    });
    let session = pool.session(&Context::background()).await.unwrap();
    let stop = session.stop();
    let sends = async {
        if dropped_before {
            assert!(is_pending(&mut Box::pin(stop.send())).await);
        }
        stop.send().await;
    };
    let (stopped, ()) = join(session.simple("SELECT slow"), sends).await;
    assert_eq!(stopped.unwrap_err().code().unwrap().code(), "57014");
    drop(session);
    pool.size()
}

#[tokio::test]
async fn a_connection_goes_back_only_if_no_cancellation_is_on_its_way() {
    assert_eq!(left_after(ASKED, false).await, 1);
    assert_eq!(left_after("canceling statement due to statement timeout", false).await, 0);
    assert_eq!(left_after(ASKED, true).await, 0);
}
