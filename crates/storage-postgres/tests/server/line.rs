//! The line to the server, which holds the answers back when a test says so.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::server::url;

/// Something in front of the server, for as long as the test runs.
pub(crate) struct Line {
    /// The server's URL through it.
    pub(crate) url: String,
    flows: watch::Sender<bool>,
}

impl Line {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = url();
        let (user, server) = server.split_once('@').unwrap();
        let (server, database) = server.split_once('/').unwrap();
        let url = format!("{user}@{}/{database}", listener.local_addr().unwrap());
        let (flows, flowing) = watch::channel(true);
        tokio::spawn(accept(listener, server.to_owned(), flowing));
        Self { url, flows }
    }

    /// What the server answers waits from now on, if this is not so.
    pub(crate) fn flow(&self, flows: bool) {
        self.flows.send_replace(flows);
    }
}

async fn accept(listener: TcpListener, server: String, flows: watch::Receiver<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        let far = TcpStream::connect(&server).await.unwrap();
        let (mut from_near, mut to_near) = near.into_split();
        let (mut from_far, mut to_far) = far.into_split();
        // They end as either side does.
        tokio::spawn(async move { copy(&mut from_near, &mut to_far).await.is_ok() });
        let mut flows = flows.clone();
        tokio::spawn(async move {
            let mut bytes = vec![0; 16 << 10];
            while let Ok(len @ 1..) = from_far.read(&mut bytes).await
                && flows.wait_for(|flows| *flows).await.is_ok()
                && to_near.write_all(&bytes[..len]).await.is_ok()
            {}
        });
    }
}
