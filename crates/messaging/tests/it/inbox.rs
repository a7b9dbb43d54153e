use std::sync::Arc;

use staffa_context::{Context, Failure, Kind, Timestamp};
use staffa_messaging::{Consumer, Inbox};
use staffa_storage::memory::Memory;
use staffa_storage::{Event, Store};

/// Fails with words of its own after its store has gone away.
struct Gone(Arc<dyn Store>);

#[async_trait::async_trait]
impl Consumer for Gone {
    async fn consume(&self, ctx: &Context, _event: &Event) -> Result<(), Failure> {
        self.0.close(ctx).await?;
        Err(Failure::new(Kind::Internal, "the effect failed"))
    }
}

#[tokio::test]
async fn an_inbox_that_cannot_look_again_tells_why_the_effect_failed() {
    let ctx = Context::background();
    let store: Arc<dyn Store> = Memory::open(Vec::new()).unwrap();
    let (name, kind, entity) = ("placed".into(), "order".into(), "a".into());
    let (id, at) = (ctx.uuid(), Timestamp::default());
    let event = Event { id, name, kind, entity, version: 1, n: 0, at, trace: None, payload: ().into() };
    let inbox = Inbox::new("gone", Arc::clone(&store), Arc::new(Gone(store)));
    assert_eq!(inbox.consume(&ctx, &event).await.unwrap_err().words, "the effect failed");
}
