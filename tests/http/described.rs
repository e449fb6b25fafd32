//! Answers are as the description says, to the letter: every field that is answered is described, and every field that is
//! described is answered.

use serde_json::Value;

/// The description of all paths.
pub(crate) struct Description(pub(crate) Value);

impl Description {
    /// The schema of what a path answers with this status.
    #[track_caller]
    pub(crate) fn answer_of(&self, path: &str, status: &str) -> &Value {
        let answer = &self.0["paths"][path]["get"]["responses"][status]["content"]["application/json"]["schema"];
        assert!(answer.is_object(), "{path} with {status} is not described");
        answer
    }

    /// The schema of this name.
    pub(crate) fn named(&self, name: &str) -> &Value {
        &self.0["components"]["schemas"][name]
    }

    /// Everything in `value` that is not as `schema` says.
    pub(crate) fn mistakes(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            assert!(self.named(name).is_object(), "{name} is not described");
            return self.mistakes(self.named(name), value, at);
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) if types.contains(&"integer") => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.contains(&kind) {
            return vec![format!("{at} is {value}, and described as {types:?}")];
        }
        let is_listed = schema["enum"].as_array().is_none_or(|all| all.contains(value));
        let mut mistakes = if is_listed { Vec::new() } else { vec![format!("{at} is {value}")] };
        if let Some(items) = value.as_array() {
            mistakes.extend(items.iter().flat_map(|item| self.mistakes(&schema["items"], item, &format!("{at}[]"))));
        }
        if let Some(fields) = value.as_object() {
            mistakes.extend(self.mistakes_of_fields(schema, fields, at));
        }
        mistakes
    }

    fn mistakes_of_fields(&self, schema: &Value, fields: &serde_json::Map<String, Value>, at: &str) -> Vec<String> {
        let Some(described) = schema["properties"].as_object() else { return Vec::new() };
        let mut mistakes = Vec::new();
        for (name, value) in fields {
            match described.get(name) {
                Some(schema) => mistakes.extend(self.mistakes(schema, value, &format!("{at}.{name}"))),
                None => mistakes.push(format!("{at}.{name} is not described")),
            }
        }
        let missing = described.keys().filter(|name| !fields.contains_key(*name));
        mistakes.extend(missing.map(|name| format!("{at}.{name} is not answered")));
        mistakes
    }
}

#[test]
fn what_is_not_as_described_is_found() {
    let described = serde_json::json!({
        "components": { "schemas": { "A": { "type": "object", "properties": {
            "a": { "type": ["string", "null"] }, "b": { "type": "array", "items": { "type": "integer" } },
            "c": { "type": "string", "enum": ["x"] } } } } }
    });
    let description = Description(described);
    let mistakes = |value: Value| description.mistakes(&serde_json::json!({ "$ref": "#/A" }), &value, "it");
    assert_eq!(mistakes(serde_json::json!({ "a": null, "b": [1, 2], "c": "x" })), [""; 0]);
    let wrong = mistakes(serde_json::json!({ "a": 1, "b": [1.5], "c": "y", "d": 0 }));
    assert_eq!(wrong.len(), 4, "{wrong:?}");
    assert_eq!(mistakes(serde_json::json!({ "a": "", "b": [] })), ["it.c is not answered"]);
}
