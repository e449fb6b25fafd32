//! How much is measured.

use crate::support::{Options, Outcome};

/// What the command line asks for. What it leaves open each part decides for itself.
pub(crate) struct Plan {
    /// A few seconds of everything: whether it works, not how fast.
    pub(crate) is_short: bool,
    /// Whether the pages are to show what was measured.
    pub(crate) is_written: bool,
    pub(crate) parts: Vec<&'static str>,
    rounds: Option<u32>,
    seconds: Option<u32>,
    minutes: Option<u32>,
    counters: Option<u32>,
    samples: Option<u32>,
    nodes: Option<u32>,
}

impl Plan {
    pub(crate) fn read(parts: &[&'static str]) -> Outcome<Self> {
        let numbers =
            ["--rounds", "--seconds", "--minutes", "--counters", "--samples", "--nodes"].map(|name| (name, None));
        let options = Options::read_with_words(&numbers, &["--short", "--write"], parts)?;
        if let Some((name, _)) = numbers.iter().find(|(name, _)| options.given(name) == Some(0)) {
            return Err(format!("{name} must be at least 1").into());
        }
        Ok(Self {
            is_short: options.has("--short"),
            is_written: options.has("--write"),
            parts: if options.words().is_empty() { parts.to_vec() } else { options.words().to_vec() },
            rounds: options.given("--rounds"),
            seconds: options.given("--seconds"),
            minutes: options.given("--minutes"),
            counters: options.given("--counters"),
            samples: options.given("--samples"),
            nodes: options.given("--nodes"),
        })
    }

    fn choose(&self, given: Option<u32>, short: u32, full: u32) -> u32 {
        given.unwrap_or(if self.is_short { short } else { full })
    }

    pub(crate) fn rounds(&self, full: u32) -> u32 {
        self.choose(self.rounds, 1, full)
    }

    /// How often something short is tried.
    pub(crate) fn samples(&self, short: u32, full: u32) -> usize {
        self.choose(self.samples, short, full) as usize
    }

    /// How long one round lasts.
    pub(crate) fn seconds(&self, full: f64) -> f64 {
        self.seconds.map_or(if self.is_short { 0.3 } else { full }, f64::from)
    }

    /// How long the long run lasts, in seconds.
    pub(crate) fn long_seconds(&self) -> f64 {
        self.minutes.map_or(if self.is_short { 2.0 } else { 600.0 }, |minutes| f64::from(minutes) * 60.0)
    }

    pub(crate) fn counters(&self, short: u32, full: u32) -> u64 {
        u64::from(self.choose(self.counters, short, full))
    }

    pub(crate) fn nodes(&self, full: u32) -> usize {
        self.choose(self.nodes, full, full) as usize
    }
}
