//! The page of the configuration file, from packaging/discnt.toml.

use super::roff::{escaped, heading, tidy, title, verbatim};

/// The page.
pub(crate) fn page(example: &str) -> String {
    let mut text = title("discnt.toml", 5, "settings of discnt-server");
    text += &heading("DESCRIPTION");
    for block in example.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.is_empty()) {
        match block.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => text += &heading(&format!("[{name}]")),
            None => text += &block_of(block),
        }
    }
    text += &heading("SEE ALSO");
    tidy(&(text + "\\fBdiscnt\\-server\\fR(1),\n\\fBdiscnt\\-cli\\fR(1)\n"))
}

/// Settings, each with what is said of it above, or text alone.
fn block_of(block: &str) -> String {
    let (mut text, mut said) = (String::new(), Vec::new());
    for line in block.lines().map(|line| line.trim_start_matches('#')) {
        match line.strip_prefix(' ').and_then(|line| line.split_once(" = ")).filter(|(key, _)| is_key(key)) {
            Some((key, value)) => {
                text += &format!(".TP\n\\fB{}\\fR = {}\n{}", escaped(key), escaped(value), prose(&said));
                said.clear();
            }
            None => said.push(line),
        }
    }
    if !said.is_empty() {
        text += &format!(".PP\n{}", prose(&said));
    }
    text
}

fn is_key(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    !text.is_empty() && text.chars().all(fits)
}

fn prose(lines: &[&str]) -> String {
    // What is set in further than the text, or has columns, is an example.
    let is_example = |line: &str| line.trim_start_matches(' ').contains("   ") || line.starts_with("   ");
    let (mut text, mut at) = (String::new(), 0);
    while let Some(line) = lines.get(at) {
        if is_example(line) {
            let example = lines[at..].iter().take_while(|line| is_example(line) || line.is_empty()).copied();
            let example: Vec<&str> = example.collect();
            at += example.len();
            text += &verbatim(example.into_iter().filter(|line| !line.is_empty()));
            continue;
        }
        at += 1;
        let line = line.trim();
        if !text.is_empty() && (line.starts_with("Allowed: ") || line.starts_with("Not set by default")) {
            text += ".br\n";
        }
        if !line.is_empty() {
            text += &(escaped(line) + "\n");
        }
    }
    text
}
