//! The formats of files of counters.

use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;

use super::record::Record;
use super::seal::Sealing;
use super::{csv, jsonl};

/// How counters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Comma-separated values, RFC 4180
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Format {
    /// The format that a file's name ends in.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            _ => None,
        }
    }

    /// The format of a file that begins with this line.
    pub(super) fn of_line(line: &[u8]) -> Self {
        if line.trim_ascii_start().starts_with(b"{") { Self::Jsonl } else { Self::Csv }
    }
}

/// Writes an export.
pub(super) struct Writer<W> {
    out: W,
    format: Format,
    sealing: Sealing,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins an export.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn begin(mut out: W, format: Format) -> io::Result<Self> {
        let head = match format {
            Format::Csv => csv::head(),
            Format::Jsonl => jsonl::head(),
        };
        out.write_all(head.as_bytes())?;
        Ok(Self { out, format, sealing: Sealing::default(), line: Vec::new() })
    }

    /// One more counter.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn write(&mut self, record: &Record) -> io::Result<()> {
        self.line.clear();
        match self.format {
            Format::Csv => csv::record(record, &mut self.line),
            Format::Jsonl => jsonl::record(record, &mut self.line),
        }
        self.sealing.add(record);
        self.out.write_all(&self.line)
    }

    /// How many counters were written.
    pub(super) fn counters(&self) -> u64 {
        self.sealing.counters()
    }

    /// Writes the last line and gives the output back.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let seal = self.sealing.seal();
        let end = match self.format {
            Format::Csv => csv::end(&seal),
            Format::Jsonl => jsonl::end(&seal),
        };
        self.out.write_all(end.as_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }
}
