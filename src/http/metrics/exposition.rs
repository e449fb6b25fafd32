//! The two texts that Prometheus reads: its own, and OpenMetrics.
//!
//! Figures are written as they are read, one family after the other; nothing is kept between two answers.

use std::fmt::{Display, Write};

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' own, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The one that is asked for. Both are plain text, so whoever names neither can read the first.
    pub(super) fn of(accepted: Option<&str>) -> Self {
        let is_open = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_named = parts.next() == Some("application/openmetrics-text");
            is_named && parts.all(|part| part != "q=0")
        };
        match accepted.is_some_and(|accepted| accepted.split(',').any(|range| is_open(range.trim()))) {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What the figures of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, but for a restart or CONFIG RESETSTAT.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Says something by its labels.
    Info,
    Histogram,
}

/// A name and a value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// The text, as far as it is written.
pub(super) struct Exposition {
    format: Format,
    text: String,
}

/// Where the samples of one family go.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    suffix: &'static str,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(32 << 10) }
    }

    /// Begins a family. `name` is without `_total` and `_info`; its end is the unit, where there is one.
    pub(super) fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let suffix = match kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        // The older text has no kind of its own for these, and names families as their samples.
        let (told, kind) = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Info) => ("", "info"),
            (Format::OpenMetrics, Kind::Counter) => ("", "counter"),
            (Format::Text, Kind::Info) => (suffix, "gauge"),
            (_, Kind::Counter) => (suffix, "counter"),
            (_, Kind::Gauge) => (suffix, "gauge"),
            (_, Kind::Histogram) => (suffix, "histogram"),
        };
        let text = &mut self.text;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "# TYPE {name}{told} {kind}");
        if let (Format::OpenMetrics, Some(unit)) = (self.format, unit_of(name)) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name}{told} {}", Escaped { text: help, quotes: false });
        Family { text, name, suffix }
    }

    /// A family of one sample without labels.
    pub(super) fn one(&mut self, kind: Kind, name: &'static str, help: &str, value: impl Display) {
        self.family(kind, name, help).sample(&[], value);
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// The units that are used, as the conventions have them.
fn unit_of(name: &str) -> Option<&'static str> {
    ["seconds", "bytes", "ratio"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")))
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.line(self.suffix, labels, None, value);
    }

    /// A histogram: how many were at most each of these, in seconds, and the sum of all.
    pub(super) fn histogram(&mut self, labels: &[Label<'_>], bounds: &[(f64, u64)], count: u64, sum: f64) {
        for (bound, at_most) in bounds {
            self.line("_bucket", labels, Some(&bound.to_string()), at_most);
        }
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_count", labels, None, count);
        self.line("_sum", labels, None, sum);
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], bound: Option<&str>, value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound.map(|bound| ("le", bound))) {
            let _ = write!(self.text, "{separator}{name}=\"{}\"", Escaped { text: value, quotes: true });
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.chars().try_for_each(|letter| match letter {
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '"' if self.quotes => f.write_str("\\\""),
            letter => f.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut all = Exposition::new(format);
        all.one(Kind::Counter, "a_bytes", "Bytes.", 3);
        all.family(Kind::Info, "build", "What runs.").sample(&[("version", "1 \"x\"\\\n")], 1);
        all.family(Kind::Histogram, "took_seconds", "Time.").histogram(&[("c", "get")], &[(0.5, 1)], 2, 1.25);
        all.finish()
    }

    #[test]
    fn both_texts_name_families_as_their_readers_expect() {
        let text = "# TYPE a_bytes_total counter\n# HELP a_bytes_total Bytes.\na_bytes_total 3\n\
                    # TYPE build_info gauge\n# HELP build_info What runs.\nbuild_info{version=\"1 \\\"x\\\"\\\\\\n\"} 1\n\
                    # TYPE took_seconds histogram\n# HELP took_seconds Time.\ntook_seconds_bucket{c=\"get\",le=\"0.5\"} 1\n\
                    took_seconds_bucket{c=\"get\",le=\"+Inf\"} 2\ntook_seconds_count{c=\"get\"} 2\n\
                    took_seconds_sum{c=\"get\"} 1.25\n";
        assert_eq!(written(Format::Text), text);
        let open = written(Format::OpenMetrics);
        assert!(
            open.starts_with("# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# HELP a_bytes Bytes.\na_bytes_total 3\n")
        );
        assert!(open.contains("# TYPE build info\n# HELP build What runs.\nbuild_info{"), "{open}");
        assert!(open.ends_with("# EOF\n"), "{open}");
    }

    #[test]
    fn openmetrics_is_for_those_who_name_it() {
        for (accepted, format) in [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/plain;version=0.0.4"), Format::Text),
            (Some("application/openmetrics-text;q=0, text/plain"), Format::Text),
            (Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), Format::OpenMetrics),
            (Some("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"), Format::OpenMetrics),
        ] {
            assert_eq!(Format::of(accepted), format, "{accepted:?}");
        }
    }
}
