//! Writes log lines to standard error from a thread of its own, so that a slow reader holds nobody up.
#![expect(clippy::disallowed_methods, reason = "the writer is a thread of its own, which knows no context")]

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use staffa_context::Series;

use super::{LogRecord, Records, human, json};
use crate::LogFormat;

/// A bounded queue of lines; those for which there is no place are dropped and counted.
#[derive(Debug)]
pub(crate) struct Stderr {
    format: LogFormat,
    colour: bool,
    lines: SyncSender<Line>,
    dropped: Series,
}

#[derive(Debug)]
enum Line {
    Text(String),
    /// Says when all lines before it have been written.
    Flush(SyncSender<()>),
}

impl Stderr {
    pub(crate) fn start(format: LogFormat, queue_len_max: usize, dropped: Series) -> io::Result<Self> {
        let (lines, queued) = sync_channel(queue_len_max.max(1));
        std::thread::Builder::new().name("staffa-log".to_owned()).spawn(move || write_all(&queued))?;
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Ok(Self { format, colour, lines, dropped })
    }

    /// Waits until what is queued has been written; whether it was within `timeout`.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let by = Instant::now() + timeout;
        let (done, written) = sync_channel(1);
        let mut flush = Line::Flush(done);
        loop {
            match self.lines.try_send(flush) {
                Ok(()) => return written.recv_timeout(by.saturating_duration_since(Instant::now())).is_ok(),
                Err(TrySendError::Full(back)) if Instant::now() < by => flush = back,
                Err(_) => return false,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Records for Stderr {
    fn record(&self, record: LogRecord) {
        let line = match self.format {
            LogFormat::Human => human(&record, self.colour),
            LogFormat::Json => json(&record),
        };
        if self.lines.try_send(Line::Text(line)).is_err() {
            self.dropped.add(1);
        }
    }
}

fn write_all(queued: &Receiver<Line>) {
    for line in queued {
        match line {
            // There is nowhere to say that standard error is closed.
            Line::Text(text) => drop(io::stderr().write_all(text.as_bytes())),
            Line::Flush(done) => drop(done.try_send(())),
        }
    }
}
