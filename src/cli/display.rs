//! A reply as text: typed and indented for a person, bare for a program.
//!
//! The typed form is redis-cli's, with one difference: a string that is an amount as Discnt prints amounts (`0.1`, `-3`)
//! is shown without quotes, as amounts are what this client mostly shows.

use crate::base::Amount;

use super::json;
use super::quote::{printable, quote};
use super::value::Value;

/// How replies are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Typed, as redis-cli shows replies on a terminal: `(integer) 3`, `1) "a"`, `(nil)`.
    Typed,
    /// The bytes of the reply and nothing else, for programs; list elements on lines of their own.
    Raw,
    /// One line of JSON.
    Json,
}

impl Format {
    /// The reply to `command` as it is printed, with the line end.
    pub(super) fn render<A: AsRef<[u8]>>(self, reply: &Value, command: &[A]) -> Vec<u8> {
        let mut out = match self {
            Self::Json => json::render(reply).into_bytes(),
            Self::Raw => raw(reply),
            Self::Typed => match reply.bytes() {
                Some(text) if answers_text(command) => printable(text).into_bytes(),
                _ => typed(reply).into_bytes(),
            },
        };
        // Raw output ends in a line end of its own, for else an empty last element would be no line.
        if self == Self::Raw || out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
        out
    }
}

/// Whether the command answers a text of several lines that is for reading as it is.
fn answers_text<A: AsRef<[u8]>>(command: &[A]) -> bool {
    const TEXTS: [&[&str]; 6] =
        [&["info"], &["lolwut"], &["cluster", "nodes"], &["cluster", "info"], &["client", "list"], &["client", "info"]];
    TEXTS.iter().any(|words| {
        words.len() <= command.len()
            && words.iter().zip(command).all(|(word, given)| given.as_ref().eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// The typed form, without a line end.
pub(super) fn typed(reply: &Value) -> String {
    match reply {
        Value::Status(text) | Value::Verbatim(text) => printable(text),
        Value::Error(text) => format!("(error) {}", printable(text)),
        Value::Integer(number) => format!("(integer) {number}"),
        Value::Bulk(bytes) => typed_string(bytes),
        Value::Null => "(nil)".to_owned(),
        Value::Boolean(true) => "(true)".to_owned(),
        Value::Boolean(false) => "(false)".to_owned(),
        Value::Double(digits) => format!("(double) {}", printable(digits.as_bytes())),
        Value::BigNumber(digits) => format!("(big number) {}", printable(digits.as_bytes())),
        Value::Array(elements) => typed_list(elements, ')', "(empty array)"),
        Value::Set(elements) => typed_list(elements, '~', "(empty set)"),
        Value::Push(elements) => typed_list(elements, '>', "(empty push)"),
        Value::Map(pairs) if pairs.is_empty() => "(empty hash)".to_owned(),
        Value::Map(pairs) => numbered(pairs, '#', |(key, value), indent| {
            let key = indented(&typed(key), indent);
            let value = typed(value);
            if value.contains('\n') {
                let margin = " ".repeat(indent);
                format!("{key} =>\n{margin}{}", indented(&value, indent))
            } else {
                format!("{key} => {value}")
            }
        }),
    }
}

fn typed_string(bytes: &[u8]) -> String {
    match Amount::parse(bytes) {
        // Only as Discnt prints it: `1e3`, `007` and `.5` are names or texts like any other.
        Ok(amount) if amount.to_string().as_bytes() == bytes => amount.to_string(),
        _ => quote(bytes),
    }
}

fn typed_list(elements: &[Value], mark: char, empty: &str) -> String {
    if elements.is_empty() {
        return empty.to_owned();
    }
    numbered(elements, mark, |element, indent| indented(&typed(element), indent))
}

/// Lines `1) ...`, with the numbers aligned; `render` is told how far its further lines have to be indented.
fn numbered<T>(items: &[T], mark: char, render: impl Fn(&T, usize) -> String) -> String {
    let width = items.len().to_string().len();
    let lines: Vec<String> = items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let number = index + 1;
            format!("{number:>width$}{mark} {}", render(item, width + 2))
        })
        .collect();
    lines.join("\n")
}

fn indented(text: &str, columns: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(columns)))
}

/// The bare form, without a line end: what a shell script wants.
pub(super) fn raw(reply: &Value) -> Vec<u8> {
    match reply {
        Value::Status(bytes) | Value::Error(bytes) | Value::Bulk(bytes) | Value::Verbatim(bytes) => bytes.clone(),
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Null => Vec::new(),
        Value::Boolean(true) => b"(true)".to_vec(),
        Value::Boolean(false) => b"(false)".to_vec(),
        Value::Double(digits) | Value::BigNumber(digits) => digits.clone().into_bytes(),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            elements.iter().map(raw).collect::<Vec<_>>().join(&b'\n')
        }
        Value::Map(pairs) => {
            pairs.iter().map(|(key, value)| [raw(key), raw(value)].join(&b' ')).collect::<Vec<_>>().join(&b'\n')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    fn shown(format: Format, reply: &Value) -> String {
        String::from_utf8(format.render(reply, &["get", "a"])).expect("UTF-8")
    }

    #[test]
    fn single_values_are_typed_as_in_redis_cli() {
        for (reply, expected) in [
            (Value::Status(b"OK".into()), "OK\n"),
            (Value::Error(b"ERR no".into()), "(error) ERR no\n"),
            (Value::Integer(-3), "(integer) -3\n"),
            (bulk("a \"b\"\x01"), "\"a \\\"b\\\"\\x01\"\n"),
            (Value::Null, "(nil)\n"),
            (Value::Boolean(true), "(true)\n"),
            (Value::Double("1.50".into()), "(double) 1.50\n"),
            (Value::BigNumber("12".into()), "(big number) 12\n"),
            (Value::Array(vec![]), "(empty array)\n"),
            (Value::Set(vec![]), "(empty set)\n"),
            (Value::Map(vec![]), "(empty hash)\n"),
            (Value::Verbatim(b"a\nb\n".into()), "a\nb\n"),
        ] {
            assert_eq!(shown(Format::Typed, &reply), expected);
        }
    }

    #[test]
    fn only_amounts_lose_their_quotes() {
        for amount in ["0", "0.1", "-3", "100000000000000000000", "-0.00000000000000001"] {
            assert_eq!(typed(&bulk(amount)), amount);
        }
        for text in ["", "1e3", ".5", "007", "1.0", "-0", "+1", "nan", "3 ", "0x1"] {
            assert_eq!(typed(&bulk(text)), format!("\"{text}\""));
        }
    }

    #[test]
    fn lists_are_numbered_and_nested_ones_indented() {
        let mut elements: Vec<Value> = (1..=9).map(Value::Integer).collect();
        elements.push(Value::Array(vec![bulk("a"), Value::Array(vec![bulk("b"), Value::Null])]));
        elements[1] = Value::Set(vec![bulk("x"), bulk("y")]);
        let expected = " 1) (integer) 1
 2) 1~ \"x\"
    2~ \"y\"
 3) (integer) 3
 4) (integer) 4
 5) (integer) 5
 6) (integer) 6
 7) (integer) 7
 8) (integer) 8
 9) (integer) 9
10) 1) \"a\"
    2) 1) \"b\"
       2) (nil)
";
        assert_eq!(shown(Format::Typed, &Value::Array(elements)), expected);
    }

    #[test]
    fn maps_show_pairs_and_long_values_below_their_key() {
        let reply = Value::Map(vec![
            (bulk("one"), Value::Map(vec![(bulk("b"), Value::Integer(1))])),
            (
                bulk("many"),
                Value::Array(vec![
                    Value::Map(vec![
                        (bulk("k"), bulk("v")),
                        (bulk("flags"), Value::Set(vec![Value::Status(b"optional".into())])),
                    ]),
                    Value::Null,
                ]),
            ),
            (bulk("none"), Value::Array(vec![])),
        ]);
        let expected = "\
1# \"one\" => 1# \"b\" => (integer) 1
2# \"many\" =>
   1) 1# \"k\" => \"v\"
      2# \"flags\" => 1~ optional
   2) (nil)
3# \"none\" => (empty array)
";
        assert_eq!(shown(Format::Typed, &reply), expected);
    }

    #[test]
    fn raw_is_the_bytes_alone() {
        for (reply, expected) in [
            (bulk("0.1"), "0.1\n"),
            (Value::Integer(3), "3\n"),
            (Value::Null, "\n"),
            (Value::Array(vec![bulk("a"), Value::Null]), "a\n\n"),
            (bulk("text\n"), "text\n\n"),
            (Value::Error(b"ERR no".into()), "ERR no\n"),
            (Value::Array(vec![bulk("a"), Value::Array(vec![bulk("b"), bulk("c")])]), "a\nb\nc\n"),
            (Value::Map(vec![(bulk("a"), Value::Integer(1)), (bulk("b"), Value::Null)]), "a 1\nb \n"),
        ] {
            assert_eq!(shown(Format::Raw, &reply), expected);
        }
        assert_eq!(Format::Raw.render(&Value::Bulk(vec![0, 0xff]), &["get"]), [0, 0xff, b'\n']);
    }

    #[test]
    fn texts_for_reading_are_not_quoted() {
        let text = bulk("# Server\r\nversion:1\r\n");
        let show = |command: &[&str]| String::from_utf8(Format::Typed.render(&text, command)).expect("UTF-8");
        assert_eq!(show(&["INFO", "server"]), "# Server\nversion:1\n");
        assert_eq!(show(&["cluster", "NODES"]), "# Server\nversion:1\n");
        assert_eq!(show(&["cluster"]), "\"# Server\\r\\nversion:1\\r\\n\"\n");
        assert_eq!(show(&["get", "info"]), "\"# Server\\r\\nversion:1\\r\\n\"\n");
    }
}
