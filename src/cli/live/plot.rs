//! Small plots, and texts of a given width.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthChar;

use crate::cli::quote::escape;

/// The steps of a plot, from nothing to all.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How many figures are kept: as many as fit on a wide terminal.
const MOST_KEPT: usize = 400;

/// The latest figures, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(VecDeque<f64>);

impl Series {
    /// One more. The oldest goes where there are many.
    pub(super) fn push(&mut self, figure: f64) {
        if self.0.len() == MOST_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(figure);
    }

    /// A line of so many characters in which each figure is a bar, the newest at the right. The largest is the highest;
    /// figures below nothing count by their size.
    pub(super) fn plot(&self, width: usize) -> String {
        let shown = self.0.len().min(width);
        let figures = || self.0.iter().skip(self.0.len() - shown).map(|figure| figure.abs());
        let most = figures().fold(0.0, f64::max);
        let bars = figures().map(|figure| {
            let part = if most > 0.0 { figure / most } else { 0.0 };
            // Only nothing is drawn as nothing.
            let step = if figure > 0.0 { (part * 7.0).ceil() as usize } else { 0 };
            STEPS[step.min(7)]
        });
        std::iter::repeat_n(' ', width - shown).chain(bars).collect()
    }
}

/// A name on one line, without anything that a terminal would act on. Two names never look the same: what is no text, the
/// backslash and control characters are shown as [`escape`] does.
pub(super) fn shown_name(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' || character.is_control() {
                shown.push_str(&escape(character.encode_utf8(&mut [0; 4]).as_bytes()));
            } else {
                shown.push(character);
            }
        }
        shown.push_str(&escape(chunk.invalid()));
    }
    shown
}

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// The beginning of a text that takes no more than so many columns.
pub(super) fn cut(text: &str, columns: usize) -> String {
    let mut left = columns;
    text.chars()
        .take_while(|character| {
            let needed = character.width().unwrap_or(0);
            let fits = needed <= left;
            left = left.saturating_sub(needed);
            fits
        })
        .collect()
}

/// A text in exactly so many columns; one that is too long loses its end, which is shown.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let text = if width(text) <= columns { text.to_owned() } else { cut(text, columns.saturating_sub(1)) + "…" };
    let missing = columns.saturating_sub(width(&text));
    let text = cut(&text, columns);
    text + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(figures: &[f64]) -> Series {
        let mut series = Series::default();
        figures.iter().for_each(|&figure| series.push(figure));
        series
    }

    #[test]
    fn the_largest_is_the_highest_and_only_nothing_is_lowest() {
        assert_eq!(series(&[0.0, 1.0, 50.0, -100.0]).plot(6), "  ▁▂▅█");
        assert_eq!(series(&[1.0, 2.0, 3.0, 0.5]).plot(2), "█▃");
        assert_eq!(series(&[0.0, 0.0]).plot(3), " ▁▁");
        assert_eq!(series(&[]).plot(2), "  ");
    }

    #[test]
    fn only_the_latest_are_kept() {
        let many = series(&vec![1.0; MOST_KEPT + 5]);
        assert_eq!(many.0.len(), MOST_KEPT);
    }

    #[test]
    fn texts_take_the_columns_that_they_are_given() {
        assert_eq!(fit("visits", 8), "visits  ");
        assert_eq!(fit("visits:long", 8), "visits:…");
        assert_eq!(fit("数え切れない", 6), "数え… ");
        assert_eq!(width(&fit("数え切れない", 6)), 6);
        assert_eq!(cut("数え", 3), "数");
        assert_eq!(shown_name(b"a\x1b[2Jb\nc"), "a\\x1b[2Jb\\nc");
        assert_eq!(shown_name("数え \"q\"".as_bytes()), "数え \"q\"");
        assert_eq!(shown_name(b"n\xff1 c\rd \\xff \xc2\x9b"), "n\\xff1 c\\rd \\\\xff \\xc2\\x9b");
    }
}
