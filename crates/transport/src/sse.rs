//! Server-sent events as text, both ways.
#[cfg(not(target_arch = "wasm32"))]
use bytes::Bytes;
use staffa_context::{Failure, Kind};

/// The event that says that the stream is at its end, and that nobody should come back for more.
pub(crate) const END: &str = "end";

/// The largest event that a client takes, in bytes. 1 MiB.
pub(crate) const EVENT_MAX: usize = 1 << 20;

/// One event with its id and its data as JSON, which holds no line break.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn write(id: u64, data: &impl serde::Serialize) -> Result<Bytes, Failure> {
    match serde_json::to_string(data) {
        Ok(data) => Ok(format!("id: {id}\ndata: {data}\n\n").into()),
        Err(error) => Err(Failure::new(Kind::Internal, "the service cannot write an event")
            .with_log(format!("an event has no JSON text: {error}"))),
    }
}

/// The last event.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn write_end() -> Bytes {
    Bytes::from(format!("event: {END}\ndata:\n\n"))
}

/// What keeps proxies and clients from taking a quiet stream for a dead one.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// An event as a client reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Reads events from chunks that may break anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no line break.
    searched: usize,
    event: Event,
    has_data: bool,
}

impl Parser {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole event, if there is one.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] when an event grows beyond [`EVENT_MAX`]; [`Kind::Internal`] when it is not UTF-8.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, Failure> {
        while let Some(line) = self.line() {
            let line = String::from_utf8(line)
                .map_err(|_| Failure::new(Kind::Internal, "the service sent an event that is not UTF-8"))?;
            if let Some(event) = self.take_line(&line) {
                return Ok(Some(event));
            }
        }
        if self.buffer.len() + self.event.data.len() > EVENT_MAX {
            return Err(Failure::new(Kind::TooLarge, "the service sent an event of more than 1 MiB"));
        }
        Ok(None)
    }

    /// The next whole line without its end: `\n`, `\r\n` or a `\r` that something follows.
    fn line(&mut self) -> Option<Vec<u8>> {
        let found = self.buffer[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(at) = found.map(|at| at + self.searched) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.searched = at;
        let ends = match (self.buffer[at], self.buffer.get(at + 1)) {
            (b'\r', None) => return None,
            (b'\r', Some(b'\n')) => 2,
            _ => 1,
        };
        let mut line: Vec<u8> = self.buffer.drain(..at + ends).collect();
        line.truncate(at);
        self.searched = 0;
        Some(line)
    }

    fn take_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::{EVENT_MAX, Event, Parser};

    fn event(id: Option<u64>, name: &str, data: &str) -> Event {
        Event { id, name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_read_however_the_chunks_break() {
        let text = ":\n\nid: 7\ndata: {\"a\":1}\n\nevent: end\r\ndata:\r\n\r\ndata:one\rdata: two\r\rid: x\n\ndata: ä\n\n";
        let expect = [
            event(Some(7), "", "{\"a\":1}"),
            event(None, "end", ""),
            event(None, "", "one\ntwo"),
            event(None, "", "ä"),
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let mut got = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                parser.push(chunk);
                got.extend(std::iter::from_fn(|| parser.next().unwrap()));
            }
            assert_eq!(got, expect, "in chunks of {size}");
        }
    }

    #[test]
    fn an_event_has_a_largest_size() {
        let mut parser = Parser::default();
        parser.push(&vec![b'a'; EVENT_MAX]);
        assert_eq!(parser.next().unwrap(), None);
        parser.push(b"a");
        parser.next().unwrap_err();
    }
}
