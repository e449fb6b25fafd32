//! How operators call a node, and where they say it is. For people: nothing is decided by it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// No label is longer, in bytes.
pub const MAX_LABEL_BYTES: usize = 63;

/// What an operator says of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    /// What it is called.
    pub name: Option<String>,
    /// Where it is.
    pub datacentre: Option<String>,
}

impl Labels {
    /// Labels out of what somebody says; empty stands for none, and so does what is no label.
    pub fn of(name: &str, datacentre: &str) -> Self {
        let label = |text: &str| is_label(text).then(|| text.to_owned());
        Self { name: label(name), datacentre: label(datacentre) }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.datacentre.is_none()
    }

    /// Which of them is none, if one is: its key, and what it is.
    pub fn mistake(&self) -> Option<(&'static str, &str)> {
        let all = [("name", &self.name), ("datacentre", &self.datacentre)];
        all.into_iter().find_map(|(key, label)| Some((key, label.as_deref().filter(|text| !is_label(text))?)))
    }
}

/// As "berlin-1 in eu", for people.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.datacentre) {
            (Some(name), Some(datacentre)) => write!(f, "{name} in {datacentre}"),
            (Some(name), None) => f.write_str(name),
            (None, Some(datacentre)) => write!(f, "in {datacentre}"),
            (None, None) => Ok(()),
        }
    }
}

/// Nothing that would have to be quoted anywhere: letters, digits, and `-`, `_` and `.` after the first.
fn is_label(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_LABEL_BYTES).contains(&text.len())
        && text.bytes().all(is_plain)
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_plain() {
        for (text, is) in [("a", true), ("eu-west_1.b", true), ("7", true), (&"a".repeat(63), true)] {
            assert_eq!(is_label(text), is, "{text}");
        }
        for text in ["", "-a", "a b", "a\n", "a=b", "ä", "<a>", &"a".repeat(64)] {
            assert!(!is_label(text), "{text}");
        }
        assert_eq!(Labels::of("a b", "eu"), Labels { name: None, datacentre: Some("eu".to_owned()) });
        let mistaken = Labels { name: Some("a".to_owned()), datacentre: Some("a b".to_owned()) };
        assert_eq!((mistaken.mistake(), Labels::of("a", "b").mistake()), (Some(("datacentre", "a b")), None));
    }

    #[test]
    fn labels_are_told_as_people_say_them() {
        let told = |name, datacentre| Labels::of(name, datacentre).to_string();
        assert_eq!([told("a", "b"), told("a", ""), told("", "b"), told("", "")], ["a in b", "a", "in b", ""]);
        assert!(Labels::default().is_empty() && !Labels::of("a", "").is_empty());
    }
}
