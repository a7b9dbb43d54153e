//! Whether a pooler stands between the store and its server.
//!
//! Behind one (PgBouncer in transaction mode) a statement that was prepared may be met by another server process, which does
//! not know it, or knows another by its name. A pooler gives its clients keys of its own for cancelling; a server gives the number of
//! the process that answers. So the number in the key, as a cancellation would send it, is compared with the process's own.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use staffa_storage::Result;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::error::told;
use crate::row::get;
use crate::session::{Session, Sql};

/// Whether the session's key is not the server process's own.
pub(crate) async fn is_between(session: &Session) -> Result<bool> {
    let rows = session.query(&Sql::new("SELECT pg_backend_pid()", []), &[]).await;
    let rows = rows.map_err(|error| told(&error))?;
    let process: i32 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    let mut ear = Ear::default();
    let heard = session.client().cancel_token().cancel_query_raw(&mut ear, Plain).await;
    // What is written into memory is written.
    heard.map_err(|error| told(&error))?;
    Ok(ear.process() != Some(process))
}

/// A server made of memory, which hears a cancellation.
#[derive(Default)]
struct Ear(Vec<u8>);

impl Ear {
    /// The process that the last message, of four numbers with four bytes each, is about: its third number.
    fn process(&self) -> Option<i32> {
        let at = self.0.len().checked_sub(8)?;
        let bytes = self.0.get(at..at + 4)?.try_into().ok()?;
        Some(i32::from_be_bytes(bytes))
    }
}

impl AsyncRead for Ear {
    /// It takes up TLS whenever it is asked, which is not spoken here.
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        buf.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ear {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for &mut Ear {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Goes on in the clear.
struct Plain;

impl<'a> TlsConnect<&'a mut Ear> for Plain {
    type Stream = &'a mut Ear;
    type Error = Infallible;
    type Future = Ready<std::result::Result<&'a mut Ear, Infallible>>;

    fn connect(self, stream: &'a mut Ear) -> Self::Future {
        ready(Ok(stream))
    }
}
