//! Reads a retailer's file: plain or gzip, a record a line, in bounded memory.
//!
//! The first stages of a pipeline of channels: *read* cuts the file into lines, in chunks, where it may block; *parse*
//! makes records of them on several tasks. What cannot be read is handed on with its line, never dropped.
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use shop_core::invoice::{BadRecord, COLUMNS, Record};
use staffa::channel::{Receiver, Sender, bounded, map_concurrent};
use staffa::{Context, Failure, Group, Kind};

/// The longest line in bytes.
const LINE_MAX: usize = 16 << 10;
/// How many lines a chunk has.
const CHUNK: usize = 256;
/// How many lines may be bad before the file is given up.
const BAD_MAX: usize = 1_000;

/// The real file that comes with the shop: see `examples/shop/data/ATTRIBUTION.md`.
static SHIPPED: &[u8] = include_bytes!("../../data/online-retail-2010-12.csv.gz");

/// A line of the file, by its number from 1.
pub(crate) struct Parsed {
    pub(crate) line: u64,
    pub(crate) record: Result<Record, BadLine>,
}

/// Why a line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    /// It is longer than any record.
    #[error("it is longer than {LINE_MAX} bytes")]
    TooLong,
    /// Its text is in another encoding.
    #[error("it is not UTF-8: save the file as UTF-8")]
    Encoding,
    /// A field begins with a quote that does not end on its line, or before the field does.
    #[error(
        "it has a quote without its end: a field in quotes ends with one, and those inside are written twice"
    )]
    Quote,
    /// Its fields are not a record.
    #[error(transparent)]
    Record(#[from] BadRecord),
}

/// A file to read records from, with the bar that shows how far it is.
pub(crate) struct Source {
    name: String,
    reader: Box<dyn BufRead + Send>,
    bar: ProgressBar,
    line: u64,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Source {
    /// The file at this path, plain or gzip.
    pub(crate) fn open(path: &Path, doing: &'static str) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let told = |error: io::Error| Failure::new(Kind::Invalid, format!("{name}: {error}"));
        let file = File::open(path).map_err(told)?;
        let meta = file.metadata().map_err(told)?;
        if meta.is_dir() {
            return Err(Failure::new(Kind::Invalid, format!("{name} is a folder: name a file in it")));
        }
        Self::of(name.clone(), Box::new(file), meta.len(), doing)
    }

    /// The file that comes with the shop.
    pub(crate) fn shipped(doing: &'static str) -> Result<Self, Failure> {
        Self::of("the shipped file".to_owned(), Box::new(SHIPPED), SHIPPED.len() as u64, doing)
    }

    fn of(name: String, bytes: Box<dyn Read + Send>, len: u64, doing: &'static str) -> Result<Self, Failure> {
        let bar = bar(len, doing);
        let mut plain = BufReader::new(bar.wrap_read(bytes));
        let start =
            plain.fill_buf().map_err(|error| Failure::new(Kind::Invalid, format!("{name}: {error}")))?;
        let reader: Box<dyn BufRead + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::new(MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Self { name, reader, bar, line: 0 })
    }

    /// The bar, for the stages after reading.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Refuses a file whose first line does not name the columns.
    fn check_header(&mut self) -> Result<(), Failure> {
        let Some(line) = self.next_line()? else {
            return Err(self.wrong("the file is empty"));
        };
        let expected = COLUMNS.join(",");
        match line.bytes {
            // Spreadsheets put a byte order mark before the first column.
            Some(bytes) if bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) == expected.as_bytes() => {
                Ok(())
            }
            _ => Err(self.wrong(&format!("the first line must be `{expected}`, in UTF-8"))),
        }
    }

    fn next_chunk(&mut self) -> Result<Vec<Line>, Failure> {
        let mut lines = Vec::with_capacity(CHUNK);
        while lines.len() < CHUNK {
            match self.next_line()? {
                Some(line) => lines.push(line),
                None => break,
            }
        }
        Ok(lines)
    }

    fn next_line(&mut self) -> Result<Option<Line>, Failure> {
        let mut bytes = Vec::new();
        let told = |error: io::Error, name: &str| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Failure::new(Kind::Invalid, format!("{name}: the file ends too early: is it whole?"))
            }
            _ => Failure::new(Kind::Invalid, format!("{name}: {error}")),
        };
        let most = LINE_MAX as u64 + 1;
        let read = self
            .reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut bytes)
            .map_err(|error| told(error, &self.name))?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if bytes.last() != Some(&b'\n') && bytes.len() > LINE_MAX {
            self.reader.skip_until(b'\n').map_err(|error| told(error, &self.name))?;
            return Ok(Some(Line { number: self.line, bytes: None }));
        }
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        Ok(Some(Line { number: self.line, bytes: Some(bytes) }))
    }

    fn wrong(&self, what: &str) -> Failure {
        Failure::new(Kind::Invalid, format!("{}: {what}", self.name))
    }
}

struct Line {
    number: u64,
    /// None when it is longer than [`LINE_MAX`].
    bytes: Option<Vec<u8>>,
}

fn bar(len: u64, doing: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} {wide_bar} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len).with_style(style).with_message(doing)
}

/// Starts the stages *read* and *parse*, and gives the parsed chunks: in the order of the file with one worker.
pub(crate) async fn parse(
    group: &Group<Failure>,
    source: Source,
    workers: usize,
) -> Result<Receiver<Vec<Parsed>>, Failure> {
    let (tx, chunks) = bounded(workers);
    group.spawn("read", move |ctx| read(ctx, source, tx)).await?;
    Ok(map_concurrent(group, chunks, workers, |_, lines| async move { Ok(parse_chunk(lines)) }).await?)
}

async fn read(ctx: Context, mut source: Source, tx: Sender<Vec<Line>>) -> Result<(), Failure> {
    let mut first = true;
    loop {
        let check = std::mem::take(&mut first);
        let (back, chunk) = ctx
            .blocking(move |_| {
                let checked = if check { source.check_header() } else { Ok(()) };
                let chunk = checked.and_then(|()| source.next_chunk());
                (source, chunk)
            })
            .await?;
        source = back;
        let chunk = chunk?;
        if chunk.is_empty() || tx.send(&ctx, chunk).await.is_err() {
            return Ok(());
        }
    }
}

fn parse_chunk(lines: Vec<Line>) -> Vec<Parsed> {
    let parsed = |line: Line| Parsed { line: line.number, record: parse_line(line.bytes.as_deref()) };
    lines.into_iter().map(parsed).collect()
}

fn parse_line(bytes: Option<&[u8]>) -> Result<Record, BadLine> {
    let text = std::str::from_utf8(bytes.ok_or(BadLine::TooLong)?).map_err(|_| BadLine::Encoding)?;
    let fields = fields(text)?;
    let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
    Ok(Record::parse(&fields)?)
}

/// The fields of a line: plain, or in quotes, where a quote is written twice.
///
/// By hand, since a reader of the crate `csv` takes longer to be made than a line to be read, and lines are read one
/// by one so that a quote without its end cannot swallow the next ones.
fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, BadLine> {
    let mut fields = Vec::with_capacity(COLUMNS.len());
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (field, next) = match text.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => match text.split_once(',') {
                Some((field, next)) => (Cow::Borrowed(field), Some(next)),
                None => (Cow::Borrowed(text), None),
            },
        };
        fields.push(field);
        rest = next;
    }
    Ok(fields)
}

/// A field after its opening quote, and what follows its comma.
fn unquoted(mut text: &str) -> Result<(Cow<'_, str>, Option<&str>), BadLine> {
    let mut field = String::new();
    loop {
        let (before, after) = text.split_once('"').ok_or(BadLine::Quote)?;
        field.push_str(before);
        if let Some(more) = after.strip_prefix('"') {
            field.push('"');
            text = more;
        } else if after.is_empty() {
            return Ok((field.into(), None));
        } else {
            let next = after.strip_prefix(',').ok_or(BadLine::Quote)?;
            return Ok((field.into(), Some(next)));
        }
    }
}

/// The count of bad lines, each told with its number and reason.
#[derive(Debug, Default)]
pub(crate) struct Bad(usize);

impl Bad {
    /// Tells of one more; an error when there are too many to be a slip.
    pub(crate) fn tell(&mut self, bar: &ProgressBar, line: u64, why: &BadLine) -> Result<(), Failure> {
        bar.suspend(|| eprintln!("line {line}: {why}"));
        self.0 += 1;
        if self.0 < BAD_MAX {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Invalid,
            format!("{BAD_MAX} lines are bad: this is not the file that was meant"),
        ))
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{BadLine, fields};

    #[test]
    fn a_line_is_cut_at_its_commas_and_quotes_are_taken_off() {
        let check = |line: &str, expect: Result<&[&str], BadLine>| {
            let found = fields(line);
            let found = found.as_ref().map(|fields| fields.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
            assert_eq!(found.map_err(Clone::clone), expect.map(<[&str]>::to_vec), "{line}");
        };
        check("", Ok(&[""]));
        check("a,b", Ok(&["a", "b"]));
        check("a,,", Ok(&["a", "", ""]));
        check(r#""a,b",c"#, Ok(&["a,b", "c"]));
        check(r#""WARMER ""UNION""",6,"""#, Ok(&["WARMER \"UNION\"", "6", ""]));
        check(r#""WARMER ""UNION"",6"#, Err(BadLine::Quote));
        check(r#""WARMER ""UNION""",6,"""""#, Ok(&["WARMER \"UNION\"", "6", "\""]));
        check(r#"5" CANDLE,6" TALL"#, Ok(&["5\" CANDLE", "6\" TALL"]));
        check(r#"a"b,"x"#, Err(BadLine::Quote));
        check(r#""a"b,c"#, Err(BadLine::Quote));
        check("\"", Err(BadLine::Quote));
        check("ä,\"ö\"", Ok(&["ä", "ö"]));
    }
}
