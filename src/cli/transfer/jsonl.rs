//! Counters as JSON lines: `{"name":"visits","value":"10.5","precision":"2"}`, with `name_base64` for names that are no text.
//!
//! Values are texts: most readers of JSON would round numbers.

use std::borrow::Cow;

use serde::Deserialize;

use super::csv::Line;
use super::record::{Fault, Record, base64_of, name_of, plain_text, precision_of, value_of};
use super::seal::{FORMAT_VERSION, Seal};

/// All that a line may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    discnt_export: Option<u64>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name_base64: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Option<Decimal<'a>>,
    #[serde(borrow)]
    precision: Option<Decimal<'a>>,
    counters: Option<u64>,
    #[serde(borrow)]
    sha256: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Decimal<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Whole(i64),
    Natural(u64),
    Number(f64),
}

impl Decimal<'_> {
    fn text(&self) -> Result<Cow<'_, str>, Fault> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Whole(number) => Ok(number.to_string().into()),
            Self::Natural(number) => Ok(number.to_string().into()),
            Self::Number(number) => Err(Fault::JsonNumber(number.to_string())),
        }
    }
}

/// What this line is. It has no line break at its end any more.
///
/// # Errors
/// [`Fault`].
pub(super) fn parse(line: &[u8]) -> Result<Line, Fault> {
    // An array of the same values would be taken for an object otherwise.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(Fault::Json("this is no JSON object".to_owned()));
    }
    let fields: Fields<'_> = serde_json::from_slice(line).map_err(|error| Fault::Json(without_line(&error)))?;
    if let Some(version) = fields.discnt_export {
        return if version == FORMAT_VERSION { Ok(Line::Head) } else { Err(Fault::Version(version)) };
    }
    if fields.counters.is_some() || fields.sha256.is_some() {
        let seal = fields.counters.zip(fields.sha256).and_then(|(counters, sha256)| Seal::new(counters, &sha256));
        return seal.map(Line::End).ok_or(Fault::End);
    }
    let bytes = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| text.as_bytes().to_vec());
    let decimal = |field: &Option<Decimal<'_>>| match field {
        Some(field) => field.text().map(|text| text.as_bytes().to_vec()),
        None => Ok(Vec::new()),
    };
    Ok(Line::Record(Record {
        name: name_of(bytes(&fields.name).as_deref(), bytes(&fields.name_base64).as_deref())?,
        value: value_of(&decimal(&fields.value)?)?,
        precision: precision_of(&decimal(&fields.precision)?)?,
    }))
}

/// The line is known better than by the parser, which sees but one.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

/// The first line of an export.
pub(super) fn head() -> String {
    format!("{{\"discnt_export\":{FORMAT_VERSION}}}\n")
}

/// The line of a counter.
pub(super) fn record(record: &Record, out: &mut Vec<u8>) {
    match plain_text(&record.name) {
        Some(text) => out.extend_from_slice(format!("{{\"name\":{},", serde_json::Value::from(text)).as_bytes()),
        None => out.extend_from_slice(format!("{{\"name_base64\":\"{}\",", base64_of(&record.name)).as_bytes()),
    }
    out.extend_from_slice(b"\"value\":\"");
    record.value.write_to(out);
    if let Some(precision) = record.precision {
        out.extend_from_slice(b"\",\"precision\":\"");
        precision.write_to(out);
    }
    out.extend_from_slice(b"\"}\n");
}

/// The last line of an export.
pub(super) fn end(seal: &Seal) -> String {
    format!("{{\"counters\":{},\"sha256\":\"{}\"}}\n", seal.counters, seal.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Amount;
    use crate::cli::transfer::record::any_record;
    use proptest::prelude::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text.as_bytes()).expect("a number")
    }

    #[test]
    fn names_are_text_or_base64_and_values_text_or_whole_numbers() {
        for (line, name, value, precision) in [
            (r#"{"name":"a","value":"0.1"}"#, &b"a"[..], "0.1", None),
            (r#" { "value" : -5 , "name" : "a\n\u00e9" } "#, "a\n\u{e9}".as_bytes(), "-5", None),
            (r#"{"name":"a","value":18446744073709551615}"#, b"a", "18446744073709551615", None),
            (r#"{"name_base64":"AP8=","value":"1","precision":"2.5"}"#, b"\0\xff", "1", Some("2.5")),
            (r#"{"name":"a","value":"1","precision":null}"#, b"a", "1", None),
        ] {
            let expected = Record { name: name.into(), value: amount(value), precision: precision.map(amount) };
            assert_eq!(parse(line.as_bytes()), Ok(Line::Record(expected)), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (line, word) in [
            ("visits,1", "object is expected"),
            (r#"{"name":"a","valeu":"1"}"#, "unknown field `valeu`"),
            (r#"{"name":"a","value":"1"#, "EOF"),
            (r#"{"name":"a","value":"1","value":"2"}"#, "duplicate field"),
            (r#"{"name":"a","value":0.1}"#, "a text is expected"),
            (r#"{"name":"a","value":1e30}"#, "a text is expected"),
            (r#"{"name":"a","value":"1e-18"}"#, "17 digits"),
            (r#"{"name":"a"}"#, "no value"),
            (r#"{"name":"","value":"1"}"#, "no name"),
            (r#"{"name":"a","name_base64":"YQ==","value":"1"}"#, "one of them"),
            (r#"{"name_base64":"Y","value":"1"}"#, "not base64"),
            (r#"{"name":"a","value":"1","precision":"-1"}"#, "from 0"),
            (r#"{"discnt_export":2}"#, "version 2"),
            (r#"{"counters":1,"sha256":"00"}"#, "64 hexadecimal digits"),
            (r#"{"counters":1}"#, "64 hexadecimal digits"),
            ("[]", "object is expected"),
        ] {
            let fault = parse(line.as_bytes()).expect_err("refused").to_string();
            assert!(fault.contains(word), "{line}: {fault}");
        }
        let long = format!(r#"{{"name":"{}","value":"1"}}"#, "x".repeat(513));
        assert!(parse(long.as_bytes()).expect_err("refused").to_string().contains("513 bytes"));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(written in any_record()) {
            let mut line = Vec::new();
            record(&written, &mut line);
            prop_assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
            prop_assert_eq!(parse(&line), Ok(Line::Record(written)));
        }

        #[test]
        fn no_line_makes_the_parser_panic(line in "[{}\":,a-z0-9\\\\]{0,40}") {
            let _ = parse(line.as_bytes());
        }
    }
}
