use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Settings;

/// What a setting takes, read from the schema of its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// A section with these fields.
    Table(Vec<Field>),
    /// A section whose names are free.
    Map(Box<Shape>),
    List(Box<Shape>),
    Bool,
    Int,
    Float,
    Text,
    Choice(Vec<String>),
    Secret,
    /// Text that may have a password in it.
    Url,
    /// Anything that the field's own type takes.
    Any,
}

/// One documented field of a section.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) shape: Shape,
}

impl Field {
    /// The section of this name that a type describes.
    pub(crate) fn of<S: Settings>(name: &str) -> Self {
        // The contract for writing lists every field as required, and so gives their order.
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|it| it.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<S>();
        Self::read(name, schema.as_value())
    }

    fn read(name: &str, schema: &Value) -> Self {
        let doc = schema["description"].as_str().unwrap_or_default().to_owned();
        Self { name: name.to_owned(), doc, shape: Shape::read(schema) }
    }
}

impl Shape {
    /// The fields of a section; none for anything else.
    pub(crate) fn fields(&self) -> &[Field] {
        if let Self::Table(fields) = self { fields } else { &[] }
    }

    /// Whether its value is a section of its own in the file.
    pub(crate) fn is_section(&self) -> bool {
        matches!(self, Self::Table(_) | Self::Map(_))
    }

    /// In words, after "takes".
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Table(_) | Self::Map(_) => "a section".to_owned(),
            Self::List(item) => format!("a list, each item {}", item.words()),
            Self::Bool => "true or false".to_owned(),
            Self::Int => "a whole number".to_owned(),
            Self::Float => "a number".to_owned(),
            Self::Text | Self::Secret | Self::Url => "text in quotes".to_owned(),
            Self::Choice(names) => format!("one of \"{}\"", names.join("\", \"")),
            Self::Any => "another value".to_owned(),
        }
    }

    /// Whether a value is of this shape. The field's own type has the last word.
    pub(crate) fn admits(&self, value: &Value) -> bool {
        match self {
            Self::Table(_) | Self::Map(_) => value.is_object(),
            Self::List(item) => value.as_array().is_some_and(|items| items.iter().all(|it| item.admits(it))),
            Self::Bool => value.is_boolean(),
            Self::Int => value.is_i64() || value.is_u64(),
            Self::Float => value.is_number(),
            Self::Text | Self::Secret | Self::Url => value.is_string(),
            Self::Choice(names) => value.as_str().is_some_and(|text| names.iter().any(|name| name == text)),
            Self::Any => true,
        }
    }

    /// A value of this shape from a text of the environment or the command line.
    pub(crate) fn parse(&self, text: &str) -> Option<Value> {
        match self {
            Self::Text | Self::Secret | Self::Url | Self::Choice(_) => Some(text.into()),
            Self::Bool => text.trim().parse::<bool>().ok().map(Value::from),
            Self::Int => {
                let signed = text.trim().parse::<i64>().ok().map(Value::from);
                signed.or_else(|| text.trim().parse::<u64>().ok().map(Value::from))
            }
            Self::Float => {
                text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
            }
            Self::List(_) if text.trim_start().starts_with('[') => inline(text),
            Self::List(_) if text.trim().is_empty() => Some(Value::Array(Vec::new())),
            Self::List(item) => text.split(',').map(|part| item.parse(part.trim())).collect(),
            Self::Table(_) | Self::Map(_) => inline(text),
            Self::Any => inline(text).or_else(|| Some(text.into())),
        }
    }

    fn read(schema: &Value) -> Self {
        let alternatives = present(schema, "anyOf").or_else(|| present(schema, "oneOf"));
        if let Some(alternatives) = alternatives {
            return match alternatives.as_slice() {
                [one] => Self::read(one),
                many => choice(many).unwrap_or(Self::Any),
            };
        }
        if let Some(names) = schema["enum"].as_array() {
            let text = |name: &Value| name.as_str().map(str::to_owned);
            return names
                .iter()
                .filter(|name| !name.is_null())
                .map(text)
                .collect::<Option<_>>()
                .map_or(Self::Any, Self::Choice);
        }
        match kind(schema) {
            Some("object") => section(schema),
            Some("array") => Self::List(Box::new(Self::read(&schema["items"]))),
            Some("boolean") => Self::Bool,
            Some("integer") => Self::Int,
            Some("number") => Self::Float,
            Some("string") if schema["format"] == "password" => Self::Secret,
            Some("string") if schema["format"] == "uri" => Self::Url,
            Some("string") => Self::Text,
            Some("null") => Self::Table(Vec::new()),
            _ => Self::Any,
        }
    }
}

/// The alternatives of a schema but for the absent value.
fn present<'a>(schema: &'a Value, key: &str) -> Option<Vec<&'a Value>> {
    let alternatives = schema[key].as_array()?;
    Some(alternatives.iter().filter(|it| it["type"] != "null").collect())
}

/// The type of a schema; an optional one is written as a list with `null`.
fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        one => one.as_str(),
    }
}

/// Documented names: each is a constant with its own description, or an enumeration of those without one.
fn choice(alternatives: &[&Value]) -> Option<Shape> {
    let mut names = Vec::new();
    for alternative in alternatives {
        match (&alternative["const"], alternative["enum"].as_array()) {
            (Value::String(name), _) => names.push(name.clone()),
            (_, Some(several)) => names.extend(several.iter().filter_map(Value::as_str).map(str::to_owned)),
            _ => return None,
        }
    }
    Some(Shape::Choice(names))
}

fn section(schema: &Value) -> Shape {
    let Some(properties) = schema["properties"].as_object() else {
        return match &schema["additionalProperties"] {
            free @ Value::Object(_) => Shape::Map(Box::new(Shape::read(free))),
            _ => Shape::Any,
        };
    };
    let declared: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let rest = properties.keys().map(String::as_str).filter(|name| !declared.contains(name));
    let fields = declared.iter().copied().chain(rest).filter_map(|name| {
        let schema = properties.get(name)?;
        Some(Field::read(name, schema))
    });
    Shape::Table(fields.collect())
}

/// A value in the syntax of TOML.
fn inline(text: &str) -> Option<Value> {
    let value: toml::Value = toml::from_str::<toml::Table>(&format!("it = {text}")).ok()?.remove("it")?;
    serde_json::to_value(value).ok()
}
