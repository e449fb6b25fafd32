//! Pages of the programs: one for each program, and one for each command of the client's own.

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::roff::{escaped, heading, tidy, title, verbatim};

/// The name of each page with its text.
pub(crate) fn all() -> Vec<(String, String)> {
    let mut client = discnt::cli::definition();
    client.build();
    let own: Vec<(String, String)> = client
        .get_subcommands()
        .map(|command| {
            let name = format!("discnt-cli-{}", command.get_name());
            let also = vec!["discnt-cli".to_owned(), "discnt-server".to_owned()];
            (name.clone(), page(&name, command, &also))
        })
        .collect();
    let mut also: Vec<String> = own.iter().map(|(name, _)| name.clone()).collect();
    also.push("discnt-server".to_owned());
    let mut pages = vec![("discnt-cli".to_owned(), page("discnt-cli", &client, &also))];
    pages.extend(own);
    let server = discnt::daemon::Arguments::command();
    pages.push(("discnt-server".to_owned(), page("discnt-server", &server, &["discnt-cli".to_owned()])));
    pages
}

fn page(name: &str, command: &Command, also: &[String]) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = title(name, 1, about.trim_end_matches('.'));
    text += &heading("SYNOPSIS");
    text += &verbatim(usage(command).iter().map(String::as_str));
    text += &heading("DESCRIPTION");
    let description = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    for paragraph in description.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        // Above as the name's summary already.
        if paragraph.trim_end_matches('.') == about.trim_end_matches('.') {
            continue;
        }
        text += &paragraph_of(paragraph);
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (prose, sections) = parts(&help);
    prose.iter().for_each(|paragraph| text += &paragraph_of(paragraph));
    text += &options(command);
    let nested =
        command.get_subcommands().filter(|_| name != "discnt-cli").filter(|nested| nested.get_name() != "help");
    for (at, nested) in nested.enumerate() {
        if at == 0 {
            text += &heading("COMMANDS");
        }
        let about = nested.get_about().map(ToString::to_string).unwrap_or_default();
        text += &format!(".SS \"{} {}\"\n{}\n", name.replacen("cli-", "cli ", 1), nested.get_name(), escaped(&about));
        text += &options(nested).replacen(".SH OPTIONS\n", "", 1);
    }
    for (name, lines) in sections {
        text += &heading(&name.to_uppercase());
        text += &verbatim(lines);
    }
    text += &heading("SEE ALSO");
    let mut also: Vec<String> = also.iter().map(|name| format!("\\fB{}\\fR(1)", escaped(name))).collect();
    also.push("\\fBdiscnt.toml\\fR(5)".to_owned());
    tidy(&(text + &also.join(",\n") + "\n"))
}

fn usage(command: &Command) -> Vec<String> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    usage.lines().map(|line| line.trim().to_owned()).collect()
}

fn options(command: &Command) -> String {
    let mut roff = Vec::new();
    Man::new(command.clone()).render_options_section(&mut roff).expect("writing to memory");
    let text = String::from_utf8(roff).expect("UTF-8");
    // Setup of characters that the rest of the page does not need.
    let lines = text.lines().filter(|line| !line.starts_with(".ie") && !line.starts_with(".el"));
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn paragraph_of(text: &str) -> String {
    format!(".PP\n{}\n", escaped(&text.replace('\n', " ")))
}

/// The paragraphs of a help text, and its sections: what is indented below a line that ends in a colon.
fn parts(help: &str) -> (Vec<String>, Vec<(String, Vec<&str>)>) {
    let (mut prose, mut sections) = (Vec::new(), Vec::<(String, Vec<&str>)>::new());
    let mut in_section = false;
    for line in help.lines() {
        if line.is_empty() {
            in_section = false;
        } else if line.starts_with(' ') {
            if !in_section && sections.is_empty() {
                sections.push(("Usage".to_owned(), Vec::new()));
            }
            in_section = true;
            if let Some((_, lines)) = sections.last_mut() {
                lines.push(line);
            }
        } else if let Some(name) = line.strip_suffix(':') {
            sections.push((name.to_owned(), Vec::new()));
            in_section = true;
        } else {
            prose.push(line.to_owned());
        }
    }
    (prose, sections)
}
