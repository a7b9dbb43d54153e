//! A request as a value, and a value as JSON text.
use serde::Serialize;
use serde_json::Value;

/// The request's fields.
///
/// # Errors
/// Why it is no JSON, in words.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn value(request: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(request).map_err(|error| error.to_string())
}

/// The same by way of text, which a page writes as well: each type's writer is linked once.
#[cfg(target_arch = "wasm32")]
pub(super) fn value(request: &impl Serialize) -> Result<Value, String> {
    let json = serde_json::to_vec(request).map_err(|error| error.to_string())?;
    staffa_context::parse(&json).map_err(|error| error.to_string())
}

/// What `serde_json` writes.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn json(value: &Value) -> String {
    value.to_string()
}

/// The same, but for how fractions are spelled: the browser writes those, so that a page need not load the tables for it.
#[cfg(target_arch = "wasm32")]
pub(super) fn json(value: &Value) -> String {
    let mut text = String::new();
    browser::write(&mut text, value);
    text
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use serde_json::Value;
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_name = String)]
        fn number_text(number: f64) -> String;
    }

    pub(super) fn write(text: &mut String, value: &Value) {
        match value {
            Value::Null => text.push_str("null"),
            Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => text.push_str(&number.to_string()),
                (None, Some(number)) => text.push_str(&number.to_string()),
                (None, None) => text.push_str(&number_text(number.as_f64().unwrap_or_default())),
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
}
