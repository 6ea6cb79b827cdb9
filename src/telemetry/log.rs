//! Logs go to standard error, as text for people or as JSON lines for machines; standard output belongs to the
//! answers of commands.

use std::io::{self, IsTerminal};

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, format::JsonFields},
    util::SubscriberInitExt,
};

use crate::telemetry::json::Flat;

/// The look of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("read the log level `{level}` (such as `info` or `warn,sluicegate=debug`): {reason}")]
    Level { level: String, reason: String },
    #[error("set up logging: it is set up already")]
    AlreadySet,
}

/// Sets up logging for the whole process; once. Colours only on a terminal.
pub fn init(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let colours = format == LogFormat::Text && io::stderr().is_terminal();
    subscriber(format, level, colours, io::stderr)?.try_init().map_err(|_| TelemetryError::AlreadySet)
}

fn subscriber<W>(
    format: LogFormat,
    level: &str,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(level)
        .map_err(|error| TelemetryError::Level { level: level.to_owned(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(builder.with_target(false).finish()),
        LogFormat::Json => Box::new(builder.fmt_fields(JsonFields::new()).event_format(Flat).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A writer that keeps what it is given.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(format, level, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let step = tracing::info_span!(
                "job",
                step = "start",
                job = "j-0",
                request = "r-1",
                attempt = tracing::field::Empty
            );
            step.record("attempt", "a-1");
            step.in_scope(|| tracing::info!(job = "j-1", "said"));
            tracing::debug!("unsaid");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_and_those_of_its_step() {
        let text = logged(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((line["message"].as_str(), line["job"].as_str()), (Some("said"), Some("j-1")));
        assert_eq!((&line["level"], &line["step"]), (&"INFO".into(), &"start".into()));
        assert_eq!((&line["request"], &line["attempt"]), (&"r-1".into(), &"a-1".into()), "{line}");
    }

    #[test]
    fn text_obeys_the_level_and_has_no_colours_off_a_terminal() {
        let text = logged(LogFormat::Text, "info");
        assert!(text.contains("said") && !text.contains("unsaid") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(logged(LogFormat::Text, "warn"), "");
    }

    #[test]
    fn a_level_that_is_none_is_named() {
        let error = init(LogFormat::Text, "sluicegate=loud").unwrap_err();
        assert!(error.to_string().contains("`sluicegate=loud`"), "{error}");
    }
}
