use std::net::SocketAddr;
use std::time::Duration;

use super::load::Load;
use super::server::Server;

/// A server with its figures, a round each.
pub(crate) struct Contestant {
    pub(crate) label: &'static str,
    /// The share of the first contestant's requests per second that it shall have.
    pub(crate) aim: Option<f64>,
    pub(crate) rounds: Vec<Figures>,
    server: Server,
}

/// What a server did in a round.
pub(crate) struct Figures {
    /// Requests per second.
    pub(crate) rate: f64,
    /// CPU time of the server for each request, in microseconds; nothing where the system does not tell.
    pub(crate) cpu: Option<f64>,
}

impl Contestant {
    pub(crate) fn ours(label: &'static str, aim: f64, server: Server) -> Self {
        Self { label, aim: Some(aim), rounds: Vec::new(), server }
    }

    pub(crate) fn rival(label: &'static str, server: Server) -> Self {
        Self { label, aim: None, rounds: Vec::new(), server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(crate) async fn measure(&mut self, load: &Load, seconds: Duration) -> anyhow::Result<()> {
        let before = self.server.cpu();
        let done = load.run(self.server.address, seconds).await?;
        let cpu = self.server.cpu().zip(before).map(|(after, before)| after - before);
        self.rounds.push(Figures {
            rate: done.requests as f64 / done.seconds,
            cpu: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / done.requests as f64),
        });
        Ok(())
    }
}
