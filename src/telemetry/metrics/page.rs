//! One scrape: figures are put on it, and it is written out as OpenMetrics text, or in the older form of Prometheus that
//! tools such as `promtool check metrics` read.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text::encode},
    metrics::MetricType,
    registry::Registry,
};

use crate::telemetry::metrics::{Histogram, Kind, Metric};

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    /// Prometheus text 0.0.4: a counter's type and help stand under its whole name, and there is no end mark.
    Plain,
}

impl Format {
    /// By what the asker accepts.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Plain }
    }
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

#[derive(Clone, Debug)]
enum Value {
    Number(f64),
    Buckets(Vec<(f64, u64)>, f64),
}

type Labels = Vec<(&'static str, String)>;
type Family = (&'static Metric, Vec<(Labels, Value)>);

/// The figures of one moment.
#[derive(Clone, Debug, Default)]
pub struct Page(BTreeMap<&'static str, Family>);

impl Page {
    /// `labels` in the order of the catalogue.
    pub fn put(&mut self, metric: &'static Metric, labels: &[&str], number: f64) {
        self.add(metric, labels, Value::Number(number));
    }

    /// A whole number. Above 2^53 it is a little off, which no figure here reaches.
    #[expect(clippy::cast_precision_loss, reason = "a figure for charts")]
    pub fn count(&mut self, metric: &'static Metric, labels: &[&str], number: u64) {
        self.put(metric, labels, number as f64);
    }

    pub fn histogram(&mut self, metric: &'static Metric, labels: &[&str], histogram: &Histogram) {
        let (buckets, sum) = histogram.read();
        self.add(metric, labels, Value::Buckets(buckets, sum));
    }

    fn add(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let labels = metric.labels.iter().copied().zip(labels.iter().map(|label| (*label).to_owned()));
        self.0.entry(metric.name).or_insert_with(|| (metric, Vec::new())).1.push((labels.collect(), value));
    }

    pub fn write(self, format: Format) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(match format {
            Format::OpenMetrics => text,
            Format::Plain => plain(&text),
        })
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (metric, samples) in self.0.values() {
            let (name, kind) = match metric.kind {
                Kind::Counter => (metric.name.trim_end_matches("_total"), MetricType::Counter),
                Kind::Gauge => (metric.name, MetricType::Gauge),
                Kind::Histogram => (metric.name, MetricType::Histogram),
            };
            let mut family = encoder.encode_descriptor(name, metric.help, None, kind)?;
            for (labels, value) in samples {
                // An empty set would be written as `{}`.
                if labels.is_empty() {
                    sample(&mut family, metric.kind, value)?;
                } else {
                    sample(&mut family.encode_family(labels)?, metric.kind, value)?;
                }
            }
        }
        Ok(())
    }
}

fn sample(encoder: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (value, kind) {
        (Value::Number(number), Kind::Counter) => {
            encoder.encode_counter::<NoLabelSet, f64, f64>(number, None)
        }
        (Value::Number(number), _) => encoder.encode_gauge(number),
        (Value::Buckets(buckets, sum), _) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}

/// The same in the older form.
fn plain(text: &str) -> String {
    let mut counter = None;
    let mut lines = Vec::new();
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        if let Some(rest) = described {
            let name = rest.split(' ').next().unwrap_or_default();
            counter = counters.contains(&name).then_some(name);
        }
        match (described, counter) {
            (Some(_), Some(name)) => lines.push(line.replacen(name, &format!("{name}_total"), 1)),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::metrics::{QUICK, catalogue};

    fn page() -> Page {
        let mut page = Page::default();
        page.count(&catalogue::STARTS, &["started"], 3);
        page.count(&catalogue::JOBS, &["queued"], 1_000_000);
        page.count(&catalogue::REPAIRS, &[], 0);
        page.put(&catalogue::BUDGET_USED, &["credits", "spend", "team", "a\"b\\c\nd"], 0.5);
        let calls = Histogram::new(QUICK);
        calls.note(Duration::from_millis(3));
        page.histogram(&catalogue::GATE_CALL, &["propose"], &calls);
        page
    }

    #[test]
    fn openmetrics_text_names_counters_without_their_ending_and_has_an_end() {
        let text = page().write(Format::OpenMetrics).unwrap();
        assert!(text.contains("# TYPE sluice_starts counter\n"), "{text}");
        assert!(text.contains("sluice_starts_total{result=\"started\"} 3.0\n"), "{text}");
        assert!(text.contains(r#"value="a\"b\\c\nd"} 0.5"#), "{text}");
        assert!(text.contains("\nsluice_repairs_total 0.0\n") && text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn the_older_form_describes_counters_under_their_whole_name() {
        let text = page().write(Format::Plain).unwrap();
        assert!(text.contains("# TYPE sluice_starts_total counter\nsluice_starts_total{result="), "{text}");
        assert!(
            text.contains("# TYPE sluice_jobs gauge\nsluice_jobs{state=\"queued\"} 1000000.0\n"),
            "{text}"
        );
        assert!(text.contains("sluice_gate_call_seconds_bucket{le=\"+Inf\",call=\"propose\"} 1\n"), "{text}");
        assert!(!text.contains("EOF") && text.ends_with('\n'), "{text}");
    }

    #[test]
    fn what_is_accepted_decides_on_the_form() {
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("*/*"), Format::Plain);
    }
}
