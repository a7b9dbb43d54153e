//! The basket at rest: in the browser's IndexedDB, which all tabs of the shop share. Where there is none, the page goes
//! on with the basket that it shows, and says so.
use std::rc::Rc;
use std::sync::Arc;

use staffa_storage::{Error, Schema};
use staffa_storage_indexeddb::{Durability, IndexedDb, Options};

use super::{PATIENCE, Page, dom};
use crate::basket::{Contents, Edit, keep};

/// The database of this origin.
const DATABASE: &str = "shop";

/// Where the basket is kept, and what is not kept yet.
#[derive(Default)]
pub(super) struct State {
    store: Place,
    /// The basket where none is kept yet.
    fresh: Contents,
    waiting: Vec<Edit>,
    is_busy: bool,
}

/// Where it is kept: in a store of that type, since behind a `dyn Store` every operation of it would be linked.
#[derive(Default)]
enum Place {
    #[default]
    Opening,
    Open(Arc<IndexedDb>),
    /// Nowhere: it lives as long as the page.
    Away,
}

impl Page {
    /// Finds the basket of the last visit.
    pub(super) async fn open_basket(self: &Rc<Self>) {
        let ctx = self.quiet.with_timeout(PATIENCE);
        self.keep.borrow_mut().fresh.country = self.basket.borrow().contents.country.clone();
        // What is in a basket is worth no wait for the disk.
        let options = Options { durability: Durability::Relaxed, ..Options::default() };
        match IndexedDb::open(&ctx, DATABASE, options, vec![Schema::of::<Contents>()]).await {
            Ok(store) => self.keep.borrow_mut().store = Place::Open(store),
            Err(error) => self.keep_no_more(&error),
        }
        self.save().await;
    }

    /// Changes the basket here at once, and where it is kept as soon as that can be.
    pub(super) fn edit(self: &Rc<Self>, edit: Edit) {
        self.basket.borrow_mut().contents.edit(std::slice::from_ref(&edit));
        self.keep.borrow_mut().waiting.push(edit);
        self.look_up();
    }

    /// Keeps what waits, and looks what other tabs have made of the basket.
    pub(super) fn look_up(self: &Rc<Self>) {
        self.start(async |page| page.save().await);
    }

    async fn save(self: &Rc<Self>) {
        while let Some((store, fresh, edits)) = self.take_up() {
            let ctx = self.quiet.with_timeout(PATIENCE);
            let kept = keep(&ctx, &*store, &edits, &fresh).await;
            self.keep.borrow_mut().is_busy = false;
            match kept {
                Ok(contents) => self.show_kept(contents),
                Err(error) => self.keep_no_more(&error),
            }
            if self.keep.borrow().waiting.is_empty() {
                return;
            }
        }
    }

    /// What is to be kept and where, if the store is open and nobody is at it.
    fn take_up(&self) -> Option<(Arc<IndexedDb>, Contents, Vec<Edit>)> {
        let keep = &mut *self.keep.borrow_mut();
        match &keep.store {
            Place::Open(store) if !keep.is_busy => {
                keep.is_busy = true;
                Some((Arc::clone(store), keep.fresh.clone(), std::mem::take(&mut keep.waiting)))
            }
            Place::Away => {
                keep.waiting.clear();
                None
            }
            _ => None,
        }
    }

    /// Shows the basket as it is kept, if that is not what is shown already.
    fn show_kept(self: &Rc<Self>, mut contents: Contents) {
        contents.edit(&self.keep.borrow().waiting);
        {
            let shown = &mut self.basket.borrow_mut().contents;
            if *shown == contents {
                return;
            }
            *shown = contents;
        }
        self.show_terms();
        self.show_basket();
        self.changed("find the basket");
    }

    fn keep_no_more(&self, why: &Error) {
        let words = match why {
            Error::Unavailable(words) | Error::Unusable(words) => words.clone(),
            other => other.to_string(),
        };
        let told = ["The basket is kept until this page is closed: ", &words, "."].concat();
        dom::set_text("basket-kept", &told);
        dom::show("basket-kept", true);
        self.keep.borrow_mut().store = Place::Away;
    }
}
