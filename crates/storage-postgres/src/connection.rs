//! The first connection to a server, and what must be true of it.

use staffa_context::Context;
use staffa_storage::{Error, Result};

use crate::error::told;
use crate::options::Options;
use crate::pool::Pool;
use crate::pooler;
use crate::row::get;
use crate::session::{Session, Sql};
use crate::url::Target;

/// The oldest server that is used.
const VERSION_MIN: i32 = 140_000;

/// A pool on the server of this URL, which was reached and can be used, and its first session.
pub(crate) async fn reach(ctx: &Context, url: &str, options: &Options) -> Result<Pool> {
    options.check()?;
    let mut target = Target::parse(url)?;
    if target.is_unnamed() {
        target.config.application_name(format!("staffa {}", options.schema));
    }
    let pool = Pool::new(ctx, &target, options)?;
    let session = pool.first_session(ctx, options.connect_wait).await?;
    check(&session).await?;
    let pooled = target.pooled || pooler::is_between(&session).await?;
    drop(session);
    Ok(if pooled { pool } else { pool.direct(options.statement_cache) })
}

/// Refuses a server that is too old, has another encoding, or takes no writes.
async fn check(session: &Session) -> Result<()> {
    let sql = Sql::new(
        "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
         current_setting('server_encoding'), pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean",
        [],
    );
    let rows = session.query(&sql, &[]).await.map_err(|error| told(&error))?;
    let Some(row) = rows.first() else { return Err(Error::Unusable("the server gives no version".into())) };
    let (number, version, encoding): (i32, String, String) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
    check_server(number, &version, &encoding)?;
    if get(row, 3)? {
        return Err(Error::Unusable(
            "the server takes no writes: it is a standby or read-only; name the primary, or several hosts with \
             target_session_attrs=read-write"
                .into(),
        ));
    }
    Ok(())
}

fn check_server(number: i32, version: &str, encoding: &str) -> Result<()> {
    if number < VERSION_MIN {
        return Err(Error::Unusable(format!(
            "the server is PostgreSQL {version}, which is too old: 14 or newer is needed"
        )));
    }
    if encoding != "UTF8" {
        return Err(Error::Unusable(format!(
            "the database has the encoding {encoding}, which does not hold all text: create one with ENCODING 'UTF8'"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_or_not_utf8_is_refused() {
        let refused = |number, version: &str, encoding: &str, words: &str| {
            let told = check_server(number, version, encoding);
            assert!(matches!(&told, Err(Error::Unusable(told)) if told.contains(words)), "{told:?}");
        };
        refused(130_014, "13.14", "UTF8", "14 or newer");
        refused(180_006, "18.6", "SQL_ASCII", "ENCODING 'UTF8'");
        assert_eq!(check_server(140_000, "14.0", "UTF8"), Ok(()));
    }
}
