//! What could come next on the line that is being typed: completions, and hints of arguments.

use super::docs::{Argument, ArgumentKind, CommandDoc, CommandDocs};
use super::help::LOCAL_COMMANDS;
use super::preferences::SYNTAX;
use super::quote::split;

/// The hint shown behind the cursor: the arguments that are still to come, or nothing.
pub(super) fn hint(docs: &CommandDocs, line: &str) -> Option<String> {
    // A word that is still being typed is no argument yet, so hints come after a space.
    if !line.ends_with(char::is_whitespace) {
        return None;
    }
    let words = split(line.as_bytes()).ok()?;
    let first = std::str::from_utf8(words.first()?).ok()?;
    let (arguments, used) = match docs.find(&words) {
        Some((command, used)) if command.arguments.is_empty() => {
            let shown = if used == words.len() { command.syntax() } else { String::new() };
            return Some(shown).filter(|text| !text.is_empty());
        }
        Some((command, used)) => (&command.arguments, used),
        None => {
            let (_, syntax, _) = LOCAL_COMMANDS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(first))?;
            return (words.len() == 1 && !syntax.is_empty()).then(|| (*syntax).to_owned());
        }
    };
    let parts: Vec<String> = remaining(arguments, &words[used..]).iter().map(Remaining::syntax).collect();
    Some(parts.join(" ")).filter(|text| !text.is_empty())
}

/// The words that could be meant by the one that the line ends in, and where in the line (in bytes) that one begins.
pub(super) fn complete(docs: &CommandDocs, line: &str) -> (usize, Vec<String>) {
    let start =
        line.rfind(char::is_whitespace).map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let typed = &line[start..];
    let Ok(before) = split(&line.as_bytes()[..start]) else {
        return (start, Vec::new());
    };
    let helping = before.first().is_some_and(|word| word.eq_ignore_ascii_case(b"help"));
    let words = if helping { &before[1..] } else { &before[..] };
    let candidates: Vec<String> = match docs.find(words) {
        _ if words.first().is_some_and(|word| word.eq_ignore_ascii_case(b":set")) => {
            SYNTAX.split('|').filter(|_| words.len() == 1).map(str::to_uppercase).collect()
        }
        _ if words.is_empty() => {
            let local = LOCAL_COMMANDS.iter().map(|(name, ..)| name.to_uppercase());
            let commands = docs.commands().iter().map(|command| command.name.clone());
            let mut names: Vec<String> = commands.collect();
            if !helping {
                names.extend(local);
            }
            names.sort();
            names.dedup();
            names
        }
        Some((command, 1)) if words.len() == 1 && !command.subcommands.is_empty() => {
            let own_names = command.subcommands.iter().map(CommandDoc::own_name);
            own_names.map(str::to_owned).collect()
        }
        Some((command, used)) if !helping => {
            remaining(&command.arguments, &words[used..]).iter().flat_map(|left| first_tokens(left.argument)).collect()
        }
        _ => Vec::new(),
    };
    let lower = typed.trim_start_matches(':').chars().next().is_none_or(char::is_lowercase);
    let wanted = typed.to_ascii_uppercase();
    let matching = candidates.into_iter().filter(|name| name.starts_with(&wanted));
    let cased = matching.map(|name| if lower { name.to_lowercase() } else { name });
    (start, cased.collect())
}

/// An argument that may still be given.
struct Remaining<'a> {
    argument: &'a Argument,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing of it was given.
    Open,
    /// Its token was, and the value is still to come.
    TokenGiven,
    /// It was given and may be given again.
    Again,
}

impl Remaining<'_> {
    fn syntax(&self) -> String {
        let once = Argument { optional: false, multiple: false, ..self.argument.clone() };
        match self.progress {
            Progress::Open => self.argument.syntax(),
            Progress::TokenGiven => Argument { token: None, ..once }.syntax(),
            Progress::Again if self.argument.multiple_token => format!("[{} ...]", once.syntax()),
            Progress::Again => format!("[{} ...]", Argument { token: None, ..once }.syntax()),
        }
    }
}

/// The arguments that are left when these words were given, options in any order. Nothing where the words do not fit.
fn remaining<'a>(arguments: &'a [Argument], mut words: &[Vec<u8>]) -> Vec<Remaining<'a>> {
    let open = |argument| Remaining { argument, progress: Progress::Open };
    let mut left: Vec<Remaining<'a>> = arguments.iter().map(open).collect();
    while !words.is_empty() {
        // Up to the next argument that has to be given.
        let reach = left
            .iter()
            .position(|left| !left.argument.optional && left.progress == Progress::Open)
            .map_or(left.len(), |at| at + 1);
        let candidates = || left[..reach].iter().enumerate();
        // A word that an option begins with is that option, rather than one more name.
        let by_token = candidates().find(|(_, left)| begins_with_token(left.argument, &words[0]));
        let found =
            by_token.into_iter().chain(candidates()).find_map(|(at, left)| Some((at, consume(left.argument, words)?)));
        let Some((at, consumed)) = found else {
            return Vec::new();
        };
        words = &words[consumed.words..];
        let argument = left[at].argument;
        if let Some(argument) = consumed.awaited {
            left[at] = Remaining { argument, progress: Progress::TokenGiven };
        } else if argument.multiple {
            left[at].progress = Progress::Again;
        } else {
            left.remove(at);
        }
    }
    left
}

struct Consumed<'a> {
    /// How many of the words.
    words: usize,
    /// Whose token was the last word, where a value has to follow.
    awaited: Option<&'a Argument>,
}

/// How the argument takes the first of the words, if it can. There is at least one word.
fn consume<'a>(argument: &'a Argument, words: &[Vec<u8>]) -> Option<Consumed<'a>> {
    let given = usize::from(argument.token.is_some());
    if given == 1 && !begins_with_token(argument, words.first()?) {
        return None;
    }
    let rest = &words[given..];
    let done = |words| Some(Consumed { words, awaited: None });
    match &argument.kind {
        ArgumentKind::PureToken => done(1),
        ArgumentKind::Value | ArgumentKind::OneOf(_) if rest.is_empty() => {
            Some(Consumed { words: given, awaited: Some(argument) })
        }
        ArgumentKind::Value => done(given + 1),
        ArgumentKind::OneOf(parts) => {
            let by_token = parts.iter().find(|part| begins_with_token(part, &rest[0]));
            let consumed = by_token.into_iter().chain(parts).find_map(|part| consume(part, rest))?;
            Some(Consumed { words: given + consumed.words, ..consumed })
        }
        ArgumentKind::Block(parts) => {
            let mut used = given;
            for part in parts {
                if used == words.len() {
                    break;
                }
                match consume(part, &words[used..]) {
                    Some(consumed) if consumed.awaited.is_some() => {
                        return Some(Consumed { words: used + consumed.words, ..consumed });
                    }
                    Some(consumed) => used += consumed.words,
                    None if part.optional => {}
                    None => return None,
                }
            }
            done(used)
        }
    }
}

fn begins_with_token(argument: &Argument, word: &[u8]) -> bool {
    match (&argument.token, &argument.kind) {
        (Some(token), _) => word.eq_ignore_ascii_case(token.as_bytes()),
        (None, ArgumentKind::OneOf(parts)) => parts.iter().any(|part| begins_with_token(part, word)),
        (None, ArgumentKind::Block(parts)) => parts.first().is_some_and(|part| begins_with_token(part, word)),
        (None, _) => false,
    }
}

/// The words that an argument can begin with.
fn first_tokens(argument: &Argument) -> Vec<String> {
    match (&argument.token, &argument.kind) {
        (Some(token), _) => vec![token.clone()],
        (None, ArgumentKind::OneOf(parts)) => parts.iter().flat_map(first_tokens).collect(),
        (None, ArgumentKind::Block(parts)) => parts.first().map(first_tokens).unwrap_or_default(),
        (None, _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::docs_reply::tests::sample;
    use super::*;

    fn hint_of(line: &str) -> Option<String> {
        hint(&sample(), line)
    }

    #[test]
    fn hints_show_what_is_still_to_come() {
        for (line, expected) in [
            ("incrby ", "name amount"),
            ("INCRBY a ", "amount"),
            ("get \"a b\" ", "[STATE]"),
            ("mget ", "name [name ...]"),
            ("mget a b ", "[name ...]"),
            ("scan ", "cursor [MATCH pattern] [COUNT count]"),
            ("scan 0 ", "[MATCH pattern] [COUNT count]"),
            ("scan 0 count ", "[MATCH pattern] count"),
            ("scan 0 count 5 ", "[MATCH pattern]"),
            ("scan 0 match x ", "[COUNT count]"),
            ("set a 1 ", "[NX | XX]"),
            ("cluster ", "subcommand [argument ...]"),
            ("cluster meet ", "ip port"),
            ("cluster meet 127.0.0.1 ", "port"),
            ("connect ", "host port"),
        ] {
            assert_eq!(hint_of(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn there_is_no_hint_where_nothing_can_follow() {
        for line in [
            "",
            "incrby",
            "incrby a 1 ",
            "incrby a 1 2 ",
            "set a 1 nx ",
            "get a \"open ",
            "nothing ",
            "cluster nodes ",
            "quit ",
            "   ",
        ] {
            assert_eq!(hint_of(line), None, "{line}");
        }
    }

    #[test]
    fn commands_subcommands_and_options_are_completed_in_the_case_that_was_typed() {
        let complete_of = |line: &str| complete(&sample(), line);
        for (line, start, expected) in [
            ("s", 0, vec!["scan", "set"]),
            ("S", 0, vec!["SCAN", "SET"]),
            ("  cl", 2, vec!["clear", "cluster"]),
            ("cluster ", 8, vec!["meet", "nodes"]),
            ("CLUSTER M", 8, vec!["MEET"]),
            ("get a ", 6, vec!["state"]),
            ("scan 0 match x ", 15, vec!["count"]),
            ("set a 1 N", 8, vec!["NX"]),
            ("help s", 5, vec!["scan", "set"]),
            ("help cluster n", 13, vec!["nodes"]),
            ("get n", 4, vec![]),
            ("get \"a ", 7, vec![]),
            ("help get a ", 11, vec![]),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(complete_of(line), (start, expected), "{line}");
        }
        assert_eq!(complete_of("").1.len(), 13);
        assert_eq!(complete_of(":s"), (0, vec![":set".to_owned()]));
        assert_eq!(complete_of(":set no"), (5, vec!["nohints".to_owned(), "nocolor".to_owned()]));
    }

    #[test]
    fn no_line_makes_hints_or_completions_panic() {
        let docs = sample();
        for line in ["\u{e9}", "\u{2003}get\u{2003}", "cluster \u{2003}m", "get a\u{a0}s", "' ", "\\"] {
            let _ = hint(&docs, line);
            let (start, _) = complete(&docs, line);
            assert!(line.is_char_boundary(start));
        }
    }
}
