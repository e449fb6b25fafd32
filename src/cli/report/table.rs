//! Cells in columns.

use crate::cli::colour::Paint;

/// Which side of a column its cells keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Align {
    Left,
    Right,
}

/// Rows under a heading. Columns in which no row has anything are left out.
#[derive(Debug, Default)]
pub(in crate::cli) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<(Vec<String>, bool)>,
}

impl Table {
    /// No rows yet.
    pub(in crate::cli) fn new<N: Into<String>>(columns: impl IntoIterator<Item = (N, Align)>) -> Self {
        Self { columns: columns.into_iter().map(|(name, align)| (name.into(), align)).collect(), rows: Vec::new() }
    }

    /// One more row, with a cell for each column.
    pub(in crate::cli) fn row(&mut self, cells: Vec<String>) {
        self.rows.push((cells, false));
    }

    /// The same, for what is wrong.
    pub(in crate::cli) fn bad_row(&mut self, cells: Vec<String>) {
        self.rows.push((cells, true));
    }

    /// The lines, each with its end and without blanks before it.
    pub(in crate::cli) fn render(&self, paint: Paint) -> String {
        let filled = |column: usize| self.rows.iter().any(|(cells, _)| !cell(cells, column).is_empty());
        let shown: Vec<usize> = (0..self.columns.len()).filter(|column| filled(*column)).collect();
        let heading: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|(cells, _)| cell(cells, column));
            cells.chain([heading[column].as_str()]).map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<(usize, usize)> = shown.iter().map(|column| (*column, width(*column))).collect();
        let line = |cells: &[String]| {
            let parts = widths.iter().map(|(column, width)| match self.columns[*column].1 {
                Align::Left => format!("{:<width$}", cell(cells, *column)),
                Align::Right => format!("{:>width$}", cell(cells, *column)),
            });
            parts.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut text = paint.heading(&line(&heading)) + "\n";
        for (cells, is_bad) in &self.rows {
            let line = line(cells);
            text += &if *is_bad { paint.bad(&line) } else { line };
            text.push('\n');
        }
        text
    }
}

fn cell(cells: &[String], column: usize) -> &str {
    cells.get(column).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table = Table::new([("name", Align::Left), ("empty", Align::Left), ("size", Align::Right)]);
        table.row(vec!["a".into(), String::new(), "10".into()]);
        table.row(vec!["längere".into(), String::new(), "12345".into()]);
        assert_eq!(table.render(Paint::Plain), "name      size\na           10\nlängere  12345\n");
    }

    #[test]
    fn what_is_wrong_stands_out() {
        let mut table = Table::new([("a", Align::Left)]);
        table.bad_row(vec!["x".into()]);
        assert_eq!(table.render(Paint::Ansi), "\x1b[1ma\x1b[0m\n\x1b[31mx\x1b[0m\n");
    }
}
