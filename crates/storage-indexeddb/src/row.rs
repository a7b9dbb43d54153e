//! Rows, commits and events as the scripts have them.

use serde_json::Value;
use staffa_context::{Timestamp, json, parse};
use staffa_storage::{
    Commit, Document, Error, Event, Expect, Kept, Part, PartType, Result, Row, Seen, Write,
};
use uuid::Uuid;

use crate::key;
use crate::table::{Table, Tables};

/// A list of values.
macro_rules! list {
    ($($item:expr),* $(,)?) => { serde_json::Value::Array(vec![$(serde_json::Value::from($item)),*]) };
}
pub(crate) use list;

/// What a commit asks for, in the port's order.
pub(crate) fn commit(commit: Commit, tables: &Tables) -> Result<Value> {
    let mut checks = Vec::with_capacity(commit.guards.len() + commit.writes.len());
    for guard in &commit.guards {
        checks.push(((guard.kind, &guard.id), guard.expect, false));
    }
    let mut writes = Vec::with_capacity(commit.writes.len());
    for write in &commit.writes {
        let place = (write.kind, &write.id);
        // Both come in this order already, and mostly one after the other.
        let at = checks.partition_point(|(other, ..)| *other < place);
        checks.insert(at, (place, write.expect, true));
        writes.push(written(write, tables.of(write.kind)?)?);
    }
    let checks = checks.into_iter().map(|((kind, id), expect, is_written)| {
        tables.of(kind)?;
        let (expected, version) = match expect {
            Expect::New => ("new", 0),
            Expect::Absent { last } => ("absent", last),
            Expect::Version(version) => ("version", version),
        };
        Ok(list![kind, key::id(id), expected, version.to_string(), is_written])
    });
    let checks = checks.collect::<Result<Vec<_>>>()?;
    let events: Vec<Value> = commit.events.iter().map(event).collect();
    let kept: Vec<Value> = commit.kept.iter().map(kept).collect();
    Ok(list![checks, writes, events, kept])
}

fn written(write: &Write, table: &Table) -> Result<Value> {
    let (kind, id, version) = (write.kind, key::id(&write.id), write.version.to_string());
    let Some((document, keys)) = &write.put else { return Ok(list![kind, id, version]) };
    let fit = keys.len() == table.indexes.len()
        && keys.iter().zip(&table.indexes).all(|(key, index)| key.len() == index.parts.len());
    if !fit {
        return Err(Error::Unusable(["a write of ", kind, " does not fit its indexes"].concat()));
    }
    Ok(list![kind, id, version, json(document), texts(keys)])
}

/// Keys as text.
pub(crate) fn texts(keys: &[Vec<Part>]) -> Vec<Value> {
    keys.iter().map(|key| key::parts(key).into()).collect()
}

fn event(event: &Event) -> Value {
    let (id, version) = (event.id.to_string(), event.version.to_string());
    let texts = (event.name.as_str(), event.kind.as_str(), event.entity.as_str());
    let (at, payload) = (time(event.at), json(&event.payload));
    list![id, texts.0, texts.1, texts.2, version, event.n, at, payload, event.trace.as_deref()]
}

fn kept(kept: &Kept) -> Value {
    let (scope, key) = (kept.scope.as_str(), kept.key.as_str());
    list![scope, key, hex(&kept.digest), json(&kept.answer), time(kept.at)]
}

/// What a script answered, place by place.
pub(crate) struct Told<'a>(pub(crate) &'a Value);

impl<'a> Told<'a> {
    pub(crate) fn at(&self, place: usize) -> Told<'a> {
        Told(self.0.get(place).unwrap_or(&Value::Null))
    }

    pub(crate) fn list(&self) -> &'a [Value] {
        self.0.as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn text(&self) -> Result<&'a str> {
        self.0.as_str().ok_or_else(damaged)
    }

    /// A whole number of 64 bits, which comes as text.
    pub(crate) fn whole(&self) -> Result<i64> {
        self.text()?.parse().map_err(|_| damaged())
    }

    /// A number that was written as a `u32`.
    pub(crate) fn number(&self) -> Result<u32> {
        self.0.as_u64().and_then(|number| number.try_into().ok()).ok_or_else(damaged)
    }

    pub(crate) fn row(&self, table: &Table) -> Result<Row> {
        Ok(Row {
            id: key::read_bare(table.id, self.at(0).text()?)?,
            version: self.at(1).whole()?,
            shape: self.at(2).number()?,
            document: Document::Text(self.at(3).text()?.to_owned()),
        })
    }

    /// What is at an id: an entity, the last version of one that is gone, or nothing.
    pub(crate) fn seen(&self, table: &Table) -> Result<Seen> {
        match self.list() {
            [] => Ok(Seen::Absent { last: 0 }),
            [_] => Ok(Seen::Absent { last: self.at(0).whole()? }),
            _ => Ok(Seen::Row(self.row(table)?)),
        }
    }

    /// JSON within the answer.
    fn json(&self) -> Result<Value> {
        parse(self.text()?.as_bytes()).map_err(|_| damaged())
    }

    pub(crate) fn time(&self) -> Result<Timestamp> {
        match key::read_bare(PartType::Time, self.text()?)? {
            Part::Time(at) => Ok(at),
            _ => Err(damaged()),
        }
    }

    pub(crate) fn event(&self) -> Result<Event> {
        let text = |place| self.at(place).text().map(str::to_owned);
        Ok(Event {
            id: Uuid::try_parse(self.at(1).text()?).map_err(|_| damaged())?,
            name: text(2)?,
            kind: text(3)?,
            entity: text(4)?,
            version: self.at(5).whole()?,
            n: self.at(6).number()?,
            at: self.at(7).time()?,
            payload: self.at(8).json()?,
            trace: self.at(9).0.as_str().map(str::to_owned),
        })
    }

    pub(crate) fn kept(&self, scope: &str, key: &str) -> Result<Kept> {
        Ok(Kept {
            scope: scope.to_owned(),
            key: key.to_owned(),
            digest: unhex(self.at(0).text()?).ok_or_else(damaged)?,
            answer: self.at(1).json()?,
            at: self.at(2).time()?,
        })
    }
}

fn damaged() -> Error {
    Error::Unusable("a stored record is damaged".into())
}

/// A time as an index orders it.
pub(crate) fn time(at: Timestamp) -> String {
    key::id(&Part::Time(at))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut digits =
        text.chars().map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let mut bytes = [0; 32];
    for byte in &mut bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    digits.next().is_none().then_some(bytes)
}
