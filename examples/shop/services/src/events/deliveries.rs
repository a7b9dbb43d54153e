//! What the consumers of a bus have put aside.
use std::sync::Arc;

use staffa::messaging::Bus;
use staffa::nats::{DeadDelivery, Nats, Options};
use staffa::{Context, Failure, Kind, Uuid};

/// How many are asked for at once.
const PAGE: usize = 100;

/// The bus of the services.
pub(super) struct Deliveries(Arc<Nats>);

impl Deliveries {
    pub(super) async fn open(ctx: &Context, url: &str) -> staffa::Result<Self> {
        let opened = Nats::open(ctx, url, Options::default()).await;
        opened.map(Self).map_err(|failure| staffa::Error::new(format!("bus: {}", failure.words)))
    }

    /// Prints them, and gives how many are dead and how many wait behind those.
    pub(super) async fn list(&self, ctx: &Context) -> staffa::Result<(usize, usize)> {
        let all = self.all(ctx).await?;
        all.iter().for_each(|dead| println!("{}", line(dead)));
        let dead = all.iter().filter(|dead| dead.failure.is_some()).count();
        Ok((dead, all.len() - dead))
    }

    /// Whether some consumer had put it aside.
    pub(super) async fn redrive(&self, ctx: &Context, id: Uuid) -> staffa::Result<bool> {
        self.decide(ctx, id, async |consumer| self.0.dead().redrive(ctx, consumer, id).await).await
    }

    /// The same.
    pub(super) async fn skip(&self, ctx: &Context, id: Uuid) -> staffa::Result<bool> {
        self.decide(ctx, id, async |consumer| self.0.dead().skip(ctx, consumer, id).await).await
    }

    pub(super) async fn close(self, ctx: &Context) -> staffa::Result<()> {
        Ok(self.0.close(&ctx.shielded()).await?)
    }

    /// Decides at each consumer that has put it aside.
    async fn decide(
        &self,
        ctx: &Context,
        id: Uuid,
        decide: impl AsyncFn(&str) -> Result<(), Failure>,
    ) -> staffa::Result<bool> {
        let mut found = false;
        for dead in self.all(ctx).await?.iter().filter(|dead| dead.event.id == id) {
            match decide(&dead.consumer).await {
                Ok(()) => found = true,
                // Somebody else was faster.
                Err(failure) if failure.kind == Kind::NotFound => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(found)
    }

    async fn all(&self, ctx: &Context) -> staffa::Result<Vec<DeadDelivery>> {
        let mut all: Vec<DeadDelivery> = Vec::new();
        loop {
            let after = all.last().map_or(0, |dead| dead.place);
            let page = self.0.dead().list(ctx, None, after, PAGE).await?;
            let over = page.len() < PAGE;
            all.extend(page);
            if over {
                return Ok(all);
            }
        }
    }
}

fn line(dead: &DeadDelivery) -> String {
    let DeadDelivery { consumer, event, failure, attempts, .. } = dead;
    let (id, name, kind, entity) = (event.id, &event.name, &event.kind, &event.entity);
    let why = match failure {
        Some(failure) => format!("dead after {attempts} attempts: {failure}"),
        None => "behind one that is dead".to_owned(),
    };
    format!("{id} {consumer} at the bus: {name} of {kind} {entity}, {why}")
}
