//! Options of a measurement on its command line.

use super::Outcome;

/// `--NAME` alone, or with a number behind it, and words.
pub(crate) struct Options {
    numbers: Vec<(&'static str, Option<u32>)>,
    flags: Vec<&'static str>,
    words: Vec<&'static str>,
}

impl Options {
    /// Reads what follows the program's name. `numbers` are the known options with a number, each with what it is if it is
    /// not given; `flags` those without.
    pub(crate) fn read(numbers: &[(&'static str, u32)], flags: &[&'static str]) -> Outcome<Self> {
        let numbers: Vec<_> = numbers.iter().map(|(name, number)| (*name, Some(*number))).collect();
        Self::read_with_words(&numbers, flags, &[])
    }

    /// The same, where numbers may have no default, and with words that need no dashes.
    pub(crate) fn read_with_words(
        numbers: &[(&'static str, Option<u32>)],
        flags: &[&'static str],
        words: &[&'static str],
    ) -> Outcome<Self> {
        let mut options = Self { numbers: numbers.to_vec(), flags: Vec::new(), words: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if let Some((_, number)) = options.numbers.iter_mut().find(|(name, _)| *name == argument) {
                let text = arguments.next().ok_or_else(|| format!("{argument} takes a number"))?;
                *number = Some(text.parse().map_err(|error| format!("{argument} {text}: {error}"))?);
            } else if let Some(flag) = flags.iter().find(|name| **name == argument) {
                options.flags.push(flag);
            } else if let Some(word) = words.iter().find(|word| **word == argument) {
                options.words.push(word);
            } else if argument != "--bench" {
                // That one cargo bench adds.
                let known = numbers.iter().map(|(name, _)| format!("{name} N"));
                let known: Vec<String> = known.chain(flags.iter().chain(words).map(ToString::to_string)).collect();
                return Err(format!("unknown option '{argument}'; known are {}", known.join(", ")).into());
            }
        }
        Ok(options)
    }

    pub(crate) fn number(&self, name: &str) -> u32 {
        self.given(name).unwrap_or(0)
    }

    /// The number of this name, if there is one.
    pub(crate) fn given(&self, name: &str) -> Option<u32> {
        self.numbers.iter().find(|(known, _)| *known == name).and_then(|(_, number)| *number)
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    pub(crate) fn words(&self) -> &[&'static str] {
        &self.words
    }
}
