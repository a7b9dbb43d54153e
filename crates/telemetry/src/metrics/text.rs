//! The two text formats that a scraper may ask for.
use std::borrow::Cow;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// How metrics are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsFormat {
    /// OpenMetrics 1.0, with exemplars.
    #[default]
    OpenMetrics,
    /// Prometheus text 0.0.4, without exemplars.
    Prometheus,
}

impl MetricsFormat {
    /// What a scraper asks for in its `Accept` header: OpenMetrics when it names it, else Prometheus text.
    pub fn from_accept(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What these collectors tell now.
pub(crate) fn written(collectors: Vec<Box<dyn Collector>>, format: MetricsFormat) -> String {
    let mut registry = Registry::default();
    collectors.into_iter().for_each(|collector| registry.register_collector(collector));
    let mut text = String::new();
    // Writing to a `String` does not fail, and neither do our collectors.
    let _ = encode(&mut text, &registry);
    match format {
        MetricsFormat::OpenMetrics => text,
        MetricsFormat::Prometheus => prometheus(&text),
    }
}

/// A collector that others hold too.
pub(crate) fn shared<C: Collector>(collector: &Arc<C>) -> Box<dyn Collector> {
    Box::new(Arc::clone(collector))
}

/// OpenMetrics text, as `prometheus-client` writes it, in the older format: a counter's family has the name of its
/// sample, and there are no units, exemplars or end mark.
fn prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut push = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    let mut help = "";
    for line in open_metrics.lines() {
        if line.starts_with("# HELP ") {
            // Which name it needs is said by the next line.
            help = line;
        } else if line.starts_with("# TYPE ") {
            let counter = line.ends_with(" counter");
            push(&family(help, counter));
            push(&family(line, counter));
        } else if !line.starts_with("# ") {
            push(without_exemplar(line));
        }
    }
    text
}

/// `# HELP name …` or `# TYPE name …` with the name that the family has in the older format.
fn family(head: &str, counter: bool) -> Cow<'_, str> {
    match head.splitn(4, ' ').collect::<Vec<_>>()[..] {
        [mark, word, name, rest] if counter => format!("{mark} {word} {name}_total {rest}").into(),
        _ => head.into(),
    }
}

fn without_exemplar(sample: &str) -> &str {
    // A label's value cannot contain this, since its quotation mark would have a backslash before it.
    sample.split_once(" # {trace_id=\"").map_or(sample, |(sample, _)| sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_counters_by_their_samples_and_has_no_exemplars() {
        let open_metrics = "# HELP calls Calls made\n# TYPE calls counter\ncalls_total{a=\" # {b=\\\"\"} 1\n\
            # HELP took_seconds Time\n# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n\
            took_seconds_bucket{le=\"1.0\"} 1 # {trace_id=\"0af7\"} 0.5 1.0\n# EOF\n";
        let older = "# HELP calls_total Calls made\n# TYPE calls_total counter\ncalls_total{a=\" # {b=\\\"\"} 1\n\
            # HELP took_seconds Time\n# TYPE took_seconds histogram\ntook_seconds_bucket{le=\"1.0\"} 1\n";
        assert_eq!(prometheus(open_metrics), older);
    }

    #[test]
    fn a_scraper_gets_the_format_that_it_names() {
        let check = |accept, format| assert_eq!(MetricsFormat::from_accept(accept), format, "{accept}");
        check("", MetricsFormat::Prometheus);
        check("*/*", MetricsFormat::Prometheus);
        check("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", MetricsFormat::OpenMetrics);
    }
}
