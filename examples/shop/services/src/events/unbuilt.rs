//! A binary that knows no bus has nobody's deliveries.
use staffa::{Context, Uuid};

/// There is none.
pub(super) enum Deliveries {}

impl Deliveries {
    pub(super) async fn open(_ctx: &Context, _url: &str) -> staffa::Result<Self> {
        Err(staffa::Error::new(
            "bus: this binary is built without a bus at `nats:`: build it with the feature `nats`, as in `cargo build --features nats`",
        ))
    }

    pub(super) async fn list(&self, _ctx: &Context) -> staffa::Result<(usize, usize)> {
        match *self {}
    }

    pub(super) async fn redrive(&self, _ctx: &Context, _id: Uuid) -> staffa::Result<bool> {
        match *self {}
    }

    pub(super) async fn skip(&self, _ctx: &Context, _id: Uuid) -> staffa::Result<bool> {
        match *self {}
    }

    pub(super) async fn close(self, _ctx: &Context) -> staffa::Result<()> {
        match self {}
    }
}
