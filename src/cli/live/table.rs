//! Counters below one another: name, figures, and a plot that fills what is left of the line.

use super::plot::{Series, fit, width};
use super::screen::Line;

/// The widest that a name is shown, and the narrowest plot.
const MAX_NAME_COLUMNS: usize = 40;
const LEAST_PLOT_COLUMNS: usize = 8;

/// One counter.
pub(super) struct Row<'a> {
    /// Its name, fit for a terminal.
    pub(super) name: String,
    /// One text for each heading.
    pub(super) figures: Vec<String>,
    /// What is plotted.
    pub(super) series: &'a Series,
}

/// The lines of a table with these headings over the figures, for a terminal that is so wide.
pub(super) fn lines(headings: &[&str], plot_heading: &str, rows: &[Row<'_>], columns: usize) -> Vec<Line> {
    let name_columns = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0).clamp(4, MAX_NAME_COLUMNS);
    let widest = |(at, heading): (usize, &&str)| {
        rows.iter().filter_map(|row| row.figures.get(at)).map(String::len).max().unwrap_or(0).max(heading.len())
    };
    let figure_columns: Vec<usize> = headings.iter().enumerate().map(widest).collect();
    let taken = name_columns + figure_columns.iter().map(|columns| columns + 2).sum::<usize>() + 2;
    let plot_columns = columns.saturating_sub(taken).max(LEAST_PLOT_COLUMNS);
    let line = |name: &str, figures: &mut dyn Iterator<Item = &str>, plot: &str| {
        let figures: String =
            figures.zip(&figure_columns).map(|(figure, columns)| format!("  {figure:>columns$}")).collect();
        // What is cut first on a narrow terminal stands last.
        format!("{}{figures}  {plot}", fit(name, name_columns))
    };
    let heading = line("name", &mut headings.iter().copied(), &format!("{plot_heading:>plot_columns$}"));
    let rows = rows.iter().map(|row| {
        let plot = row.series.plot(plot_columns);
        Line::Plain(line(&row.name, &mut row.figures.iter().map(String::as_str), &plot))
    });
    std::iter::once(Line::Heading(heading)).chain(rows).collect()
}
