//! Counters as lines of CSV, by RFC 4180: columns `name`, `name_base64`, `value` and `precision`.

use std::ops::RangeInclusive;

use super::record::{Fault, Record, base64_of, name_of, plain_text, precision_of, shown, value_of};
use super::seal::{FORMAT_VERSION, Seal};
use crate::base::Amount;

/// The last column of an export is named after the version of the format, and holds what the last line tells.
const VERSION_COLUMN: &[u8] = b"discnt_export_";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A name, a value, and perhaps a precision.
const BARE_FIELDS: RangeInclusive<usize> = 2..=3;

/// What a line of a file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The first one of an export.
    Head,
    /// Names of columns in a file that is no export.
    Columns,
    /// A counter.
    Record(Record),
    /// The last one of an export.
    End(Seal),
    /// The line break is inside a quoted field: more must be read.
    Open,
}

/// Which field holds what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Columns {
    /// How many fields the first line has; nothing where a counter stands without names of columns.
    count: Option<usize>,
    name: Option<usize>,
    name_base64: Option<usize>,
    value: usize,
    precision: Option<usize>,
    end: Option<usize>,
}

/// Understands one line after the other.
#[derive(Debug, Default)]
pub(super) struct Parser {
    columns: Option<Columns>,
}

impl Parser {
    /// What this line is. It has no line break at its end any more.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn parse(&mut self, line: &[u8]) -> Result<Line, Fault> {
        let line = match self.columns {
            None => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            Some(_) => line,
        };
        let Some(fields) = split(line)? else { return Ok(Line::Open) };
        let columns = match self.columns {
            Some(columns) => columns,
            None => {
                // A counter may be called like a column; what else the line has tells them apart.
                let bare = Columns::bare(&fields);
                if bare.is_err() && fields.iter().any(|field| is_column(field)) {
                    let columns = Columns::named(&fields)?;
                    self.columns = Some(columns);
                    return Ok(if columns.end.is_some() { Line::Head } else { Line::Columns });
                }
                *self.columns.insert(bare?)
            }
        };
        columns.line(&fields)
    }
}

fn is_column(field: &[u8]) -> bool {
    let field = field.trim_ascii();
    [&b"name"[..], b"name_base64", b"value", b"precision"].iter().any(|column| field.eq_ignore_ascii_case(column))
}

impl Columns {
    fn named(fields: &[Vec<u8>]) -> Result<Self, Fault> {
        let mut columns = Self { count: Some(fields.len()), ..Self::default() };
        let mut value = None;
        for (index, field) in fields.iter().enumerate() {
            let name = field.trim_ascii().to_ascii_lowercase();
            let column = match name.as_slice() {
                b"name" => &mut columns.name,
                b"name_base64" => &mut columns.name_base64,
                b"value" => &mut value,
                b"precision" => &mut columns.precision,
                other => match other.strip_prefix(VERSION_COLUMN) {
                    Some(version) => {
                        check_version(version)?;
                        &mut columns.end
                    }
                    None => return Err(Fault::Header(shown(field))),
                },
            };
            if column.replace(index).is_some() {
                return Err(Fault::Columns);
            }
        }
        match value {
            Some(value) if columns.name.is_some() || columns.name_base64.is_some() => Ok(Self { value, ..columns }),
            _ => Err(Fault::Columns),
        }
    }

    /// Name, value and perhaps precision, without a line that says so.
    fn bare(fields: &[Vec<u8>]) -> Result<Self, Fault> {
        let text = fields.get(1).map_or(&[][..], Vec::as_slice);
        if !BARE_FIELDS.contains(&fields.len()) || Amount::parse(text).is_err() {
            return Err(Fault::Header(shown(text)));
        }
        Ok(Self { name: Some(0), value: 1, precision: Some(2), ..Self::default() })
    }

    fn line(&self, fields: &[Vec<u8>]) -> Result<Line, Fault> {
        let found = fields.len();
        let (is_right, expected) = match self.count {
            Some(count) => (found == count, format!("{count}, as in the first line,")),
            None => (BARE_FIELDS.contains(&found), "2 or 3".to_owned()),
        };
        if !is_right {
            return Err(Fault::Fields { found, expected });
        }
        let field = |index: Option<usize>| index.and_then(|index| fields.get(index)).map(Vec::as_slice);
        if let Some(end) = field(self.end).filter(|end| !end.is_empty()) {
            return Seal::parse(end).map(Line::End).ok_or(Fault::End);
        }
        Ok(Line::Record(Record {
            name: name_of(field(self.name), field(self.name_base64))?,
            value: value_of(field(Some(self.value)).unwrap_or_default())?,
            precision: precision_of(field(self.precision).unwrap_or_default())?,
        }))
    }
}

fn check_version(digits: &[u8]) -> Result<(), Fault> {
    let version = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    match version.unwrap_or(0) {
        FORMAT_VERSION => Ok(()),
        other => Err(Fault::Version(other)),
    }
}

/// The fields of a line, or `None` if its last quote is still open.
fn split(line: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Fault> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let mut field = Vec::new();
        if let Some(mut quoted) = rest.strip_prefix(b"\"") {
            loop {
                let Some(at) = quoted.iter().position(|byte| *byte == b'"') else { return Ok(None) };
                field.extend_from_slice(&quoted[..at]);
                quoted = &quoted[at + 1..];
                match quoted.strip_prefix(b"\"") {
                    Some(after) => {
                        field.push(b'"');
                        quoted = after;
                    }
                    None => break,
                }
            }
            rest = quoted;
        } else {
            let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
            let (plain, after) = rest.split_at(end);
            if plain.contains(&b'"') {
                return Err(Fault::StrayQuote);
            }
            if plain.contains(&b'\r') {
                return Err(Fault::StrayReturn);
            }
            field.extend_from_slice(plain);
            rest = after;
        }
        fields.push(field);
        rest = match rest.split_first() {
            None => return Ok(Some(fields)),
            Some((b',', after)) => after,
            Some(_) => return Err(Fault::StrayQuote),
        };
    }
}

/// The first line of an export.
pub(super) fn head() -> String {
    format!("name,name_base64,value,precision,discnt_export_{FORMAT_VERSION}\r\n")
}

/// The line of a counter.
pub(super) fn record(record: &Record, out: &mut Vec<u8>) {
    match plain_text(&record.name) {
        Some(text) if text.contains([',', '"']) => {
            out.extend_from_slice(format!("\"{}\",,", text.replace('"', "\"\"")).as_bytes());
        }
        Some(text) => {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b",,");
        }
        None => out.extend_from_slice(format!(",{},", base64_of(&record.name)).as_bytes()),
    }
    record.value.write_to(out);
    out.push(b',');
    if let Some(precision) = record.precision {
        precision.write_to(out);
    }
    out.extend_from_slice(b",\r\n");
}

/// The last line of an export.
pub(super) fn end(seal: &Seal) -> String {
    format!(",,,,{seal}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::transfer::record::any_record;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<Result<Line, Fault>> {
        let mut parser = Parser::default();
        text.split('\n').map(|line| parser.parse(line.as_bytes())).collect()
    }

    fn record_of(name: &str, value: &str, precision: Option<&str>) -> Result<Line, Fault> {
        let amount = |text: &str| Amount::parse(text.as_bytes()).expect("a number");
        Ok(Line::Record(Record { name: name.into(), value: amount(value), precision: precision.map(amount) }))
    }

    #[test]
    fn a_file_made_by_hand_needs_no_first_line() {
        assert_eq!(
            lines("visits,10.5\n\"a,\"\"b\"\"\nc\",-1e3\nname,1\n x ,2"),
            [
                record_of("visits", "10.5", None),
                Ok(Line::Open),
                Err(Fault::StrayQuote),
                record_of("name", "1", None),
                record_of(" x ", "2", None)
            ]
        );
        assert_eq!(lines("\u{feff}name,5,0.5"), [record_of("name", "5", Some("0.5"))]);
        assert_eq!(Parser::default().parse(b"\"a\nb\",1"), record_of("a\nb", "1", None));
    }

    #[test]
    fn columns_stand_in_any_order() {
        let text = "\u{feff}Precision, VALUE ,name_base64,name\n2,7,,a\n,8,AP8=,\n,8,,";
        let read = lines(text);
        assert_eq!(read[..2], [Ok(Line::Columns), record_of("a", "7", Some("2"))]);
        let Ok(Line::Record(binary)) = &read[2] else { panic!("{:?}", read[2]) };
        assert_eq!(binary.name, b"\0\xff");
        assert_eq!(read[3], Err(Fault::NoName));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, fault) in [
            ("a,b", Fault::Header("\"b\"".into())),
            ("a", Fault::Header("\"\"".into())),
            ("name,valeu", Fault::Header("\"valeu\"".into())),
            ("name,precision", Fault::Columns),
            ("name,name,value", Fault::Columns),
            ("name,value,discnt_export_2", Fault::Version(2)),
            ("a,1\nb", Fault::Fields { found: 1, expected: "2 or 3".into() }),
            ("a,1\nb,", Fault::NoValue),
            ("a,1\nb,1.234567890123456789", Fault::Value("\"1.234567890123456789\"".into())),
            ("a,1,\nb,1,-1", Fault::Precision("\"-1\"".into())),
            ("a,1\nb\"c,1", Fault::StrayQuote),
            ("a,1\n\"b\"c,1", Fault::StrayQuote),
            ("a,1\nb\rc,1", Fault::StrayReturn),
            ("name,name_base64,value\na,YQ==,1", Fault::TwoNames),
            ("name_base64,value\nYQ,1", Fault::NotBase64("\"YQ\"".into())),
            ("name,value,discnt_export_1\n,,x", Fault::End),
        ] {
            assert_eq!(lines(text).pop(), Some(Err(fault)), "{text}");
        }
        let latin = Parser::default().parse(b"caf\xe9,1");
        assert_eq!(latin, Err(Fault::NameNotText("\"caf\\xe9\"".into())));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(written in any_record()) {
            let mut line = Vec::new();
            record(&written, &mut line);
            let line = line.strip_suffix(b"\r\n").expect("a line");
            prop_assert!(!line.contains(&b'\n'));
            let mut parser = Parser::default();
            prop_assert_eq!(parser.parse(head().trim_end().as_bytes()), Ok(Line::Head));
            prop_assert_eq!(parser.parse(line), Ok(Line::Record(written)));
        }

        #[test]
        fn no_line_makes_the_parser_panic(lines in prop::collection::vec("[a1,\"\r\\PC]{0,12}", 1..4)) {
            let mut parser = Parser::default();
            for line in lines {
                let _ = parser.parse(line.as_bytes());
            }
        }
    }
}
