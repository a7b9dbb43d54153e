//! What went wrong, in plain words, and the way to try it again.
use staffa_context::{Fail, Kind};

use super::{Page, dom};

/// What is done again when the visitor wishes so.
pub(super) type Again = Box<dyn FnOnce()>;

/// The error that is shown.
#[derive(Default)]
pub(super) struct Banner {
    again: Option<Again>,
}

impl Page {
    /// Shows why something failed. A visitor's own cancellation is no error.
    pub(super) fn show_error(&self, doing: &str, error: &impl Fail, again: Again) {
        self.show_failure(doing, error.kind(), &error.words(), again);
    }

    fn show_failure(&self, doing: &str, kind: Kind, words: &str, again: Again) {
        let words = match kind {
            Kind::Cancelled => return,
            Kind::Unavailable => "the shop’s server is away or too busy. Is it running?",
            Kind::DeadlineExceeded => "there was no answer in time.",
            _ => words,
        };
        self.show_words(&[doing, ": ", words].concat(), kind.label());
        let may_help = matches!(
            kind,
            Kind::Unavailable
                | Kind::Exhausted
                | Kind::DeadlineExceeded
                | Kind::UnknownOutcome
                | Kind::Internal
        );
        self.banner.borrow_mut().again = may_help.then_some(again);
        dom::show("retry", may_help);
    }

    /// Shows what is wrong with what was typed.
    pub(super) fn show_mistake(&self, words: &str) {
        self.show_words(words, "invalid");
        self.banner.borrow_mut().again = None;
        dom::show("retry", false);
    }

    fn show_words(&self, words: &str, kind: &str) {
        dom::set("banner", "data-kind", kind);
        dom::set_text("banner-words", words);
        dom::show("banner", true);
    }

    pub(super) fn dismiss(&self) {
        self.banner.borrow_mut().again = None;
        dom::show("banner", false);
    }

    pub(super) fn retry(&self) {
        let again = self.banner.borrow_mut().again.take();
        self.dismiss();
        if let Some(again) = again {
            again();
        }
    }

    /// Tells what happened to whoever does not see it.
    pub(super) fn tell(&self, words: &str) {
        dom::set_text("status", words);
    }
}
