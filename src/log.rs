//! The log: lines on standard error that never block or break their writer.
//!
//! A separate thread writes the lines. If the reader stalls or exits, lines are dropped and
//! counted, and nothing else happens. Text from events cannot forge lines, and no line is longer
//! than [`MAX_LINE`].

use std::io::{self, IsTerminal as _, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The variable that sets the log level.
pub(crate) const VARIABLE: &str = "FUSE_LOG";
/// The fuse that this variable would set.
pub(crate) const FUSE: &str = "log";
/// The default log levels: fuse reports failures of the client itself, with their consequences.
const LEVELS: &str = "info,kube_client::client::builder=off";
/// The level of the client, also if `FUSE_LOG` is set: at lower levels, it logs whole answers of the API server that it
/// cannot read, which may contain Secrets.
const CLIENT_LEVEL: &str = "kube_client::client=error";
/// The maximum length of a line, in bytes.
const MAX_LINE: usize = 8 << 10;
/// The maximum length of a text within a JSON line that is too long, in characters.
const MAX_TEXT: usize = 1000;
/// The maximum number of lines that wait to be written.
const MAX_WAITING: usize = 4096;

/// The log. When it is dropped, the waiting lines are written within a second.
pub(crate) struct Log {
    crowded: ErrorCounter,
    failed: Arc<AtomicU64>,
    worker: Option<WorkerGuard>,
}

impl Log {
    /// Starts the log of the process: as text on a terminal, else as JSON.
    pub(crate) fn start() -> Self {
        let failed = Arc::new(AtomicU64::new(0));
        let (lines, worker) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(MAX_WAITING)
            .thread_name("fuse-log")
            .finish(Surviving { inner: io::stderr(), failed: Arc::clone(&failed) });
        let crowded = lines.error_counter();
        let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(LEVELS));
        let filter = match CLIENT_LEVEL.parse() {
            Ok(level) => filter.add_directive(level),
            Err(_invalid) => filter,
        };
        let log = tracing_subscriber::fmt().with_env_filter(filter);
        if io::stderr().is_terminal() {
            log.with_writer(Lines { lines, form: Form::Text }).init();
        } else {
            log.json().flatten_event(true).with_writer(Lines { lines, form: Form::Json }).init();
        }
        Self { crowded, failed, worker: Some(worker) }
    }

    /// Returns the number of lines that were dropped since the start.
    pub(crate) fn dropped_lines(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let (crowded, failed) = (self.crowded.clone(), Arc::clone(&self.failed));
        move || (crowded.dropped_lines() as u64).saturating_add(failed.load(Ordering::Relaxed))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The worker prints if the log is stalled, and printing panics if nobody reads.
        let worker = self.worker.take();
        let _stalled = catch_unwind(AssertUnwindSafe(|| drop(worker))).is_err();
    }
}

/// Writes as much as it can, and counts the rest.
struct Surviving<W> {
    inner: W,
    failed: Arc<AtomicU64>,
}

impl<W: Write> Write for Surviving<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.inner.write_all(line).is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _gone = self.inner.flush().is_err();
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Json,
}

/// Sanitizes lines before they are written.
struct Lines {
    lines: NonBlocking,
    form: Form,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { lines: self.lines.clone(), form: self.form }
    }
}

/// One line: the text of an event is written in one piece.
struct Line {
    lines: NonBlocking,
    form: Form,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = line.len();
        match self.form {
            Form::Text => self.lines.write_all(text(line).as_bytes())?,
            Form::Json if length > MAX_LINE => self.lines.write_all(json(line).as_bytes())?,
            Form::Json => self.lines.write_all(line)?,
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line of text without line ends and control characters, shortened if it is too long. The
/// formatter escapes terminal sequences in text from events; its own colours are kept.
fn text(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let mut plain = String::with_capacity(line.len() + 1);
    for c in line.chars() {
        if plain.len() >= MAX_LINE {
            plain.push_str(&format!("… (cut; {} bytes)", line.len()));
            break;
        }
        match c {
            '\u{1b}' => plain.push(c),
            c if c.is_control() => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    plain.push('\n');
    plain
}

/// A JSON line whose long texts are shortened.
fn json(line: &[u8]) -> String {
    let mut value: Value = serde_json::from_slice(line).unwrap_or_default();
    cut(&mut value);
    let mut text = value.to_string();
    if text.len() > MAX_LINE {
        // Many texts, none of them long: keep the fields that every line has.
        let kept = ["timestamp", "level", "target", "message"];
        if let Value::Object(fields) = &mut value {
            fields.retain(|name, _| kept.contains(&name.as_str()));
            fields.insert("cut".into(), line.len().into());
        }
        text = value.to_string();
    }
    text.push('\n');
    text
}

fn cut(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
                let length = text.len();
                text.truncate(end);
                text.push_str(&format!("… (cut; {length} bytes)"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(cut),
        Value::Object(fields) => fields.values_mut().for_each(cut),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_cannot_forge_lines() {
        let line = text(b"INFO decided event=\"a\nERROR dead letter\r\x07\xc2\x85\x1b[0m\"\n");
        assert_eq!(line, "INFO decided event=\"a\\nERROR dead letter\\r\\u{7}\\u{85}\u{1b}[0m\"\n");
    }

    #[test]
    fn no_line_is_longer_than_its_bound() {
        let long = "é".repeat(MAX_LINE);
        let line = text(format!("INFO {long}\n").as_bytes());
        assert!(
            line.len() < MAX_LINE + 50 && line.ends_with("… (cut; 16389 bytes)\n"),
            "{}",
            line.len()
        );

        let fields: serde_json::Map<String, Value> =
            (0..20).map(|n| (format!("f{n}"), long.clone().into())).collect();
        for value in [serde_json::json!({ "level": "INFO", "message": long }), fields.into()] {
            let line = json(value.to_string().as_bytes());
            assert!(line.len() <= MAX_LINE + 100, "{}", line.len());
            assert!(serde_json::from_str::<Value>(&line).unwrap().is_object());
        }
    }

    #[test]
    fn a_reader_that_has_gone_costs_lines_and_nothing_else() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let failed = Arc::new(AtomicU64::new(0));
        let mut log = Surviving { inner: Gone, failed: Arc::clone(&failed) };
        log.write_all(b"a line\n").unwrap();
        log.flush().unwrap();
        assert_eq!(failed.load(Ordering::Relaxed), 1);
    }
}
