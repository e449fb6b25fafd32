//! Finds what a source file reaches for: every path in it, resolved as far as its own imports say.
//!
//! It reads tokens, so comments and strings do not count and the insides of macros do.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One path of a file, from the crate's root (`crate`) or from another crate's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reach {
    /// The segments, `crate` or a crate's name first; the last is `*` for a glob.
    pub(crate) path: Vec<String>,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// Whether it stands in test code.
    pub(crate) in_tests: bool,
}

/// What a file reaches for, calls and declares.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) paths: Vec<Reach>,
    pub(crate) macros: Vec<Reach>,
    /// Modules declared with or without a body, and whether by test code.
    pub(crate) modules: Vec<(String, bool)>,
}

/// Reads one file. `module` is where it stands below the crate's root; a file that is a crate of its own (a program)
/// reaches the library as `discnt::`.
pub(crate) fn read(source: &str, module: &[&str], in_tests: bool) -> Found {
    let tokens: TokenStream = source.parse().expect("the file is Rust");
    let mut reader = Reader { found: Found::default(), aliases: BTreeMap::new() };
    let module: Vec<String> = module.iter().map(|part| (*part).to_owned()).collect();
    reader.walk(tokens, &module, in_tests);
    let Reader { mut found, aliases } = reader;
    // A module of the file's own may have the name of another crate.
    let own: Vec<String> = found.modules.iter().map(|(name, _)| name.clone()).collect();
    found.paths.retain(|reach| !own.contains(&reach.path[0]));
    for reach in &mut found.paths {
        // `use std::time;` makes `time::Instant` mean `std::time::Instant`; an alias may stand on another.
        for _ in 0..4 {
            let Some(full) = aliases.get(&reach.path[0]).filter(|full| full[0] != reach.path[0]) else { break };
            reach.path.splice(0..1, full.iter().cloned());
        }
    }
    found
}

struct Reader {
    found: Found,
    aliases: BTreeMap<String, Vec<String>>,
}

impl Reader {
    fn walk(&mut self, tokens: TokenStream, module: &[String], in_tests: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut test_item = false;
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    test_item |= tokens.get(at + 1).is_some_and(is_test_attribute);
                    at += 1;
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => {
                    test_item = false;
                    at += 1;
                }
                TokenTree::Group(group) => {
                    let is_attribute = at > 0 && is_mark(&tokens[at - 1], '#');
                    self.walk(group.stream(), module, in_tests || test_item);
                    // The body ends the item that an attribute spoke of.
                    if group.delimiter() == Delimiter::Brace && !is_attribute {
                        test_item = false;
                    }
                    at += 1;
                }
                TokenTree::Ident(word) => {
                    let word = word.to_string();
                    if let Some(TokenTree::Ident(name)) = tokens.get(at + 1).filter(|_| word == "mod") {
                        self.found.modules.push((name.to_string(), in_tests || test_item));
                    }
                    let inner = module_body(&tokens, at).filter(|_| word == "mod");
                    if let Some((name, body)) = inner {
                        let mut inner_module = module.to_vec();
                        inner_module.push(name);
                        self.walk(body, &inner_module, in_tests || test_item);
                        test_item = false;
                        at += 3;
                    } else if word == "use" {
                        at += 1;
                        if tokens.get(at).is_some_and(|token| is_mark(token, ':')) {
                            at += 2;
                        }
                        at = self.tree(&tokens, at, &[], module, in_tests || test_item, true);
                    } else {
                        at = self.tree(&tokens, at, &[], module, in_tests || test_item, false);
                    }
                }
                _ => at += 1,
            }
        }
    }

    /// Reads a path, or a tree of them in a `use`, and answers where it ends.
    fn tree(
        &mut self,
        tokens: &[TokenTree],
        mut at: usize,
        prefix: &[String],
        module: &[String],
        in_tests: bool,
        import: bool,
    ) -> usize {
        let mut path = prefix.to_vec();
        // A method or a field is no path of its own.
        let is_member = prefix.is_empty() && at > 0 && is_mark(&tokens[at - 1], '.') && !follows_range(tokens, at);
        let line = tokens.get(at).map_or(0, |token| token.span().start().line);
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(word)) => path.push(word.to_string().trim_start_matches("r#").to_owned()),
                Some(TokenTree::Punct(mark)) if mark.as_char() == '*' && import => path.push("*".to_owned()),
                Some(TokenTree::Group(group)) if import && group.delimiter() == Delimiter::Brace => {
                    self.branches(group.stream(), &path, module, in_tests);
                    return at + 1;
                }
                _ => break,
            }
            at += 1;
            let is_macro = !import && tokens.get(at).is_some_and(|token| is_mark(token, '!'));
            if is_macro && matches!(tokens.get(at + 1), Some(TokenTree::Group(_))) {
                self.found.macros.push(Reach { path: path.clone(), line, in_tests });
            }
            if !(tokens.get(at).is_some_and(|t| is_mark(t, ':')) && tokens.get(at + 1).is_some_and(|t| is_mark(t, ':')))
            {
                break;
            }
            at += 2;
        }
        let mut alias = path.last().cloned();
        if import && matches!(tokens.get(at), Some(TokenTree::Ident(word)) if word == "as") {
            alias = tokens.get(at + 1).map(ToString::to_string);
            at += 2;
        }
        if path.is_empty() {
            return at + 1;
        }
        let full = resolve(&path, module);
        // A single word is a local name, unless it is an import or it names a root by itself (`use crate as all`).
        if !is_member && (import || full.len() > 1) {
            if let Some(alias) = alias.filter(|alias| import && *alias != full[0] && full[0] != "crate") {
                self.aliases.insert(alias, full.clone());
            }
            self.found.paths.push(Reach { path: full, line, in_tests });
        }
        at
    }

    fn branches(&mut self, group: TokenStream, prefix: &[String], module: &[String], in_tests: bool) {
        let tokens: Vec<TokenTree> = group.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_mark(&tokens[at], ',') {
                at += 1;
            } else if prefix.is_empty() && is_mark(&tokens[at], ':') {
                at += 2;
            } else {
                at = self.tree(&tokens, at, prefix, module, in_tests, true);
            }
        }
    }
}

/// The path from the crate's root or another crate.
fn resolve(path: &[String], module: &[String]) -> Vec<String> {
    let rooted = |parts: &[String]| {
        let mut full = vec!["crate".to_owned()];
        full.extend_from_slice(parts);
        full
    };
    let mut full = match path[0].as_str() {
        "crate" | "discnt" => rooted(&[]),
        "self" => rooted(module),
        "super" => rooted(&module[..module.len().saturating_sub(1)]),
        _ => return path.iter().filter(|part| *part != "self").cloned().collect(),
    };
    for part in &path[1..] {
        match part.as_str() {
            "super" if full.len() > 1 => drop(full.pop()),
            "self" | "super" => {}
            _ => full.push(part.clone()),
        }
    }
    full
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// `0..crate::LIMIT` has a dot before a path that is no member.
fn follows_range(tokens: &[TokenTree], at: usize) -> bool {
    at > 1 && is_mark(&tokens[at - 2], '.')
}

/// `[test]`, `[cfg(test)]`, `[cfg(any(test, ...))]`.
fn is_test_attribute(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    let text: String = group.stream().to_string().split_whitespace().collect();
    text == "test" || text == "cfg(test)" || (text.starts_with("cfg(all(") && text.contains("test"))
}

fn module_body(tokens: &[TokenTree], at: usize) -> Option<(String, TokenStream)> {
    match (tokens.get(at + 1), tokens.get(at + 2)) {
        (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) if body.delimiter() == Delimiter::Brace => {
            Some((name.to_string(), body.stream()))
        }
        _ => None,
    }
}
