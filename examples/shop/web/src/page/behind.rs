//! The panel "behind this click": it asks for the server's part of the last trace until that has come.
use std::rc::Rc;
use std::time::Duration;

use shop_contract::{BEHIND, BehindOf, Passage};
use staffa_context::Context;

use super::{InHand, Page, dom};
use crate::behind::waterfall;
use crate::recorder::trace_hex;

/// The pauses before each time that the server is asked, in milliseconds: operations are told once they have ended, and
/// events take their way after the answer.
const PAUSES: [u64; 8] = [20, 60, 150, 300, 500, 800, 1_200, 2_000];

/// How often in a row nothing new may come before it is taken for the whole.
const UNCHANGED_MAX: u32 = 2;

/// The look in hand.
#[derive(Default)]
pub(super) struct Look(InHand);

impl Page {
    /// Draws this trace, and what the server tells of it.
    pub(super) fn look_behind(self: &Rc<Self>, trace: u128) {
        let ctx = self.behind.borrow_mut().0.next(&self.quiet, Duration::from_secs(10));
        self.draw(trace, &[]);
        let asked_the_server =
            self.recorder.trace(trace).iter().any(|passage| passage.name.starts_with("fetch "));
        if asked_the_server {
            self.start(async move |page| page.follow_trace(&ctx, trace).await);
        } else {
            dom::set_text("behind-words", "This click needed no request.");
        }
    }

    async fn follow_trace(&self, ctx: &Context, trace: u128) {
        let mut known: Vec<Passage> = Vec::new();
        let mut unchanged = 0;
        for pause in PAUSES {
            if ctx.sleep(Duration::from_millis(pause)).await.is_err() {
                return;
            }
            let told = self.client.call(ctx, BEHIND, BehindOf { trace: trace_hex(trace) }).await;
            match told {
                Ok(told) if told.passages == known => unchanged += 1,
                Ok(told) => {
                    (known, unchanged) = (told.passages, 0);
                    self.draw(trace, &known);
                }
                Err(_) if ctx.cause().is_some() => return,
                Err(_) => {
                    return dom::set_text("behind-words", "The server’s part cannot be fetched: it is away.");
                }
            }
            if unchanged == UNCHANGED_MAX && !known.is_empty() {
                return;
            }
        }
        if known.is_empty() {
            dom::set_text("behind-words", "The server tells nothing of this trace.");
        }
    }

    fn draw(&self, trace: u128, server: &[Passage]) {
        let drawn = waterfall(&self.recorder.trace(trace), server);
        dom::set_text("behind-summary", &drawn.summary());
        dom::fill("behind-rows", &drawn.html());
        let words = if server.is_empty() {
            "Waiting for the server’s part…".to_owned()
        } else {
            ["Trace ", &trace_hex(trace)].concat()
        };
        dom::set_text("behind-words", &words);
        dom::set("behind", "data-server", if server.is_empty() { "no" } else { "yes" });
    }
}
