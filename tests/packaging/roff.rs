//! Text as the formatter of manual pages takes it.

/// One paragraph's or one line's text, with nothing in it that means something to the formatter.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// The whole page without what says the same twice: a new paragraph behind a heading, a break beside an empty line.
pub(crate) fn tidy(page: &str) -> String {
    let lines: Vec<&str> = page.lines().collect();
    let is_needed = |at: usize| {
        let before = at.checked_sub(1).map_or("", |before| lines[before]);
        let after = lines.get(at + 1).copied().unwrap_or("");
        match lines[at] {
            ".PP" => !before.starts_with(".S"),
            ".br" => !before.is_empty() && !after.is_empty(),
            _ => true,
        }
    };
    let kept = (0..lines.len()).filter(|at| is_needed(*at)).map(|at| match lines[at] {
        "" => ".sp\n".to_owned(),
        line => line.replace("\\*(Aq", "\\(aq") + "\n",
    });
    kept.collect()
}

/// A heading of the page.
pub(crate) fn heading(name: &str) -> String {
    if name.contains([' ', '[']) { format!(".SH \"{name}\"\n") } else { format!(".SH {name}\n") }
}

/// Lines that keep their breaks and blanks.
pub(crate) fn verbatim<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|line| escaped(line) + "\n").collect();
    format!(".nf\n{}.fi\n", lines.concat())
}

/// The first lines of a page.
pub(crate) fn title(name: &str, section: u8, summary: &str) -> String {
    let upper = name.to_uppercase();
    format!(
        ".\\\" Made from the program's definitions by UPDATE_DOCS=1 cargo test --test packaging; do not edit by hand.\n\
         .TH \"{upper}\" \"{section}\" \"\" \"Discnt {}\" \"Discnt\"\n.SH NAME\n{} \\- {}\n",
        env!("CARGO_PKG_VERSION"),
        escaped(name),
        escaped(summary)
    )
}
