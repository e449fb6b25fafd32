//! A reply as one line of JSON.
//!
//! Strings stay strings, amounts too: JSON's readers would round them. A string that is not UTF-8 is written with the escapes
//! of the typed form (`a\xff`), with their backslashes. Maps become objects; a key that is not a string becomes the
//! JSON of the key. An error becomes `{"error": "..."}`.

use super::quote::escape;
use super::value::Value;

/// The JSON of a reply, without a line end.
pub(super) fn render(reply: &Value) -> String {
    let mut out = String::new();
    write(reply, &mut out);
    out
}

fn write(reply: &Value, out: &mut String) {
    match reply {
        Value::Status(bytes) | Value::Bulk(bytes) | Value::Verbatim(bytes) => string(bytes, out),
        Value::Error(bytes) => {
            out.push_str("{\"error\":");
            string(bytes, out);
            out.push('}');
        }
        Value::Integer(number) => out.push_str(&number.to_string()),
        Value::Null => out.push_str("null"),
        Value::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Double(digits) | Value::BigNumber(digits) => number(digits, out),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, out);
            }
            out.push(']');
        }
        Value::Map(pairs) => {
            out.push('{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                match key.bytes() {
                    Some(bytes) => string(bytes, out),
                    None => string(render(key).as_bytes(), out),
                }
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// Digits as they were sent, if JSON knows such a number; otherwise (`inf`, `nan`) a string.
fn number(digits: &str, out: &mut String) {
    if serde_json::from_str::<serde_json::Number>(digits).is_ok() {
        out.push_str(digits);
    } else {
        string(digits.as_bytes(), out);
    }
}

fn string(bytes: &[u8], out: &mut String) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::Value::from(text),
        Err(_) => serde_json::Value::from(escape(bytes)),
    };
    out.push_str(&text.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    #[test]
    fn every_type_has_its_json() {
        for (reply, expected) in [
            (Value::Status(b"OK".into()), r#""OK""#),
            (Value::Error(b"ERR no".into()), r#"{"error":"ERR no"}"#),
            (Value::Integer(-3), "-3"),
            (bulk("0.1"), r#""0.1""#),
            (bulk("a\"\\\n\u{1}\u{e9}"), "\"a\\\"\\\\\\n\\u0001\u{e9}\""),
            (Value::Bulk(b"a\xff\\".into()), r#""a\\xff\\\\""#),
            (Value::Null, "null"),
            (Value::Boolean(true), "true"),
            (Value::Double("1.50".into()), "1.50"),
            (Value::Double("inf".into()), r#""inf""#),
            (Value::BigNumber("123456789012345678901".into()), "123456789012345678901"),
            (Value::Array(vec![]), "[]"),
            (Value::Set(vec![Value::Integer(1), Value::Null]), "[1,null]"),
            (
                Value::Map(vec![(bulk("b"), Value::Map(vec![])), (Value::Integer(1), Value::Array(vec![bulk("x")]))]),
                r#"{"b":{},"1":["x"]}"#,
            ),
        ] {
            assert_eq!(render(&reply), expected);
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_map(|number| Value::Double(number.to_string())),
            ".*".prop_map(Value::Double),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(Value::Bulk),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(Value::Error),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec((inner.clone(), inner), 0..5).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_answered_the_json_is_valid(reply in value()) {
            let text = render(&reply);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            prop_assert!(!text.contains('\n'));
        }
    }
}
