//! Reads a file of counters, an export or made by hand, and finds what is wrong with it.

use std::io::{self, BufRead, Read};

use super::csv::{self, Line};
use super::format::Format;
use super::jsonl;
use super::record::{Fault, MAX_RECORD_BYTES, Record};
use super::seal::{Seal, Sealing};

/// A counter or a fault, and the line it begins in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    /// The first line has the number 1.
    pub(super) line: u64,
    /// What is there.
    pub(super) found: Result<Record, Fault>,
}

/// Reads one counter after the other.
pub(super) struct Reader<R> {
    input: R,
    format: Option<Format>,
    columns: csv::Parser,
    /// Lines read so far.
    line: u64,
    begun: bool,
    is_export: bool,
    ended: bool,
    is_done: bool,
    is_edited: bool,
    sealing: Sealing,
}

impl<R: BufRead> Reader<R> {
    /// A reader from the beginning; without a format the first line tells it. Of an edited file the count and checksum of the
    /// last line are not looked at.
    pub(super) fn new(input: R, format: Option<Format>, is_edited: bool) -> Self {
        Self {
            input,
            format,
            columns: csv::Parser::default(),
            line: 0,
            begun: false,
            is_export: false,
            ended: false,
            is_done: false,
            is_edited,
            sealing: Sealing::default(),
        }
    }

    /// The next counter or fault; `None` at the end of the file, and after a fault behind which nothing can be understood.
    ///
    /// # Errors
    /// That of the input.
    pub(super) fn next(&mut self) -> io::Result<Option<Numbered>> {
        let mut text = Vec::new();
        while !self.is_done {
            text.clear();
            let Some(line) = self.read_line(&mut text)? else {
                self.is_done = true;
                let cut_short = self.is_export && !self.ended;
                let fault = || Err(Fault::CutShort(self.sealing.counters()));
                return Ok(cut_short.then(|| Numbered { line: self.line, found: fault() }));
            };
            if text.trim_ascii().is_empty() {
                continue;
            }
            let found = match self.understand(&mut text)? {
                Ok(None) => continue,
                Ok(Some(record)) => Ok(record),
                Err(fault) => {
                    self.is_done = fault.is_fatal();
                    Err(fault)
                }
            };
            return Ok(Some(Numbered { line, found }));
        }
        Ok(None)
    }

    /// What was read so far, sealed.
    pub(super) fn seal(&self) -> Seal {
        self.sealing.seal()
    }

    /// How many lines were read so far.
    pub(super) fn lines(&self) -> u64 {
        self.line
    }

    /// Appends a line without its end; answers its number, or `None` where there is none. A line that is too long is read to
    /// its end, and kept as long as shows that it is.
    fn read_line(&mut self, text: &mut Vec<u8>) -> io::Result<Option<u64>> {
        let before = text.len();
        let limit = (MAX_RECORD_BYTES + 2) as u64;
        if self.input.by_ref().take(limit).read_until(b'\n', text)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if !text.ends_with(b"\n") && text.len() - before > MAX_RECORD_BYTES {
            self.skip_line()?;
            return Ok(Some(self.line));
        }
        if text.ends_with(b"\n") {
            text.pop();
            if text.len() > before && text.ends_with(b"\r") {
                text.pop();
            }
        }
        Ok(Some(self.line))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let rest = self.input.fill_buf()?;
            if rest.is_empty() {
                return Ok(());
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(rest.len(), |at| at + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// `None` is a line that is no counter and is as it should be.
    fn understand(&mut self, text: &mut Vec<u8>) -> io::Result<Result<Option<Record>, Fault>> {
        let line = loop {
            if text.len() > MAX_RECORD_BYTES {
                return Ok(Err(Fault::TooLong));
            }
            let format = *self.format.get_or_insert_with(|| Format::of_line(text));
            let line = match format {
                Format::Csv => self.columns.parse(text),
                Format::Jsonl => jsonl::parse(text),
            };
            if line != Ok(Line::Open) {
                break line;
            }
            text.push(b'\n');
            if self.read_line(text)?.is_none() {
                break Err(Fault::OpenQuote);
            }
        };
        let is_first = !std::mem::replace(&mut self.begun, true);
        Ok(line.and_then(|line| self.place(line, is_first)))
    }

    /// Whether the line may stand where it stands.
    fn place(&mut self, line: Line, is_first: bool) -> Result<Option<Record>, Fault> {
        if self.ended {
            return Err(Fault::AfterEnd);
        }
        match line {
            Line::Head if !is_first => return Err(Fault::LateHead),
            Line::Head => self.is_export = true,
            Line::Columns => {}
            // What is open was read on before.
            Line::Open => return Err(Fault::OpenQuote),
            Line::Record(record) => {
                self.sealing.add(&record);
                return Ok(Some(record));
            }
            Line::End(_) if !self.is_export => return Err(Fault::EndOfNoExport),
            Line::End(told) => {
                self.ended = true;
                let found = self.sealing.seal();
                if self.is_edited {
                    return Ok(None);
                }
                if told.counters != found.counters {
                    return Err(Fault::Count { told: told.counters, found: found.counters });
                }
                if told != found {
                    return Err(Fault::Checksum);
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Writer;
    use super::*;
    use crate::base::Amount;

    fn exported(format: Format, names: &[&[u8]]) -> String {
        let mut writer = Writer::begin(Vec::new(), format).expect("room");
        for (name, value) in names.iter().zip(1..) {
            let record = Record { name: name.to_vec(), value: Amount::from(value), precision: None };
            writer.write(&record).expect("room");
        }
        String::from_utf8(writer.finish().expect("room")).expect("UTF-8")
    }

    /// Names, and faults with their lines.
    fn read(text: &[u8], is_edited: bool) -> Vec<String> {
        let mut reader = Reader::new(text, None, is_edited);
        let mut found = Vec::new();
        while let Some(Numbered { line, found: next }) = reader.next().expect("no disk, no error") {
            found.push(match next {
                Ok(record) => format!("{line} {}={}", record.name.escape_ascii(), record.value),
                Err(fault) => format!("{line} {fault}"),
            });
        }
        found
    }

    fn damage(text: &str) -> String {
        read(text.as_bytes(), false).pop().unwrap_or_default()
    }

    const BOTH: [Format; 2] = [Format::Csv, Format::Jsonl];

    #[test]
    fn an_export_is_read_back_with_other_line_ends_and_blank_lines_too() {
        for format in BOTH {
            let text = exported(format, &[b"a,\"b", b"\r\n\xff", " {\u{e9}".as_bytes()]);
            let expected = ["2 a,\\\"b=1", "3 \\r\\n\\xff=2", "4  {\\xc3\\xa9=3"];
            assert_eq!(read(text.as_bytes(), false), expected);
            assert_eq!(read(text.replace("\r\n", "\n").as_bytes(), false), expected);
            assert_eq!(read(text.trim_end().as_bytes(), false), expected);
            let spread = text.replace('\n', "\n\r\n");
            assert_eq!(read(spread.as_bytes(), false)[1], "5 \\r\\n\\xff=2");
            assert!(read(exported(format, &[]).as_bytes(), false).is_empty());
        }
    }

    #[test]
    fn damage_is_found_with_its_line() {
        for format in BOTH {
            let text = exported(format, &[b"one", b"two", b"three"]);
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let without = |index: usize| {
                let kept = lines.iter().enumerate().filter(|(at, _)| *at != index);
                kept.map(|(_, line)| *line).collect::<String>()
            };
            for (text, expected) in [
                (without(4), "4 the export is cut short: it has 3 counters"),
                (without(2), "4 the export had 3 counters, but 2 stand here"),
                (text.replace("two", "tvo"), "5 the checksum"),
                (text.replacen('2', "7", 1), "5 the checksum"),
                (format!("{text}x,1"), "6 "),
                (
                    text.replacen("export\":1", "export\":2", 1).replacen("export_1", "export_2", 1),
                    "1 the file is an export",
                ),
                (
                    without(0),
                    if format == Format::Csv { "1 \"\" is neither a column" } else { "4 this is how an export ends" },
                ),
                (format!("{text}{}", lines[1]), "6 something follows"),
            ] {
                assert!(damage(&text).starts_with(expected), "{expected}\n{text}\n{}", damage(&text));
            }
            let edited = text.replace("two", "tvo");
            assert_eq!(read(edited.as_bytes(), true), ["2 one=1", "3 tvo=2", "4 three=3"]);
            let cut: String = lines[..4].concat();
            assert!(read(cut.as_bytes(), true)[3].contains("cut short"));
        }
    }

    #[test]
    fn every_bad_line_is_told_and_the_next_one_is_read() {
        let long = "x".repeat(20_000);
        let text = format!("a,1\nb,x\n{long}\nc,3\n\"d\nd\",4\ne\n\"f,6\ng,7");
        let found = read(text.as_bytes(), false);
        let starts =
            ["1 a=1", "2 the value \"x\"", "3 the line is longer", "4 c=3", "5 d\\nd=4", "7 there are 1", "8 a field"];
        assert_eq!(found.len(), starts.len(), "{found:?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
    }
}
