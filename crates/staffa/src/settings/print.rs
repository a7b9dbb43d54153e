use serde_json::Value;

use super::shape::{Field, Shape};
use crate::store::shown;

/// A commented settings file with these values.
pub(crate) fn toml(fields: &[Field], values: &Value) -> String {
    let mut text = String::from(HEADER);
    for field in fields {
        section(&mut text, &field.name, field, &values[&field.name]);
    }
    text
}

const HEADER: &str = "\
# Each value can also be set by the environment, as STAFFA__SECTION__FIELD=value, and by the flag
# --set section.field=value; a flag wins over the environment, and the environment over this file.
# Any field can come from a file, as secrets do: field_file = \"path\", or STAFFA__SECTION__FIELD_FILE=path.
";

fn section(text: &mut String, path: &str, field: &Field, values: &Value) {
    let empty = matches!(&field.shape, Shape::Table(fields) if fields.is_empty());
    if empty {
        return;
    }
    text.push('\n');
    comment(text, &field.doc);
    text.push_str(&format!("[{path}]\n"));
    if let (Shape::Map(_), Some(entries)) = (&field.shape, values.as_object()) {
        entries.iter().for_each(|(name, value)| text.push_str(&assignment(name, value)));
    }
    let (sections, plain): (Vec<&Field>, Vec<&Field>) =
        field.shape.fields().iter().partition(|field| field.shape.is_section());
    for field in plain {
        entry(text, field, &values[&field.name]);
    }
    for field in sections {
        section(text, &format!("{path}.{}", key(&field.name)), field, &values[&field.name]);
    }
}

fn entry(text: &mut String, field: &Field, value: &Value) {
    comment(text, &field.doc);
    if let Shape::Choice(names) = &field.shape {
        comment(text, &format!("One of: {}.", names.join(", ")));
    }
    match (&field.shape, value) {
        (_, Value::Null) => text.push_str(&format!("# {} is not set\n", field.name)),
        (Shape::Secret, Value::String(secret)) if secret.is_empty() => {
            text.push_str(&format!("# {}_file = \"path\"\n", field.name));
        }
        (Shape::Url, Value::String(url)) => text.push_str(&assignment(&field.name, &shown(url).into())),
        (Shape::Secret, _) => text.push_str(&format!("# {} is set, and not shown\n", field.name)),
        _ => text.push_str(&assignment(&field.name, value)),
    }
}

fn comment(text: &mut String, doc: &str) {
    for line in doc.lines() {
        text.push_str(format!("# {line}").trim_end());
        text.push('\n');
    }
}

fn assignment(name: &str, value: &Value) -> String {
    // A value that was accepted has no null inside and no number beyond what TOML holds.
    let value = toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default();
    format!("{} = {value}\n", key(name))
}

/// A name as TOML wants it: bare when it can be.
fn key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-');
    if bare { name.to_owned() } else { toml::Value::from(name).to_string() }
}
