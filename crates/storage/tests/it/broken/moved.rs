//! Pausing and moving, with a fault.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::{Error, Exported, Mark, Moving, Record, Result, Section};

use super::Fault;
use super::faulty::Faulty;

#[async_trait]
impl Moving for Faulty {
    async fn freeze(&self, ctx: &Context, frozen: bool) -> Result<()> {
        match self.fault {
            Fault::FreezesInTurns => {
                ctx.check()?;
                self.place.frozen.store(frozen, Ordering::SeqCst);
                Ok(())
            }
            Fault::TogglesThePause => {
                let before = self.inner.is_frozen(ctx).await?;
                self.inner.freeze(ctx, !before).await
            }
            Fault::FreezesWhatIsImported => {
                self.place.frozen.store(frozen, Ordering::SeqCst);
                self.inner.freeze(ctx, frozen).await
            }
            _ => self.inner.freeze(ctx, frozen).await,
        }
    }

    async fn is_frozen(&self, ctx: &Context) -> Result<bool> {
        match self.fault {
            Fault::FreezesInTurns => Ok(self.place.frozen.load(Ordering::SeqCst)),
            _ => self.inner.is_frozen(ctx).await,
        }
    }

    async fn export(
        &self,
        ctx: &Context,
        section: Section,
        after: Option<&Mark>,
        limit: usize,
    ) -> Result<Exported> {
        if self.fault == Fault::RepeatsAtMarks
            && let Some(mark) = after
        {
            let before = mark.0.parse::<usize>().unwrap_or(1) - 1;
            return self.inner.export(ctx, section, Some(&Mark(before.to_string())), limit + 1).await;
        }
        let mut exported = self.inner.export(ctx, section, after, limit).await?;
        if self.fault == Fault::ForgetsTracesInExport {
            exported.records.retain(|record| !matches!(record, Record::Row { document: None, .. }));
        }
        Ok(exported)
    }

    async fn import(&self, ctx: &Context, section: Section, mut records: Vec<Record>) -> Result<()> {
        match self.fault {
            Fault::FreezesWhatIsImported if self.place.frozen.load(Ordering::SeqCst) => Err(Error::Frozen),
            Fault::ImportsOnce => {
                for record in &records {
                    if let (Section::Rows(kind), Record::Row { id, document: Some(_), .. }) =
                        (section, record)
                        && matches!(self.inner.get(ctx, kind, id).await?, staffa_storage::Seen::Row(_))
                    {
                        return Err(Error::Duplicate { kind: kind.into(), index: "id".into() });
                    }
                }
                self.inner.import(ctx, section, records).await
            }
            Fault::ImportsEverythingAsUnsent => {
                for record in &mut records {
                    if let Record::Event { sent, .. } = record {
                        *sent = false;
                    }
                }
                self.inner.import(ctx, section, records).await
            }
            Fault::ImportsOneByOne => {
                for record in records {
                    self.inner.import(ctx, section, vec![record]).await?;
                    super::faulty::turn().await;
                }
                Ok(())
            }
            _ => self.inner.import(ctx, section, records).await,
        }
    }
}
