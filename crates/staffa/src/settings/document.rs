use serde_json::{Map, Value};

use super::nearest::nearest;
use super::shape::{Field, Shape};
use super::source::Found;
use super::{Common, Settings};

/// The section of one service: its fields, its defaults, and the type that has the last word.
#[derive(Debug)]
pub(crate) struct Section {
    field: Field,
    defaults: Value,
    accepts: fn(Value) -> Result<(), String>,
}

impl Section {
    /// The section that `S` describes.
    pub(crate) fn of<S: Settings>(name: &str) -> Self {
        Self { field: Field::of::<S>(name), defaults: defaults::<S>(), accepts: accepts::<S> }
    }
}

/// Whether this is the name of a section that every process has.
pub(crate) fn is_common(name: &str) -> bool {
    Field::of::<Common>("").shape.fields().iter().any(|field| field.name == name)
}

fn defaults<S: Settings>() -> Value {
    match serde_json::to_value(S::default()) {
        Ok(Value::Null) | Err(_) => Value::Object(Map::new()),
        Ok(defaults) => defaults,
    }
}

fn accepts<S: Settings>(value: Value) -> Result<(), String> {
    read::<S>(value).map(drop)
}

/// The settings in a section. A unit type reads an empty one.
pub(crate) fn read<S: Settings>(value: Value) -> Result<S, String> {
    let empty = value.as_object().is_some_and(Map::is_empty);
    serde_json::from_value(value)
        .or_else(
            |error| if empty { serde_json::from_value(Value::Null).map_err(|_| error) } else { Err(error) },
        )
        .map_err(|error| error.to_string())
}

/// Every section that a process knows.
#[derive(Debug)]
pub(crate) struct Document {
    fields: Vec<Field>,
    common: Section,
    services: Vec<Section>,
}

impl Document {
    pub(crate) fn new(services: Vec<Section>) -> Self {
        let common = Section::of::<Common>("");
        let named = services.iter().map(|section| &section.field);
        let fields = common.field.shape.fields().iter().chain(named).cloned().collect();
        Self { fields, common, services }
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn defaults(&self) -> Value {
        let mut values = self.common.defaults.clone();
        for section in &self.services {
            values[&section.field.name] = section.defaults.clone();
        }
        values
    }

    /// Puts what a source holds over `values`, as far as the types take it.
    pub(crate) fn apply(&self, found: Found, values: &mut Value, problems: &mut Vec<String>) {
        problems.extend(found.problems);
        for setting in found.settings {
            let path = setting.path.join(".");
            let mut changed = values.clone();
            put(&mut changed, &setting.path, setting.value);
            match self.accepts(&setting.path[0], &changed) {
                Ok(()) => *values = changed,
                Err(reason) => {
                    let default = values.pointer(&format!("/{}", setting.path.join("/")));
                    let hint = default.filter(|it| !it.is_null()).map(|it| format!("; it is otherwise {it}"));
                    let hint = hint.unwrap_or_default();
                    problems.push(format!("{}: `{path}`: {reason}{hint}", setting.place));
                }
            }
        }
    }

    fn accepts(&self, section: &str, values: &Value) -> Result<(), String> {
        match self.services.iter().find(|it| it.field.name == section) {
            Some(service) => (service.accepts)(values[section].clone()),
            None => (self.common.accepts)(values.clone()),
        }
    }

    /// The names as they are spelled in the struct, and the shape at this path. Letter case and the difference
    /// between `-` and `_` do not matter, since the environment knows neither.
    pub(crate) fn find(&self, path: &[&str]) -> Result<(Vec<String>, &Shape), String> {
        let mut fields = self.fields.as_slice();
        let mut spelled: Vec<String> = Vec::new();
        for (depth, name) in path.iter().enumerate() {
            let Some(field) = fields.iter().find(|field| plain(&field.name) == plain(name)) else {
                return Err(self.unknown(&spelled, name, fields));
            };
            spelled.push(field.name.clone());
            match (&field.shape, &path[depth + 1..]) {
                (shape, []) => return Ok((spelled, shape)),
                (Shape::Map(item), [key]) => {
                    spelled.push((*key).to_owned());
                    return Ok((spelled, item));
                }
                (Shape::Table(inner), _) => fields = inner,
                (_, [next, ..]) => return Err(self.unknown(&spelled, next, &[])),
            }
        }
        Err("a setting is named `section.field`".to_owned())
    }

    /// What to say of a name that is not known here.
    pub(crate) fn unknown(&self, section: &[String], name: &str, known: &[Field]) -> String {
        let path =
            |name: &str| section.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        let names = || known.iter().map(|field| field.name.as_str());
        let unknown = path(name);
        if let Some(meant) = nearest(name, names()) {
            return format!("unknown setting `{unknown}`; did you mean `{}`?", path(meant));
        }
        if let Some(elsewhere) = elsewhere(&self.fields, "", name) {
            return format!("unknown setting `{unknown}`; did you mean `{elsewhere}`?");
        }
        match names().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => format!("unknown setting `{unknown}`"),
            list => format!("unknown setting `{unknown}`; known here are {list}"),
        }
    }
}

/// The path of a field with this very name in another section.
fn elsewhere(fields: &[Field], above: &str, name: &str) -> Option<String> {
    fields.iter().find_map(|field| {
        let path = if above.is_empty() { field.name.clone() } else { format!("{above}.{}", field.name) };
        let here = !above.is_empty() && plain(&field.name) == plain(name);
        if here { Some(path) } else { elsewhere(field.shape.fields(), &path, name) }
    })
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

fn put(values: &mut Value, path: &[String], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *values = value;
        return;
    };
    if !values.is_object() {
        *values = Value::Object(Map::new());
    }
    put(&mut values[name], rest, value);
}
