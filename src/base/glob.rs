//! Glob patterns as Redis reads them, over bytes: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a literal.

/// A pattern, matched without recursion so that no pattern from a stranger can take exponential time.
#[derive(Clone, Copy, Debug)]
pub struct Glob<'a>(&'a [u8]);

impl<'a> Glob<'a> {
    /// A pattern; every sequence of bytes is one.
    pub const fn new(pattern: &'a [u8]) -> Self {
        Self(pattern)
    }

    /// Whether the pattern takes in every text.
    pub fn matches_all(self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|b| *b == b'*')
    }

    /// Whether `text` matches. At most pattern length times text length steps.
    pub fn matches(self, text: &[u8]) -> bool {
        let (mut pattern, mut rest) = (self.0, text);
        // Where to resume when a literal run after the last star fails: one byte further into the text.
        let mut retry: Option<(&[u8], &[u8])> = None;
        loop {
            if let [b'*', after @ ..] = pattern {
                retry = Some((after, rest));
                pattern = after;
                continue;
            }
            match (rest, match_one(pattern, rest)) {
                ([_, tail @ ..], Some(after)) => {
                    pattern = after;
                    rest = tail;
                }
                ([], _) if pattern.is_empty() => return true,
                _ => match retry {
                    Some((after, [_, tail @ ..])) => {
                        retry = Some((after, tail));
                        pattern = after;
                        rest = tail;
                    }
                    _ => return false,
                },
            }
        }
    }
}

/// Matches the first byte of `text` against the first element of `pattern`; what of the pattern is left.
fn match_one<'a>(pattern: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    let byte = *text.first()?;
    match pattern {
        [] => None,
        [b'?', after @ ..] => Some(after),
        [b'[', class @ ..] => {
            let (hit, after) = match_class(class, byte);
            hit.then_some(after)
        }
        [b'\\', literal, after @ ..] | [literal, after @ ..] => (*literal == byte).then_some(after),
    }
}

/// Reads a class up to its `]` (or the pattern's end, as Redis does) and tells whether `byte` is in it.
fn match_class(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut hit = false;
    loop {
        class = match class {
            [] => return (hit != negated, class),
            [b']', after @ ..] => return (hit != negated, after),
            [b'\\', literal, after @ ..] => {
                hit |= *literal == byte;
                after
            }
            [from, b'-', to, after @ ..] => {
                hit |= (*from.min(to)..=*from.max(to)).contains(&byte);
                after
            }
            [literal, after @ ..] => {
                hit |= *literal == byte;
                after
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[\\]]", "]", true),
            ("[abc", "c", true),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("**", "anything", true),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(Glob::new(pattern.as_bytes()).matches(text.as_bytes()), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_not_exponential() {
        let text = vec![b'a'; 512];
        let pattern: Vec<u8> = b"*a".repeat(200).into_iter().chain(*b"b").collect();
        assert!(!Glob::new(&pattern).matches(&text));
    }
}
