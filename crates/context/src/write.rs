//! A value as JSON text, in a browser.
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = String)]
    fn number_text(number: f64) -> String;
}

/// The JSON text of a value, but for how fractions are spelled the one that `serde_json` writes: the browser spells those, so
/// that a page need not load the tables for it.
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => text.push_str(&number.to_string()),
            (None, Some(number)) => text.push_str(&number.to_string()),
            (None, None) => fraction(text, number.as_f64().unwrap_or_default()),
        },
        Value::String(value) => string(text, value),
        Value::Array(list) => {
            text.push('[');
            for (at, value) in list.iter().enumerate() {
                comma(text, at);
                write(text, value);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (at, (key, value)) in map.iter().enumerate() {
                comma(text, at);
                string(text, key);
                text.push(':');
                write(text, value);
            }
            text.push('}');
        }
    }
}

/// The browser spells `2.0` as `2`, which would be read as a whole number.
fn fraction(text: &mut String, number: f64) {
    let digits = number_text(number);
    text.push_str(&digits);
    if !digits.bytes().any(|byte| matches!(byte, b'.' | b'e')) {
        text.push_str(".0");
    }
}

fn comma(text: &mut String, at: usize) {
    if at > 0 {
        text.push(',');
    }
}

fn string(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            '\0'..'\u{20}' => {
                let digit = |four: u32| char::from_digit(u32::from(character) >> four & 15, 16);
                text.push_str("\\u00");
                text.extend(digit(4).into_iter().chain(digit(0)));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
