//! The connection to the database: opened, upgraded, and given up when another tab needs that.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_channel::{mpsc, oneshot};
use futures_core::Stream;
use js_sys::{Array, Object, Reflect};
use staffa_context::{Cause, Context};
use staffa_storage::{Error, Result};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    DomStringList, Event, IdbDatabase, IdbFactory, IdbOpenDbRequest, IdbTransaction, IdbTransactionMode,
};

use crate::error::{self, told};
use crate::options::Options;
use crate::row::{object, set};
use crate::schema;
use crate::table::Tables;
use crate::transaction::{Transaction, failed, result};

/// How long the browser may say nothing while it opens or upgrades; an opening that was given up may be before ours.
const SILENT_WAIT: Duration = Duration::from_secs(10);

/// How often an opening begins anew, while other tabs upgrade the database too.
const TURNS_MAX: usize = 5;

const CLOSED: &str = "the store is closed";
const UPGRADED: &str =
    "another tab has opened a newer page, or removed what this site keeps: reload this page";
const LOST: &str = "the browser has closed the database: reload the page";
const SILENT: &str = "the browser does not open the database: close or reload other tabs of this site";
const BLOCKED: &str = "another tab holds an older version of the data: close or reload it";

#[wasm_bindgen]
extern "C" {
    /// A database whose transactions say what they wait for, which `web-sys` does not know yet.
    #[wasm_bindgen(extends = Object)]
    type Durable;

    #[wasm_bindgen(method, catch)]
    fn transaction(
        this: &Durable,
        stores: &Array,
        mode: IdbTransactionMode,
        options: &JsValue,
    ) -> Result<IdbTransaction, JsValue>;
}

/// An open database. It closes when it is dropped, and when another tab is to upgrade it.
pub(crate) struct Database {
    database: IdbDatabase,
    options: JsValue,
    /// Why it is closed, once it is.
    closed: Rc<RefCell<Option<&'static str>>>,
    _handlers: [Closure<dyn FnMut()>; 2],
}

impl Database {
    fn of(database: IdbDatabase, options: &Options) -> Self {
        let closed = Rc::new(RefCell::new(None));
        let on = |words: &'static str| {
            let (closed, database) = (Rc::clone(&closed), database.clone());
            Closure::<dyn FnMut()>::new(move || {
                closed.borrow_mut().get_or_insert(words);
                database.close();
            })
        };
        let handlers = [on(UPGRADED), on(LOST)];
        database.set_onversionchange(Some(handlers[0].as_ref().unchecked_ref()));
        database.set_onclose(Some(handlers[1].as_ref().unchecked_ref()));
        let durable = object();
        set(&durable, "durability", options.durability.word());
        Self { database, options: durable, closed, _handlers: handlers }
    }

    /// A transaction over these object stores.
    pub(crate) fn transaction(&self, stores: &[&str], mode: IdbTransactionMode) -> Result<Transaction> {
        self.check()?;
        let stores: Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
        let database: &Durable = self.database.unchecked_ref();
        database.transaction(&stores, mode, &self.options).map(Transaction::of).map_err(|error| told(&error))
    }

    /// Whether it is open.
    pub(crate) fn check(&self) -> Result<()> {
        self.closed.borrow().map_or(Ok(()), |words| Err(Error::Unavailable(words.into())))
    }

    pub(crate) fn names(&self) -> DomStringList {
        self.database.object_store_names()
    }

    /// Refuses somebody else's; gives the version that an upgrade of ours would make.
    fn check_owner(&self) -> Result<f64> {
        schema::check_owner(&self.database)?;
        Ok(self.database.version() + 1.0)
    }

    /// Closes it once its transactions have ended.
    pub(crate) fn close(&self) {
        self.closed.borrow_mut().get_or_insert(CLOSED);
        self.database.close();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
        self.database.close();
    }
}

/// Opens the database of this name and brings it to what the tables say. When `asker` is gone it leaves no trace.
pub(crate) async fn open<T>(
    ctx: &Context,
    name: &str,
    options: &Options,
    tables: &Tables,
    asker: &mut oneshot::Sender<T>,
) -> Result<Database> {
    let factory = factory()?;
    let mut version = None;
    for _ in 0..TURNS_MAX {
        let request = match version {
            None => factory.open(name),
            Some(version) => factory.open_with_f64(name, version),
        };
        let opening = Opening::of(request.map_err(|error| told(&error))?, options);
        let Some(database) = opening.run(ctx, tables, asker).await? else {
            version = None;
            continue;
        };
        let database = Database::of(database, options);
        let next = database.check_owner()?;
        schema::check_format(&database).await?;
        if schema::is_lacking(&database, tables)? {
            version = Some(next);
            continue;
        }
        #[cfg(feature = "indexes")]
        schema::fill(&database, tables).await?;
        return Ok(database);
    }
    Err(Error::Unavailable("other tabs upgrade the data at the same time: reload the page".into()))
}

/// Removes the database of this name, once every tab has closed it.
pub(crate) async fn remove<T>(
    ctx: &Context,
    name: &str,
    options: &Options,
    asker: &mut oneshot::Sender<T>,
) -> Result<()> {
    let request = factory()?.delete_database(name).map_err(|error| told(&error))?;
    let mut opening = Opening::of(request, options);
    match opening.next(ctx, asker).await.as_deref() {
        Ok("success") => Ok(()),
        Ok(_) => Err(failed(&opening.request)),
        Err(error) => {
            let error = error.clone();
            opening.abandon();
            Err(error)
        }
    }
}

fn factory() -> Result<IdbFactory> {
    let factory = Reflect::get(&js_sys::global(), &JsValue::from_str("indexedDB"));
    factory.ok().and_then(|factory| factory.dyn_into().ok()).ok_or_else(error::none)
}

/// A request to open a database, with what happens to it. It cannot be taken back: whoever does not want it any more
/// sees to its end.
struct Opening {
    request: IdbOpenDbRequest,
    events: mpsc::UnboundedReceiver<String>,
    blocked_wait: Duration,
    is_blocked: bool,
    /// The version change, once it has begun.
    upgrading: Option<IdbTransaction>,
    _handler: Closure<dyn FnMut(Event)>,
}

impl Opening {
    fn of(request: IdbOpenDbRequest, options: &Options) -> Self {
        let (happened, events) = mpsc::unbounded();
        let handler = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            // The listener lives as long as the handler.
            let _ = happened.unbounded_send(event.type_());
        });
        let listener = Some(handler.as_ref().unchecked_ref());
        request.set_onblocked(listener);
        request.set_onupgradeneeded(listener);
        request.set_onsuccess(listener);
        request.set_onerror(listener);
        let blocked_wait = options.blocked_wait;
        Self { request, events, blocked_wait, is_blocked: false, upgrading: None, _handler: handler }
    }

    /// Waits until it is open and upgraded; `None` when another tab has upgraded it meanwhile.
    async fn run<T>(
        mut self,
        ctx: &Context,
        tables: &Tables,
        asker: &mut oneshot::Sender<T>,
    ) -> Result<Option<IdbDatabase>> {
        let mut upgraded = Ok(());
        loop {
            let event = match self.next(ctx, asker).await {
                Ok(event) => event,
                Err(error) => {
                    self.abandon();
                    return Err(error);
                }
            };
            match event.as_str() {
                "upgradeneeded" => upgraded = self.upgrade(tables, asker).await,
                "success" => return Ok(Some(result(&self.request)?.unchecked_into())),
                _ => return self.error(upgraded).map(|()| None),
            }
        }
    }

    /// What happens next but that other tabs are in the way, which is waited for; within bounds, and while somebody wants it.
    async fn next<T>(&mut self, ctx: &Context, asker: &mut oneshot::Sender<T>) -> Result<String> {
        loop {
            let (wait, words) =
                if self.is_blocked { (self.blocked_wait, BLOCKED) } else { (SILENT_WAIT, SILENT) };
            let event = self.event(ctx, asker, wait, words).await?;
            if event != "blocked" {
                self.is_blocked = false;
                return Ok(event);
            }
            self.is_blocked = true;
        }
    }

    async fn event<T>(
        &mut self,
        ctx: &Context,
        asker: &mut oneshot::Sender<T>,
        wait: Duration,
        words: &'static str,
    ) -> Result<String> {
        let mut late = pin!(ctx.sleep(wait));
        poll_fn(|cx| {
            if let Poll::Ready(event) = Pin::new(&mut self.events).poll_next(cx) {
                return Poll::Ready(event.ok_or_else(left));
            }
            if asker.poll_canceled(cx).is_ready() {
                return Poll::Ready(Err(left()));
            }
            let slept = late.as_mut().poll(cx);
            slept.map(|slept| Err(slept.map_or_else(Error::Ended, |()| Error::Unavailable(words.into()))))
        })
        .await
    }

    async fn upgrade<T>(&mut self, tables: &Tables, asker: &mut oneshot::Sender<T>) -> Result<()> {
        let database: IdbDatabase = result(&self.request)?.unchecked_into();
        self.upgrading = self.request.transaction();
        let Some(tx) = self.upgrading.clone().map(Transaction::of) else { return Ok(()) };
        let upgraded = {
            let mut work = pin!(schema::upgrade(&database, &tx, tables));
            poll_fn(|cx| match asker.poll_canceled(cx) {
                Poll::Ready(()) => Poll::Ready(Err(left())),
                Poll::Pending => work.as_mut().poll(cx),
            })
            .await
        };
        // Dropped, the transaction takes the upgrade back.
        upgraded.map_err(|error| tx.why(error))?;
        tx.leave();
        Ok(())
    }

    fn error(&self, upgraded: Result<()>) -> Result<()> {
        upgraded?;
        // The request itself knows only that it was aborted.
        if let Some(error) = self.upgrading.as_ref().and_then(IdbTransaction::error) {
            return Err(told(&error));
        }
        match self.request.error() {
            Ok(Some(error)) if error.name() == "VersionError" => Ok(()),
            // So a browser says that it keeps nothing in this window.
            Ok(Some(error)) if error.name() == "InvalidStateError" => Err(error::none()),
            _ => Err(failed(&self.request)),
        }
    }

    /// Lets it end by itself, and undoes what it does.
    fn abandon(self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a group's tasks are `Send`; this one holds the browser's handles"
        )]
        spawn_local(self.undo());
    }

    async fn undo(mut self) {
        while let Some(event) = poll_fn(|cx| Pin::new(&mut self.events).poll_next(cx)).await {
            match event.as_str() {
                "blocked" => {}
                "upgradeneeded" => drop(self.request.transaction().map(Transaction::of)),
                "success" => {
                    let opened = self.request.result().ok();
                    if let Some(database) = opened.and_then(|opened| opened.dyn_into::<IdbDatabase>().ok()) {
                        database.close();
                    }
                    return;
                }
                _ => return,
            }
        }
    }
}

fn left() -> Error {
    Error::Ended(Cause::cancelled("its caller left"))
}
