//! Random sequences of operations, against the memory adapter as the model.

use std::sync::Arc;

use serde_json::json;
use staffa_context::{Context, IdempotencyKey, Timestamp};
use uuid::Uuid;

use super::things::{Account, CODE, Counted, Dice, Item, NAME, NAME_AT, NAME_RANK, account, schemas};
use super::{Broken, Case, Outcome, Test, case};
use crate::memory::Memory;
use crate::{Cursor, Key, Page, Partitions, Range, Repository, Result, Store, Unit, Unsent, Versioned};

pub(super) const CASES: &[Case] = &[case!(
    model::random_sequences_match_memory,
    "any sequence of units, reads, pages, notes and sweeps gives what it gives in memory, errors too"
)];

/// One step of a sequence: what it does follows from its numbers and from what came before, so that a sequence
/// stays one when steps are taken out of it.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: usize,
    seed: u64,
}

/// Steps of a sequence.
const STEPS: usize = 40;

/// Where runs begin: a failure tells its seed, and this is the first.
const SEED: u64 = 1;

async fn random_sequences_match_memory(test: &Test<'_>) -> Outcome {
    let sequences = test.open.rounds().div_ceil(2);
    let store = test.store(schemas()).await?;
    for seed in SEED..SEED + sequences as u64 {
        let steps = sequence(seed);
        if let Err(Broken(words)) = play(test.ctx, &store, seed, 0, &steps).await {
            let (steps, words) = shrink(test.ctx, &store, seed, steps, words).await;
            let told: Vec<String> = steps.iter().map(|step| describe(*step)).collect();
            return Err(Broken(format!("seed {seed}, after [{}]: {words}", told.join(", "))));
        }
    }
    Ok(())
}

fn sequence(seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    (0..STEPS).map(|_| Step { kind: dice.below(KINDS.len()), seed: dice.roll() }).collect()
}

fn describe(step: Step) -> String {
    format!("{} {:x}", KINDS[step.kind], step.seed)
}

/// Drops step after step as long as what is left still fails.
async fn shrink(
    ctx: &Context,
    store: &Arc<dyn Store>,
    seed: u64,
    mut steps: Vec<Step>,
    mut words: String,
) -> (Vec<Step>, String) {
    let mut at = 0;
    let mut attempt = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        attempt += 1;
        match play(ctx, store, seed, attempt, &fewer).await {
            Err(Broken(other)) if ctx.check().is_ok() => (steps, words) = (fewer, other),
            _ => at += 1,
        }
    }
    (steps, words)
}

/// A store beside its model, with what a client remembers of both.
struct Play {
    ctx: Context,
    store: Arc<dyn Store>,
    model: Arc<dyn Store>,
    /// What sets the entities of this sequence apart from those of others in the same store.
    prefix: i64,
    cursor: Option<Cursor>,
    stale: Vec<Versioned<Item>>,
    keys: u64,
}

/// Plays the steps on both; all sequences and attempts share a store, in a range of ids of their own.
async fn play(ctx: &Context, store: &Arc<dyn Store>, seed: u64, attempt: i64, steps: &[Step]) -> Outcome {
    let model: Arc<dyn Store> = Memory::open(schemas())?;
    let prefix = (i64::try_from(seed).unwrap_or(0) * 1_000 + attempt) * 100;
    let (ctx, store) = (ctx.clone(), Arc::clone(store));
    let mut play = Play { ctx, store, model, prefix, cursor: None, stale: Vec::new(), keys: 0 };
    for step in steps {
        play.step(*step).await?;
    }
    play.settle().await
}

const KINDS: [&str; 11] = [
    "write",
    "write many",
    "write again",
    "stale write",
    "read",
    "page",
    "next page",
    "event",
    "answer",
    "guard",
    "many",
];

impl Play {
    async fn step(&mut self, step: Step) -> Outcome {
        let mut dice = Dice::new(step.seed);
        match step.kind {
            0 => self.write(&mut dice, 1).await,
            1 => {
                let len = dice.below(6) + 2;
                self.write(&mut dice, len).await
            }
            2 => self.update(&mut dice).await,
            3 => self.stale(&mut dice).await,
            4 => self.read(&mut dice).await,
            5 => self.page(&mut dice, false).await,
            6 => self.page(&mut dice, true).await,
            7 => self.event(&mut dice).await,
            8 => self.answer(&mut dice).await,
            9 => self.guard(&mut dice).await,
            _ => self.many(&mut dice).await,
        }
    }

    fn id(&self, dice: &mut Dice) -> i64 {
        self.prefix + i64::try_from(dice.below(12)).unwrap_or(0)
    }

    /// An item with few values a part, so that keys meet; its texts begin with the sequence's own.
    fn item(&self, dice: &mut Dice) -> Item {
        let texts = ["", "a", "A", "ab", "\u{e9}", "e\u{301}", "\u{ffff}", "😀", "a b", "%"];
        let own = |text: &str| format!("{}/{text}", self.prefix);
        let small = |dice: &mut Dice| i64::try_from(dice.below(4)).unwrap_or(0) - 1;
        Item {
            id: self.id(dice),
            name: own(dice.pick::<&str>(&texts)),
            rank: (dice.below(3) > 0).then(|| small(dice)),
            at: (dice.below(3) > 0).then(|| Timestamp::from_micros(small(dice))),
            open: dice.below(2) == 0,
            tag: (dice.below(3) == 0).then(|| Uuid::from_u128(u128::from(dice.roll() % 3))),
            code: (dice.below(3) == 0).then(|| own(dice.pick::<&str>(&texts))),
            note: format!("{:x}", dice.roll()),
        }
    }

    /// The same work in a unit of each, and the same outcome.
    async fn both(&self, words: &str, work: impl Fn(&mut Unit<'_>)) -> Outcome<Result<()>> {
        let mut outcomes = Vec::with_capacity(2);
        for store in [&self.store, &self.model] {
            let mut unit = store.unit();
            work(&mut unit);
            outcomes.push(unit.commit(&self.ctx).await);
        }
        self.alike(words, outcomes)
    }

    fn alike<T: PartialEq + std::fmt::Debug>(&self, words: &str, mut both: Vec<T>) -> Outcome<T> {
        let (want, got) = (both.pop(), both.pop());
        match (got, want) {
            (Some(got), Some(want)) if got == want => Ok(got),
            (got, want) => Err(Broken(format!("{words}: got {got:?}, in memory {want:?}"))),
        }
    }

    async fn write(&mut self, dice: &mut Dice, len: usize) -> Outcome {
        let mut items: Vec<Item> = (0..len).map(|_| self.item(dice)).collect();
        items.sort_by_key(|item| item.id);
        items.dedup_by_key(|item| item.id);
        let told = format!("{items:?}");
        self.both(&told, |unit| items.iter().cloned().for_each(|item| drop(unit.insert(item)))).await?.ok();
        Ok(())
    }

    /// What is at some ids now, as both see it.
    async fn seen(&self, id: i64) -> Outcome<Option<Versioned<Item>>> {
        let mut seen = Vec::with_capacity(2);
        for store in [&self.store, &self.model] {
            seen.push(Repository::<Item>::new(store).find(&self.ctx, id).await);
        }
        Ok(self.alike("by id", seen)??)
    }

    async fn update(&mut self, dice: &mut Dice) -> Outcome {
        let (first, second) = (self.id(dice), self.id(dice));
        let new = self.item(dice);
        let (delete, swap) = (dice.below(3) == 0, dice.below(2) == 0 && first != second);
        let (one, other) = (self.seen(first).await?, self.seen(second).await?);
        self.stale.extend(one.clone());
        let work = |unit: &mut Unit<'_>| {
            if let Some(one) = one.clone() {
                match (&other, delete) {
                    (_, true) => drop(unit.delete(one)),
                    (Some(other), _) if swap => {
                        let (code, taken) = (other.code.clone(), one.code.clone());
                        unit.update(one.map(|item| Item { code, ..item }));
                        unit.update(other.clone().map(|item| Item { code: taken, ..item }));
                    }
                    _ => drop(unit.update(one.map(|item| Item { id: item.id, ..new.clone() }))),
                }
            }
        };
        self.both("an update", work).await?.ok();
        Ok(())
    }

    async fn stale(&mut self, dice: &mut Dice) -> Outcome {
        if self.stale.is_empty() {
            return Ok(());
        }
        let old = dice.pick(&self.stale).clone();
        let account = account(&format!("{} stale", self.prefix), 1);
        self.both("a stale write", |unit| {
            unit.insert(account.clone());
            unit.update(old.clone());
        })
        .await?
        .ok();
        Ok(())
    }

    /// A unit that gets some ids, absent ones too, and inserts what is absent.
    async fn guard(&mut self, dice: &mut Dice) -> Outcome {
        let (ids, new) = ([self.id(dice), self.id(dice)], self.item(dice));
        let mut outcomes = Vec::with_capacity(2);
        for store in [&self.store, &self.model] {
            let mut unit = store.unit();
            let mut seen = Vec::new();
            for id in ids {
                seen.push(unit.get::<Item>(&self.ctx, id).await?);
            }
            let made = match &seen[0] {
                None => Some(unit.insert(Item { id: ids[0], ..new.clone() })),
                Some(_) => None,
            };
            outcomes.push((seen, made, unit.commit(&self.ctx).await));
        }
        self.alike("a guarded unit", outcomes).map(drop)
    }

    /// A unit that gets several ids at once, absent and repeated ones too, and writes some of what it got.
    async fn many(&mut self, dice: &mut Dice) -> Outcome {
        let len = dice.below(9);
        let (ids, new): (Vec<i64>, _) = ((0..len).map(|_| self.id(dice)).collect(), self.item(dice));
        let writes = dice.below(len + 1);
        let mut outcomes = Vec::with_capacity(2);
        for store in [&self.store, &self.model] {
            let mut unit = store.unit();
            let seen = unit.get_many::<Item>(&self.ctx, &ids).await?;
            let found = Repository::<Item>::new(store).find_many(&self.ctx, &ids).await?;
            for (id, seen) in ids.iter().zip(&seen).take(writes) {
                let new =
                    Item { id: *id, name: format!("{}/many {id}", self.prefix), code: None, ..new.clone() };
                match seen.clone() {
                    None => drop(unit.insert(new)),
                    Some(seen) => drop(unit.update(seen.map(|_| new))),
                }
            }
            outcomes.push((seen, found, unit.commit(&self.ctx).await));
        }
        self.alike("a unit that got many", outcomes).map(drop)
    }

    async fn read(&self, dice: &mut Dice) -> Outcome {
        self.seen(self.id(dice)).await.map(drop)
    }

    async fn page(&mut self, dice: &mut Dice, goes_on: bool) -> Outcome {
        let own = |text: &str| format!("{}/{text}", self.prefix);
        let limit = dice.below(5) + 1;
        let page = || Page::after(if goes_on { self.cursor.clone() } else { None }).limit(limit);
        // The same read may go on only with its own cursor; another one is refused, on both alike.
        let (lead, prefix) =
            (own(dice.pick::<&str>(&["", "a", "\u{e9}"])), own(dice.pick::<&str>(&["", "a", "e"])));
        let of = || Range::of((lead.clone(),));
        let end = || Some(own("\u{10ffff}"));
        self.cursor = match dice.below(if goes_on { 2 } else { 6 }) {
            0 => self.range(&NAME, || Range::of(()).prefix(own("")), page()).await?,
            1 => self.range(&NAME_AT, || of().descending().into(), page()).await?,
            2 => self.range(&NAME, || Range::of(()).prefix(prefix.clone()).descending(), page()).await?,
            3 => self.range(&NAME_RANK, || Range::of((lead.clone(),)).from(Some(0)).into(), page()).await?,
            4 => self.range(&CODE, || Range::of(()).from(Some(own(""))).to(end()).into(), page()).await?,
            _ => self.range(&NAME_AT, || of().to(Some(Timestamp::from_micros(1))).into(), page()).await?,
        };
        Ok(())
    }

    async fn range<K: Key>(
        &self,
        index: &crate::Index<Item, K>,
        range: impl Fn() -> Range<K>,
        page: Page,
    ) -> Outcome<Option<Cursor>> {
        let told = format!("{:?} {page:?}", range());
        let mut pages = Vec::with_capacity(2);
        for store in [&self.store, &self.model] {
            pages.push(Repository::<Item>::new(store).range(&self.ctx, index, range(), page.clone()).await);
        }
        Ok(self.alike(&told, pages)?.ok().and_then(|page| page.next))
    }

    /// An account that tells of itself, and what is unsent of this sequence.
    async fn event(&mut self, dice: &mut Dice) -> Outcome {
        let id = format!("{}/{}", self.prefix, dice.below(4));
        let events = dice.below(3);
        let mut outcomes = Vec::with_capacity(2);
        for store in [&self.store, &self.model] {
            let mut unit = store.unit();
            let made = match unit.get::<Account>(&self.ctx, id.clone()).await? {
                Some(seen) => unit.update(seen.map(|seen| Account { count: seen.count + 1, ..seen })),
                None => unit.insert(account(&id, 0)),
            };
            (0..events).for_each(|n| unit.emit(&made, Counted(json!([id, n]))));
            outcomes.push((made, unit.commit(&self.ctx).await));
        }
        self.alike("an account", outcomes).map(drop)?;
        let mark = dice.below(2) == 0;
        self.events(mark).await
    }

    /// Compares what is unsent of this sequence, entity by entity, and notes the first of each as sent.
    async fn events(&self, mark: bool) -> Outcome {
        let own = format!("{}/", self.prefix);
        let mut outcomes = Vec::with_capacity(2);
        for store in [&self.store, &self.model] {
            let mut told = Vec::new();
            let some = [0, 5, 9].into_iter().fold(Partitions::NONE, Partitions::with);
            for partitions in [Partitions::ALL, some] {
                let unsent = Unsent { partitions, ..Unsent::all(1_000) };
                let mut events = store.unsent(&self.ctx, unsent).await?;
                events.retain(|event| event.entity.starts_with(&own));
                events.sort_by_key(|event| event.entity.clone());
                let sent: Vec<Uuid> = events.iter().take(2).map(|event| event.id).collect();
                if mark {
                    store.mark_sent(&self.ctx, &sent).await?;
                }
                told.push(
                    events
                        .into_iter()
                        .map(|event| (event.entity, event.version, event.n, event.payload))
                        .collect::<Vec<_>>(),
                );
            }
            outcomes.push(told);
        }
        self.alike("the outbox", outcomes).map(drop)
    }

    async fn answer(&mut self, dice: &mut Dice) -> Outcome {
        self.keys += 1;
        let number = dice.below(3);
        let key = IdempotencyKey {
            scope: "model".into(),
            key: format!("{}/{number}", self.prefix),
            digest: [1; 32],
        };
        let (ctx, item) = (self.ctx.with_value(key.clone()), self.item(dice));
        let mut outcomes = Vec::with_capacity(2);
        for store in [&self.store, &self.model] {
            let mut unit = store.unit();
            unit.insert(item.clone());
            unit.answer(&ctx, &json!(item.note));
            let outcome = unit.commit(&ctx).await;
            let kept = store.kept(&self.ctx, "model", &key.key).await?;
            outcomes.push((outcome, kept.map(|kept| (kept.digest, kept.answer))));
        }
        self.alike("an answer", outcomes).map(drop)
    }

    /// Compares everything once more, by every index, and clears the outbox for the next sequence.
    async fn settle(&self) -> Outcome {
        for id in self.prefix..self.prefix + 12 {
            self.seen(id).await?;
        }
        let own = |text: &str| format!("{}/{text}", self.prefix);
        for name in ["", "a", "A", "ab", "\u{e9}", "e\u{301}", "\u{ffff}", "😀", "a b", "%"] {
            self.range(&NAME, || Range::of((own(name),)).into(), Page::first()).await?;
            self.range(&NAME_AT, || Range::of((own(name),)).into(), Page::first()).await?;
            self.range(&NAME_RANK, || Range::of((own(name),)).descending().into(), Page::first()).await?;
            self.range(&CODE, || (Some(own(name)),).into(), Page::first()).await?;
        }
        self.events(false).await?;
        let events = self.store.unsent(&self.ctx, Unsent::all(1_000)).await?;
        self.store.mark_sent(&self.ctx, &events.iter().map(|event| event.id).collect::<Vec<_>>()).await?;
        Ok(())
    }
}
