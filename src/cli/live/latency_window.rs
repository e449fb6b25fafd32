//! The measurements of one window of time.

use std::time::Duration;

use super::Measure;
use crate::cli::display::Format;

/// The upper ends of what is told apart, in milliseconds. Beyond the last one is all the rest.
const ENDS_MS: [f64; 10] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 100.0];
/// How many samples are kept for the percentile, which is that of the latest where there are more.
const KEPT_SAMPLES: usize = 20_000;

/// How long each PING of a window took, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Window {
    samples: Vec<f64>,
    /// Which of them is the oldest, once there are enough.
    next: usize,
    count: u64,
    sum: f64,
    most: f64,
    least: Option<f64>,
    by_time: [u64; ENDS_MS.len() + 1],
}

impl Window {
    /// One more.
    pub(super) fn add(&mut self, took: Duration) {
        let took = took.as_secs_f64() * 1000.0;
        self.count += 1;
        self.sum += took;
        self.most = self.most.max(took);
        self.least = Some(self.least.map_or(took, |least| least.min(took)));
        self.by_time[ENDS_MS.iter().position(|&end| took <= end).unwrap_or(ENDS_MS.len())] += 1;
        if self.samples.len() < KEPT_SAMPLES {
            self.samples.push(took);
        } else {
            self.samples[self.next] = took;
            self.next = (self.next + 1) % KEPT_SAMPLES;
        }
    }

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// What 99 of 100 did not exceed.
    fn nearly_all(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or(0.0)
    }

    /// The window as a line, without its end.
    pub(super) fn line(&self, format: Format, measure: Measure, lasted: Duration) -> String {
        let (least, most, mean, p99) = (self.least.unwrap_or(0.0), self.most, self.mean(), self.nearly_all());
        match (measure, format) {
            (Measure::Distribution, Format::Json) => {
                let ends = ENDS_MS.iter().map(ToString::to_string).chain(["more".to_owned()]);
                let counts: serde_json::Map<String, serde_json::Value> =
                    ends.zip(self.by_time.iter().map(|&count| count.into())).collect();
                serde_json::json!({"milliseconds": counts, "samples": self.count}).to_string()
            }
            (_, Format::Json) => serde_json::json!({
                "min_ms": rounded(least), "max_ms": rounded(most), "avg_ms": rounded(mean), "p99_ms": rounded(p99),
                "samples": self.count, "seconds": rounded(lasted.as_secs_f64()),
            })
            .to_string(),
            (Measure::Distribution, _) => {
                let part = |&count: &u64| match count {
                    0 => format!("{:>6}", "-"),
                    _ => format!("{:>6.1}", 100.0 * count as f64 / self.count as f64),
                };
                let parts: String = self.by_time.iter().map(part).collect();
                format!("{parts} {:>8}", self.count)
            }
            (_, Format::Raw) => format!("{least:.3} {most:.3} {mean:.3} {}", self.count),
            (_, Format::Typed) => {
                let count = self.count;
                format!("min: {least:.3}, max: {most:.3}, avg: {mean:.3}, p99: {p99:.3} ms ({count} samples)")
            }
        }
    }

    /// What stands above the lines of distributions.
    pub(super) fn heading() -> String {
        let ends: String = ENDS_MS.iter().map(|end| format!("{:>6}", format!("<={end}"))).collect();
        format!("{ends}{:>6} {:>8}   % of the samples, by milliseconds", "more", "samples")
    }
}

/// To thousandths.
fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(micros: impl IntoIterator<Item = u64>) -> Window {
        let mut window = Window::default();
        micros.into_iter().for_each(|micros| window.add(Duration::from_micros(micros)));
        window
    }

    #[test]
    fn a_window_tells_least_most_mean_and_nearly_all() {
        let window = window(1..=200);
        let line = |format| window.line(format, Measure::Once, Duration::from_secs(1));
        assert_eq!(line(Format::Raw), "0.001 0.200 0.101 200");
        assert_eq!(line(Format::Typed), "min: 0.001, max: 0.200, avg: 0.101, p99: 0.198 ms (200 samples)");
        let json: serde_json::Value = serde_json::from_str(&line(Format::Json)).expect("JSON");
        assert_eq!((&json["p99_ms"], &json["samples"]), (&0.198.into(), &200.into()));
    }

    #[test]
    fn the_distribution_adds_up() {
        let window = window([50, 51, 100, 1_000, 200_000]);
        let line = window.line(Format::Typed, Measure::Distribution, Duration::from_secs(1));
        assert_eq!(line, "  20.0  40.0     -     -  20.0     -     -     -     -     -  20.0        5");
        assert_eq!(Window::heading().split("  %").next().map(|text| text.trim_end().len()), Some(line.len()));
    }

    #[test]
    fn in_a_long_window_the_percentile_is_that_of_the_latest() {
        let window = window((0..KEPT_SAMPLES + 10).map(|_| 5).chain((0..KEPT_SAMPLES).map(|_| 7)));
        let line = window.line(Format::Typed, Measure::Once, Duration::from_secs(400));
        assert!(line.contains("min: 0.005") && line.contains("p99: 0.007"), "{line}");
        assert!((0..KEPT_SAMPLES).all(|at| window.samples[at] > 0.006));
    }

    #[test]
    fn nothing_measured_is_no_division_by_nothing() {
        let empty = window([]);
        assert!(empty.is_empty());
        assert_eq!(empty.line(Format::Raw, Measure::History, Duration::ZERO), "0.000 0.000 0.000 0");
    }
}
