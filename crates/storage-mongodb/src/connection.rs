//! From a URL to a client of a server that can do what a store needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Document, doc};
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{
    ClientOptions, ConnectionString, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};
use staffa_context::Context;
use staffa_storage::{Error, Result};

use crate::error::told;
use crate::options::Options;

/// Connections beside those for operations: to stop operations.
const SPARE: u32 = 4;
/// The wire version of MongoDB 4.4.
const WIRE_MIN: i32 = 9;
/// What MongoDB takes for a database's name.
const NAME_BYTES_MAX: usize = 63;

/// A client, the store's database, and how many operations may be under way.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) places: u32,
    pub(crate) primary: Primary,
}

/// Whether the driver knows a server that takes writes, or was never told otherwise.
#[derive(Clone)]
pub(crate) struct Primary(Arc<AtomicBool>);

impl Primary {
    fn watched(asked: &mut ClientOptions) -> Self {
        let known = Arc::new(AtomicBool::new(true));
        let primary = Self(Arc::clone(&known));
        asked.sdam_event_handler = Some(EventHandler::callback(move |event| {
            if let SdamEvent::TopologyDescriptionChanged(changed) = event {
                known.store(changed.new_description.has_writable_server(), Ordering::Release);
            }
        }));
        primary
    }

    pub(crate) fn is_known(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Connects and looks whether the server can serve, for as long as it may take to start.
pub(crate) async fn connect(ctx: &Context, url: &str, options: &Options) -> Result<Connection> {
    let mut asked = configure(url, options).await?;
    let name = database_name(&asked, options)?;
    asked.app_name.get_or_insert_with(|| app_name(&name));
    let places = asked.max_pool_size.unwrap_or(1) - SPARE;
    let primary = Primary::watched(&mut asked);
    let client = Client::with_options(asked).map_err(told)?;
    let starting = ctx.with_timeout(options.start_wait);
    while let Err(error) = check(&client).await {
        if !matches!(error, Error::Unavailable(_)) || starting.sleep(options.start_wait / 20).await.is_err() {
            client.shutdown().immediate(true).await;
            ctx.check()?;
            return Err(error);
        }
    }
    Ok(Connection { database: client.database(&name), client, places, primary })
}

/// What the server's logs and its list of operations call the store of a database.
pub(crate) fn app_name(database: &str) -> String {
    format!("staffa {database}")
}

async fn configure(url: &str, options: &Options) -> Result<ClientOptions> {
    let wrong = |error: mongodb::error::Error| {
        Error::Unusable(format!("the URL is not one of MongoDB's: {}", error.kind))
    };
    let mut named = ConnectionString::parse(url).map_err(wrong)?;
    // Others take 0 for no limit, and a store has one. The driver refuses it.
    named.max_pool_size = named.max_pool_size.filter(|most| *most > 0);
    let mut asked = ClientOptions::parse(named).await.map_err(wrong)?;
    let places = asked.max_pool_size.unwrap_or(options.connections_max).max(1);
    asked.max_pool_size = Some(places.saturating_add(SPARE));
    asked.server_selection_timeout.get_or_insert(options.server_wait);
    asked.connect_timeout.get_or_insert(options.server_wait);
    // What the port promises does not depend on what else the URL says.
    asked.read_concern = Some(ReadConcern::majority());
    asked.write_concern = Some(WriteConcern::majority());
    asked.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    Ok(asked)
}

fn database_name(asked: &ClientOptions, options: &Options) -> Result<String> {
    let url = asked.default_database.as_ref();
    let name = match (&options.database, url, &options.service) {
        (Some(name), _, _) => name.clone(),
        (None, Some(name), Some(service)) => format!("{name}_{service}"),
        (None, Some(name), None) => name.clone(),
        (None, None, _) => {
            return Err(Error::Unusable(
                "the URL names no database: write it after the host, as in mongodb://localhost:27017/shop"
                    .into(),
            ));
        }
    };
    let taken = matches!(name.as_str(), "admin" | "local" | "config");
    if taken
        || name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || name.contains(['/', '\\', '.', ' ', '"', '$', '\0'])
    {
        return Err(Error::Unusable(format!(
            "{name:?} is no name for a store's database: 1 to {NAME_BYTES_MAX} bytes without / \\ . \" $ and space, and none of \
             MongoDB's own",
        )));
    }
    Ok(name)
}

/// Refuses a server that cannot do what a store needs, in words that say what to do.
async fn check(client: &Client) -> Result<()> {
    let hello = client.database("admin").run_command(doc! { "hello": 1 }).await.map_err(told)?;
    serves(&hello)
}

fn serves(hello: &Document) -> Result<()> {
    let sharded = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    let wire = hello.get_i32("maxWireVersion").unwrap_or(0);
    if wire < WIRE_MIN {
        return Err(Error::Unusable(format!(
            "the server is too old (its wire version is {wire}): MongoDB 4.4 or newer is needed"
        )));
    }
    if hello.get_str("setName").is_err() && !sharded {
        return Err(Error::Unusable(
            "the server is a standalone one, which has no transactions; a replica set of one has: start it with `mongod \
             --replSet rs0` on the same data, then once run `mongosh --eval 'rs.initiate()'`"
                .into(),
        ));
    }
    if !hello.get_bool("isWritablePrimary").unwrap_or(false) {
        let words = "the server is a secondary, which takes no writes: leave directConnection out of the URL, or name \
                     the primary";
        return Err(if hello.get_bool("secondary").unwrap_or(false) {
            Error::Unusable(words.into())
        } else {
            Error::Unavailable("the server has not found its place in the replica set yet".into())
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(more: Document) -> Document {
        let mut hello = doc! { "isWritablePrimary": true, "maxWireVersion": 21, "setName": "rs0" };
        hello.extend(more);
        hello
    }

    fn refused(hello: &Document, words: &str) {
        match serves(hello) {
            Err(Error::Unusable(told)) => assert!(told.contains(words), "{told}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_primary_and_a_router_serve() {
        assert_eq!(serves(&hello(doc! {})), Ok(()));
        let mut router = hello(doc! { "msg": "isdbgrid" });
        router.remove("setName");
        assert_eq!(serves(&router), Ok(()));
    }

    #[test]
    fn a_server_that_cannot_serve_is_told_what_to_do() {
        let mut standalone = hello(doc! {});
        standalone.remove("setName");
        refused(&standalone, "--replSet rs0");
        refused(&standalone, "rs.initiate()");
        refused(&hello(doc! { "maxWireVersion": 8 }), "4.4 or newer");
        refused(&hello(doc! { "isWritablePrimary": false, "secondary": true }), "directConnection");
    }

    #[test]
    fn a_member_that_is_starting_may_serve_later() {
        let starting = hello(doc! { "isWritablePrimary": false });
        assert!(matches!(serves(&starting), Err(Error::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_pool_has_the_urls_size_unless_that_is_without_limit() {
        for (most, places) in [("?maxPoolSize=0", 64), ("", 64), ("?maxPoolSize=7", 7)] {
            let asked = configure(&format!("mongodb://localhost/shop{most}"), &Options::default()).await;
            let size = asked.map(|asked| asked.max_pool_size);
            assert_eq!(size, Ok(Some(places + SPARE)), "{most}");
        }
    }

    #[test]
    fn a_database_is_named_by_the_options_or_the_url_and_the_service() {
        let named = |database: Option<&str>, url: Option<&str>, service: Option<&str>| {
            let mut asked = ClientOptions::default();
            asked.default_database = url.map(Into::into);
            let (database, service) = (database.map(Into::into), service.map(Into::into));
            database_name(&asked, &Options { database, service, ..Options::default() })
        };
        assert_eq!(named(None, Some("shop"), None), Ok("shop".into()));
        assert_eq!(named(None, Some("shop"), Some("orders")), Ok("shop_orders".into()));
        assert_eq!(named(Some("own"), Some("shop"), Some("orders")), Ok("own".into()));
        for refused in [
            named(None, None, Some("orders")),
            named(Some("admin"), None, None),
            named(Some("a.b"), None, None),
        ] {
            assert!(matches!(refused, Err(Error::Unusable(_))), "{refused:?}");
        }
    }
}
