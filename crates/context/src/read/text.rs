//! JSON text as a value.
use serde_json::{Map, Number, Value};

use super::NotRead;

/// How deep lists and maps may lie in each other, as for `serde_json`.
const DEPTH_MAX: usize = 127;

/// The value of this JSON text, the same that `serde_json` reads.
///
/// # Errors
/// [`NotRead`].
pub fn parse(json: &[u8]) -> Result<Value, NotRead> {
    let text = str::from_utf8(json).map_err(|_| NotRead)?;
    let mut parser = Parser { left: text.as_bytes() };
    let value = parser.value(0)?;
    parser.blank();
    if parser.left.is_empty() { Ok(value) } else { Err(NotRead) }
}

struct Parser<'a> {
    /// UTF-8, and only cut at ASCII characters.
    left: &'a [u8],
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, NotRead> {
        self.blank();
        match self.left.first().ok_or(NotRead)? {
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'"' => Ok(Value::String(self.string()?)),
            b'[' if depth < DEPTH_MAX => self.list(depth + 1),
            b'{' if depth < DEPTH_MAX => self.map(depth + 1),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(NotRead),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, NotRead> {
        let mut list = Vec::new();
        self.skip(1);
        if !self.takes(b']') {
            loop {
                list.push(self.value(depth)?);
                if self.takes(b']') {
                    break;
                }
                self.needs(b',')?;
            }
        }
        Ok(Value::Array(list))
    }

    fn map(&mut self, depth: usize) -> Result<Value, NotRead> {
        let mut map = Map::new();
        self.skip(1);
        if !self.takes(b'}') {
            loop {
                self.blank();
                let key = self.string()?;
                self.needs(b':')?;
                map.insert(key, self.value(depth)?);
                if self.takes(b'}') {
                    break;
                }
                self.needs(b',')?;
            }
        }
        Ok(Value::Object(map))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, NotRead> {
        self.left = self.left.strip_prefix(word.as_bytes()).ok_or(NotRead)?;
        Ok(value)
    }

    fn string(&mut self) -> Result<String, NotRead> {
        self.left = self.left.strip_prefix(b"\"").ok_or(NotRead)?;
        let mut string = Vec::new();
        loop {
            let plain = |byte: u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
            string.extend_from_slice(self.while_true(plain));
            match self.byte()? {
                b'"' => break,
                b'\\' => self.escape(&mut string)?,
                _ => return Err(NotRead),
            }
        }
        String::from_utf8(string).map_err(|_| NotRead)
    }

    fn escape(&mut self, string: &mut Vec<u8>) -> Result<(), NotRead> {
        let byte = match self.byte()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.unicode()?;
                string.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(NotRead),
        };
        string.push(byte);
        Ok(())
    }

    fn unicode(&mut self) -> Result<char, NotRead> {
        let first = self.hex()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            self.left = self.left.strip_prefix(b"\\u").ok_or(NotRead)?;
            let second = self.hex()?.checked_sub(0xdc00).filter(|second| *second < 0x400);
            0x10000 + ((first - 0xd800) << 10) + second.ok_or(NotRead)?
        } else {
            first
        };
        char::from_u32(code).ok_or(NotRead)
    }

    fn hex(&mut self) -> Result<u32, NotRead> {
        (0..4).try_fold(0, |code, _| {
            let digit = char::from(self.byte()?).to_digit(16).ok_or(NotRead)?;
            Ok(code << 4 | digit)
        })
    }

    fn number(&mut self) -> Result<Value, NotRead> {
        let text = self.while_true(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let text = str::from_utf8(text).map_err(|_| NotRead)?;
        let is_whole = is_number(text.as_bytes())?;
        let number = if is_whole { whole(text) } else { None };
        let number = number.or_else(|| Number::from_f64(float::parse(text)?));
        number.map(Value::Number).ok_or(NotRead)
    }

    fn while_true(&mut self, is_part: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.left.iter().position(|byte| !is_part(*byte)).unwrap_or(self.left.len());
        let (part, left) = self.left.split_at(len);
        self.left = left;
        part
    }

    fn blank(&mut self) {
        self.while_true(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn byte(&mut self) -> Result<u8, NotRead> {
        let (byte, left) = self.left.split_first().ok_or(NotRead)?;
        self.left = left;
        Ok(*byte)
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.blank();
        let takes = self.left.first() == Some(&byte);
        self.skip(usize::from(takes));
        takes
    }

    fn needs(&mut self, byte: u8) -> Result<(), NotRead> {
        if self.takes(byte) { Ok(()) } else { Err(NotRead) }
    }

    fn skip(&mut self, bytes: usize) {
        self.left = self.left.get(bytes..).unwrap_or_default();
    }
}

/// A whole number that is one in 64 bits. Only a fraction keeps the sign of zero.
fn whole(text: &str) -> Option<Number> {
    let signed = text.parse::<i64>().ok().filter(|_| text != "-0");
    signed.map(Number::from).or_else(|| text.parse::<u64>().ok().map(Number::from))
}

/// Whether this is a number as JSON spells it, and then whether it is a whole one.
fn is_number(text: &[u8]) -> Result<bool, NotRead> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, mut left) = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return Err(NotRead);
    }
    let is_whole = left.is_empty();
    if let Some(fraction) = left.strip_prefix(b".") {
        left = some_digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = left {
        let exponent = match exponent {
            [b'+' | b'-', rest @ ..] => rest,
            rest => rest,
        };
        left = some_digits(exponent)?;
    }
    if left.is_empty() { Ok(is_whole) } else { Err(NotRead) }
}

fn digits(text: &[u8]) -> (usize, &[u8]) {
    let len = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    (len, &text[len..])
}

fn some_digits(text: &[u8]) -> Result<&[u8], NotRead> {
    match digits(text) {
        (0, _) => Err(NotRead),
        (_, left) => Ok(left),
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod float {
    pub(super) fn parse(text: &str) -> Option<f64> {
        text.parse().ok()
    }
}

/// The browser has a reader of fractions, so that a page need not load the tables of one.
#[cfg(target_arch = "wasm32")]
mod float {
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_name = Number)]
        fn number(text: &str) -> f64;
    }

    pub(super) fn parse(text: &str) -> Option<f64> {
        Some(number(text))
    }
}
