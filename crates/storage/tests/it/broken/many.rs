//! Reads of many ids that go wrong.

use std::collections::BTreeSet;

use staffa_context::Context;
use staffa_storage::{Document, Error, IDS_MAX, Part, Result, Row, Seen};

use super::Fault;
use super::faulty::{Faulty, turn};

impl Faulty {
    /// What this store makes of a read of many ids.
    pub(super) async fn many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        // What the port promises to every adapter.
        assert!((1..=IDS_MAX).contains(&ids.len()));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        match self.fault {
            Fault::AnswersInTheOrderOfIds => {
                let mut ids = ids.to_vec();
                ids.sort_unstable();
                self.inner.get_many(ctx, kind, &ids).await
            }
            Fault::LeavesOutTheAbsent => {
                let mut seen = self.inner.get_many(ctx, kind, ids).await?;
                seen.retain(|seen| matches!(seen, Seen::Row(_)));
                Ok(seen)
            }
            Fault::AnswersAHundred => {
                let mut seen = self.inner.get_many(ctx, kind, ids).await?;
                seen.iter_mut().skip(100).for_each(|seen| *seen = Seen::Absent { last: 0 });
                Ok(seen)
            }
            Fault::RefusesLargeAnswers => {
                let seen = self.inner.get_many(ctx, kind, ids).await?;
                match seen.iter().map(len).sum::<usize>() {
                    0..16_000_000 => Ok(seen),
                    _ => Err(Error::Unavailable("the answer is larger than a packet".into())),
                }
            }
            Fault::ReadsManyOneByOne => self.one_by_one(ctx, kind, ids).await,
            Fault::ReadsManyOnce => {
                if let Some(cached) = self.many.lock().unwrap().get(ids) {
                    return Ok(cached.clone());
                }
                let seen = self.inner.get_many(ctx, kind, ids).await?;
                self.many.lock().unwrap().insert(ids.to_vec(), seen.clone());
                Ok(seen)
            }
            _ => {
                let seen = self.inner.get_many(ctx, kind, ids).await?;
                Ok(seen.into_iter().map(|seen| self.seen(seen)).collect())
            }
        }
    }

    async fn one_by_one(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        let mut seen = Vec::with_capacity(ids.len());
        for id in ids {
            turn().await;
            seen.push(self.inner.get(ctx, kind, id).await?);
        }
        Ok(seen)
    }

    /// What a read by id makes of what is there.
    pub(super) fn seen(&self, seen: Seen) -> Seen {
        match seen {
            Seen::Absent { .. } if self.fault == Fault::ForgetsTheDeleted => Seen::Absent { last: 0 },
            Seen::Row(row) if self.fault == Fault::ForgetsTheShape => Seen::Row(Row { shape: 2, ..row }),
            seen => seen,
        }
    }
}

fn len(seen: &Seen) -> usize {
    match seen {
        Seen::Row(Row { document: Document::Value(value), .. }) => value.to_string().len(),
        _ => 0,
    }
}
