//! The sources of settings: a file, the environment, flags. Each gives what it found, with its place.

use std::path::Path;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Flags;
use super::document::Document;
use super::shape::{Field, Shape};

/// A value that a source gives.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) path: Vec<String>,
    pub(crate) value: Value,
    /// Where it is written, for people.
    pub(crate) place: String,
}

/// What a source holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) settings: Vec<Setting>,
    pub(crate) problems: Vec<String>,
}

impl Found {
    fn add(&mut self, place: String, setting: Result<(Vec<String>, Value), String>) {
        match setting {
            Ok((path, value)) => self.settings.push(Setting { path, value, place }),
            Err(problem) => self.problems.push(format!("{place}: {problem}")),
        }
    }
}

/// Reads a settings file.
pub(crate) fn file(document: &Document, path: &Path) -> Found {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return Found { problems: vec![format!("{}: {error}", path.display())], ..Found::default() };
        }
    };
    let mut reader = FileReader { document, path, text: &text, found: Found::default() };
    match DeTable::parse(&text) {
        Ok(table) => reader.table(&[], table.get_ref(), document.fields()),
        Err(error) => {
            let place = reader.place(error.span().unwrap_or_default().start);
            reader.found.problems.push(format!("{place}: {}", error.message().replace('\n', ", ")));
        }
    }
    reader.found
}

struct FileReader<'a> {
    document: &'a Document,
    path: &'a Path,
    text: &'a str,
    found: Found,
}

impl FileReader<'_> {
    fn table(&mut self, above: &[String], table: &DeTable<'_>, fields: &[Field]) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            let place = self.place(key.span().start);
            match fields.iter().find(|field| field.name == name) {
                Some(field) => self.field(above, field, value, place),
                None => self.unlisted(above, name, value, table, fields, place),
            }
        }
    }

    fn field(&mut self, above: &[String], field: &Field, value: &Spanned<DeValue<'_>>, place: String) {
        let path = join(above, &field.name);
        match (&field.shape, value.get_ref()) {
            (Shape::Table(inner), DeValue::Table(table)) => self.table(&path, table, inner),
            (Shape::Map(item), DeValue::Table(table)) => {
                for (key, value) in table.iter() {
                    let place = self.place(key.span().start);
                    let path = join(&path, key.get_ref());
                    self.found.add(place, checked(path, item, value.get_ref()));
                }
            }
            (shape, value) => self.found.add(place, checked(path, shape, value)),
        }
    }

    /// A name that is no field: the file of one, or a mistake.
    fn unlisted(
        &mut self,
        above: &[String],
        name: &str,
        value: &Spanned<DeValue<'_>>,
        table: &DeTable<'_>,
        fields: &[Field],
        place: String,
    ) {
        let of = name.strip_suffix("_file");
        let Some(field) = of.and_then(|of| fields.iter().find(|it| it.name == of && !it.shape.is_section()))
        else {
            self.found.problems.push(format!("{place}: {}", self.document.unknown(above, name, fields)));
            return;
        };
        let path = join(above, &field.name);
        let setting = match value.get_ref().as_str() {
            _ if table.contains_key(field.name.as_str()) => {
                Err(format!("`{}` is given twice, here and as `{}`", path.join("."), field.name))
            }
            Some(file) => {
                from_file(path, &field.shape, &self.path.parent().unwrap_or(Path::new("")).join(file))
            }
            None => Err(format!("`{name}` takes the path of a file, in quotes")),
        };
        self.found.add(place, setting);
    }

    fn place(&self, offset: usize) -> String {
        let line = self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

/// The variables that begin with `STAFFA__`.
pub(crate) fn environment(
    document: &Document,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Found {
    let mut ours: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with("STAFFA__")).collect();
    ours.sort();
    let mut found = Found::default();
    for (name, text) in ours {
        let path: Vec<&str> = name.split("__").skip(1).collect();
        let path: Vec<String> = path.iter().map(|name| name.to_lowercase()).collect();
        let setting = named(document, &path.iter().map(String::as_str).collect::<Vec<_>>(), &text);
        found.add(name, setting);
    }
    found
}

/// What the command line sets. The port is put into the address that the other sources gave.
pub(crate) fn flags(document: &Document, flags: &Flags, values: &Value) -> Found {
    let mut found = Found::default();
    for (flag, name, text) in flags.settings(values) {
        let path: Vec<&str> = name.split('.').collect();
        found.add(flag, named(document, &path, &text));
    }
    found
}

/// A setting from text: under its own name, or under `…_file` with the path of a file.
fn named(document: &Document, path: &[&str], text: &str) -> Result<(Vec<String>, Value), String> {
    let unknown = match document.find(path) {
        Ok((path, shape)) => return parsed(path, shape, text),
        Err(unknown) => unknown,
    };
    let of = path.split_last().and_then(|(last, above)| Some((above, last.strip_suffix("_file")?)));
    match of.map(|(above, name)| document.find(&[above, &[name]].concat())) {
        Some(Ok((path, shape))) if !shape.is_section() => from_file(path, shape, Path::new(text)),
        _ => Err(unknown),
    }
}

fn from_file(path: Vec<String>, shape: &Shape, file: &Path) -> Result<(Vec<String>, Value), String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("`{}` is to come from {}: {error}", path.join("."), file.display()))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    // What the file holds may be secret, and is not repeated.
    let refused =
        format!("`{}` takes {}, and {} holds something else", path.join("."), shape.words(), file.display());
    parsed(path, shape, line.strip_suffix('\r').unwrap_or(line)).map_err(|_| refused)
}

fn parsed(path: Vec<String>, shape: &Shape, text: &str) -> Result<(Vec<String>, Value), String> {
    match shape.parse(text).filter(|value| shape.admits(value)) {
        Some(value) => Ok((path, value)),
        None => Err(format!("`{}` takes {}, not `{text}`", path.join("."), shape.words())),
    }
}

fn checked(path: Vec<String>, shape: &Shape, value: &DeValue<'_>) -> Result<(Vec<String>, Value), String> {
    match json(value) {
        Some(json) if shape.admits(&json) => Ok((path, json)),
        _ => Err(format!("`{}` takes {}, not {}", path.join("."), shape.words(), kind(value))),
    }
}

fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "this text".to_owned(),
        DeValue::Integer(number) => format!("the whole number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(_) => "this list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}

/// The value as JSON; none for numbers that JSON or the machine does not hold.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => {
            let (text, radix) = (number.as_str(), number.radix());
            let signed = i64::from_str_radix(text, radix).map(Value::from);
            signed.or_else(|_| u64::from_str_radix(text, radix).map(Value::from)).ok()?
        }
        DeValue::Float(number) => Value::Number(Number::from_f64(number.as_str().parse().ok()?)?),
        DeValue::Boolean(truth) => (*truth).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => {
            items.iter().map(|item| json(item.get_ref())).collect::<Option<Vec<_>>>()?.into()
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Some((key.clone().into_owned(), json(value.get_ref())?))
            };
            Value::Object(table.iter().map(entry).collect::<Option<Map<_, _>>>()?)
        }
    })
}

fn join(above: &[String], name: &str) -> Vec<String> {
    above.iter().cloned().chain([name.to_owned()]).collect()
}
