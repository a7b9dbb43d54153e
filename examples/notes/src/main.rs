//! A first service: notes, written and read over HTTP, kept in a store.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use staffa::{Context, Endpoint, Entity, Failure, Kind, Repository, Schema, Service, Store, Versioned};
use std::{process::ExitCode, sync::Arc};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Note {
    name: String,
    text: String,
}

impl Entity for Note {
    type Id = String;
    const KIND: &'static str = "note";
    fn id(&self) -> &String {
        &self.name
    }
}

const WRITE: Endpoint<Note, Versioned<Note>, Failure> = Endpoint::put("/notes/{name}");
const READ: Endpoint<String, Versioned<Note>, Failure> = Endpoint::get("/notes/{name}");

struct Notes(Arc<dyn Store>);

impl Notes {
    async fn write(&self, ctx: &Context, note: Note) -> Result<Versioned<Note>, Failure> {
        let mut unit = self.0.unit();
        let note = match unit.get::<Note>(ctx, &note.name).await? {
            Some(old) => unit.update(old.map(|_| note)),
            None => unit.insert(note),
        };
        unit.commit(ctx).await?;
        Ok(note)
    }

    async fn read(&self, ctx: &Context, name: String) -> Result<Versioned<Note>, Failure> {
        Repository::new(&self.0).find(ctx, name).await?.ok_or(Failure::new(Kind::NotFound, "no such note"))
    }
}

async fn compose(ctx: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    let store = service.store(ctx, &service.common.store.url, vec![Schema::of::<Note>()]).await?;
    let notes = Arc::new(Notes(store));
    service.handle(WRITE, &notes, Notes::write);
    service.handle(READ, &notes, Notes::read);
    Ok(())
}

fn main() -> ExitCode {
    staffa::main("notes", compose)
}

#[tokio::test]
async fn a_written_note_is_read_again() {
    let service = staffa::test::start(compose, ()).await;
    let note = Note { name: "milk".to_owned(), text: "two pints".to_owned() };
    let written = service.call(WRITE, note).await.expect("a note is written");
    assert_eq!(service.call(READ, "milk".to_owned()).await, Ok(written));
}
