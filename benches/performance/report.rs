//! What a part has to say: text, tables, and which targets were met. All of it is Markdown that can be read as it is.

use std::fmt::Write as _;

/// A table with headings; numbers are aligned to the right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(ToString::to_string).collect()] }
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.to_vec());
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let length = |row: &Vec<String>, column| cell(row, column).chars().count();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| length(row, column)).max().unwrap_or(0).max(3))
            .collect();
        let is_number: Vec<bool> = (0..columns)
            .map(|column| self.rows.iter().skip(1).all(|row| !cell(row, column).starts_with(char::is_alphabetic)))
            .collect();
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                let cell = cell(row, column);
                let padding = " ".repeat(width - cell.chars().count());
                let (before, behind) =
                    if is_number[column] { (padding, String::new()) } else { (String::new(), padding) };
                let _ = write!(text, "| {before}{cell}{behind} ");
            }
            text.push_str("|\n");
            if index == 0 {
                for (width, is_number) in widths.iter().zip(&is_number) {
                    let _ = write!(text, "|{}{}", "-".repeat(width + 1), if *is_number { ":" } else { "-" });
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// What is aimed at, and what came of it.
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) aim: String,
    pub(crate) measured: String,
    pub(crate) is_met: bool,
}

/// What one part has to say.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    title: &'static str,
    text: String,
    targets: Vec<Target>,
    is_judged: bool,
}

impl Section {
    /// `is_judged`: whether the figures are good enough to say what was met.
    pub(crate) fn new(name: &'static str, title: &'static str, is_judged: bool) -> Self {
        Self { name, title, text: String::new(), targets: Vec::new(), is_judged }
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}\n");
    }

    pub(crate) fn table(&mut self, table: &Table) {
        let _ = writeln!(self.text, "{}", table.render());
    }

    pub(crate) fn target(&mut self, target: Target) {
        self.targets.push(target);
    }

    /// A figure that shall not be above this.
    pub(crate) fn at_most(&mut self, what: &str, measured: f64, most: f64, unit: &str) {
        let (aim, measured, is_met) = (format!("<= {most}{unit}"), figure(measured) + unit, measured <= most);
        self.target(Target { what: what.to_owned(), aim, measured, is_met });
    }

    /// A figure that shall not be below this.
    pub(crate) fn at_least(&mut self, what: &str, measured: f64, least: f64, unit: &str) {
        let (aim, measured, is_met) = (format!(">= {least}{unit}"), figure(measured) + unit, measured >= least);
        self.target(Target { what: what.to_owned(), aim, measured, is_met });
    }

    /// The targets alone, for a page with few words.
    pub(crate) fn summary(&self) -> String {
        let mut table = Table::new(&["", "target", "measured", "so it is"]);
        for target in &self.targets {
            let verdict = match (self.is_judged, target.is_met) {
                (false, _) => "not judged",
                (true, true) => "met",
                (true, false) => "NOT MET",
            };
            let cells = [&target.what, &target.aim, &target.measured, verdict].map(str::to_owned);
            table.row(&cells);
        }
        table.render()
    }

    /// All but the targets, without a heading.
    pub(crate) fn body(&self) -> &str {
        &self.text
    }

    /// All of it, under a heading.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("## {}: {}\n\n{}", self.name, self.title, self.text);
        if !self.targets.is_empty() {
            let _ = writeln!(text, "{}", self.summary());
        }
        text
    }
}

/// Three digits that count, or all that are before the point.
pub(crate) fn figure(number: f64) -> String {
    let digits = if number == 0.0 || !number.is_finite() { 0 } else { 2 - number.abs().log10().floor() as i32 };
    format!("{number:.*}", digits.clamp(0, 6) as usize)
}
