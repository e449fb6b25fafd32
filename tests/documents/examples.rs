//! Blocks marked `console` are run, and what follows a command is compared with what it prints.
//!
//! - `$ discnt-server --port N ...` starts a server with these flags. A port that is used without that has a server with
//!   the defaults.
//! - `$ discnt-cli ...` prints what it would on a terminal.
//! - `127.0.0.1:N> COMMAND` is a line at the prompt; the lines that follow each other are one session.
//! - In what is printed `<word>` stands for anything without blanks, and a line `...` for any lines.
//!
//! All blocks of one page are one story: they have the same servers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::pages::{self, Page};
use crate::server_support::{Ground, Server};

const DEFAULT_PORT: u16 = 5262;
/// How long what only reads may be asked again until it answers as the page says: the nodes need a moment.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a page has somebody do.
enum Step {
    Server(Vec<String>),
    Client(Vec<String>),
    Session(u16, Vec<String>),
}

struct Example {
    line: usize,
    step: Step,
    expected: Vec<String>,
}

/// A line at the prompt.
fn prompt(line: &str) -> Option<(u16, &str)> {
    let (port, command) = line.strip_prefix("127.0.0.1:")?.split_once("> ")?;
    Some((port.parse().ok()?, command))
}

fn examples(page: &Page) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in page.blocks().iter().filter(|block| block.language == "console") {
        // A session does not go on from one block to the next.
        let mut session = None;
        for (number, line) in &block.lines {
            let at = format!("{}:{number}", page.name());
            if let Some(command) = line.strip_prefix("$ ") {
                let mut words = words_of(command.split(" # ").next().unwrap_or_default());
                let step = match words.remove(0).as_str() {
                    "discnt-server" => Step::Server(words),
                    "discnt-cli" => Step::Client(words),
                    other => panic!("{at}: {other} is not run in a console block"),
                };
                session = None;
                examples.push(Example { line: *number, step, expected: Vec::new() });
            } else if let Some((port, command)) = prompt(line) {
                match examples.last_mut() {
                    Some(Example { step: Step::Session(_, commands), .. }) if session == Some(port) => {
                        commands.push(command.to_owned());
                    }
                    _ => {
                        let step = Step::Session(port, vec![command.to_owned()]);
                        examples.push(Example { line: *number, step, expected: Vec::new() });
                    }
                }
                session = Some(port);
            } else {
                let example = examples.last_mut().unwrap_or_else(|| panic!("{at}: an answer to nothing"));
                example.expected.push((*line).to_owned());
            }
        }
    }
    examples
}

/// Words as a shell takes them, as far as the pages need it.
fn words_of(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.trim().chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == ' ' => words.push(String::new()),
            _ => words.last_mut().expect("there is one").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The servers of one page, by the port that the page gives them.
struct Story<'a> {
    ground: &'a Ground,
    servers: BTreeMap<u16, Server>,
}

impl Story<'_> {
    fn server(&mut self, port: u16) -> u16 {
        let ground = self.ground;
        self.servers.entry(port).or_insert_with(|| ground.start()).port()
    }

    fn start(&mut self, mut words: Vec<String>) {
        let port = take_port(&mut words, "--port").unwrap_or(DEFAULT_PORT);
        let mut start = self.ground.server();
        if let Some(at) = words.iter().position(|word| word == "--data-dir") {
            start = start.data_directory(self.ground.path(&words[at + 1]));
            words.drain(at..=at + 1);
        }
        // What the client has made is in its directory.
        let made = |word: String| match self.ground.path(&word) {
            path if word.starts_with("./") => path.into_os_string(),
            _ => word.into(),
        };
        let start = words.into_iter().map(made).fold(start, |start, word| start.argument(word));
        assert!(self.servers.insert(port, start.run()).is_none(), "two servers have the port {port}");
    }

    /// With the ports that the servers really have.
    fn with_real_ports(&self, word: &str) -> String {
        match self.servers.iter().find(|(port, _)| port.to_string() == word) {
            Some((_, server)) => server.port().to_string(),
            None => word.to_owned(),
        }
    }

    /// With the ports of the page.
    fn with_shown_ports(&self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric();
        let mut shown = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\0']) {
            if is_part(c) {
                word.push(c);
                continue;
            }
            let known = self.servers.iter().find(|(_, server)| server.port().to_string() == word);
            shown += &known.map_or_else(|| word.clone(), |(port, _)| port.to_string());
            word.clear();
            shown.push(c);
        }
        shown.trim_end_matches('\0').to_owned()
    }

    fn client(&mut self, mut words: Vec<String>) -> String {
        let port = take_port(&mut words, "-p").unwrap_or(DEFAULT_PORT);
        // Whom it is to meet has to be there.
        let named: Vec<u16> = words.iter().filter_map(|word| word.parse().ok()).filter(|port| *port > 1024).collect();
        if words.iter().any(|word| word == "meet") {
            for port in named {
                self.server(port);
            }
        }
        let real = self.server(port);
        let words: Vec<String> = words.iter().map(|word| self.with_real_ports(word)).collect();
        self.run(real, &words, None)
    }

    fn session(&mut self, port: u16, commands: &[String]) -> String {
        let real = self.server(port);
        let input: String = commands.iter().map(|command| format!("{command}\n")).collect();
        let printed = self.run(real, &[], Some(&input));
        // Into a terminal it does not say which line was wrong.
        let plain = |line: &str| match line.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
            Some((number, rest)) if number.parse::<u32>().is_ok() => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        printed.lines().map(plain).collect()
    }

    /// Runs the client in a directory of the page, with both its outputs in one.
    fn run(&self, port: u16, words: &[String], input: Option<&str>) -> String {
        let (output, commands) = (self.ground.path("printed"), self.ground.path("commands"));
        fs::write(&commands, input.unwrap_or_default()).expect("written");
        let printed = File::create(&output).expect("a file");
        // Export and its like have no replies to show.
        let shows_itself = ["export", "import", "backup", "certs", "--raw", "--json"];
        let is_plain = words.first().is_some_and(|word| shows_itself.contains(&word.as_str()));
        let shown: &[&str] = if is_plain { &[] } else { &["--no-raw"] };
        let mut command = Command::new(env!("CARGO_BIN_EXE_discnt-cli"));
        command.args(["-p", &port.to_string()]).args(shown).args(words).current_dir(self.ground.path("."));
        command.stdin(if input.is_some() { File::open(&commands).expect("a file").into() } else { Stdio::null() });
        command.stdout(printed.try_clone().expect("a second handle")).stderr(printed);
        command.status().expect("the client runs");
        self.with_shown_ports(&fs::read_to_string(&output).expect("text"))
    }
}

fn take_port(words: &mut Vec<String>, flag: &str) -> Option<u16> {
    let at = words.iter().position(|word| word == flag)?;
    let port = words.get(at + 1)?.parse().ok()?;
    words.drain(at..=at + 1);
    Some(port)
}

/// Whether it changes nothing, so that it may be asked again.
fn only_reads(words: &[String]) -> bool {
    let is_option = |word: &&String| word.starts_with('-') || word.parse::<u16>().is_ok();
    let words: Vec<String> = words.iter().skip_while(is_option).map(|word| word.to_lowercase()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["get" | "mget" | "exists" | "info" | "keys" | "dbsize", ..] | ["precision", _] => true,
        ["cluster", what] => what == "nodes" || what == "info",
        _ => false,
    }
}

/// Whether a line is what was expected, in which `<word>` stands for anything without blanks.
fn line_matches(expected: &str, printed: &str) -> bool {
    let placeholder = expected.split_once('<').and_then(|(before, rest)| {
        let (name, after) = rest.split_once('>')?;
        name.chars().all(|c| c.is_ascii_lowercase() || c == '-').then_some((before, after))
    });
    let Some((before, after)) = placeholder else { return expected == printed };
    let Some(rest) = printed.strip_prefix(before) else { return false };
    let most = rest.find(' ').unwrap_or(rest.len());
    let mut ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).filter(|end| *end <= most);
    ends.any(|end| line_matches(after, &rest[end..]))
}

/// Whether lines are what was expected, in which `...` stands for any.
fn lines_match(expected: &[String], printed: &[&str]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "..." => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        (Some((first, rest)), Some((line, others))) => line_matches(first, line) && lines_match(rest, others),
        _ => false,
    }
}

fn tell(page: &Page) {
    let ground = Ground::new();
    let mut story = Story { ground: &ground, servers: BTreeMap::new() };
    for Example { line, step, expected } in examples(page) {
        let begin = Instant::now();
        loop {
            let (printed, may_ask_again) = match &step {
                Step::Server(words) => {
                    story.start(words.clone());
                    break;
                }
                Step::Client(words) => (story.client(words.clone()), only_reads(words)),
                Step::Session(port, commands) => (story.session(*port, commands), false),
            };
            let lines: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
            if lines_match(&expected, &lines) {
                break;
            }
            let at = format!("{}:{line}", page.name());
            let is_over = !may_ask_again || begin.elapsed() > PATIENCE;
            assert!(!is_over, "{at}: the page shows\n{}\nand this was printed:\n{printed}", expected.join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn examples_do_what_the_pages_show() {
    let pages = pages::all();
    // Each has its own servers, which take their time to start.
    std::thread::scope(|scope| {
        for page in &pages {
            scope.spawn(|| tell(page));
        }
    });
    let examples_run: usize = pages.iter().map(|page| examples(page).len()).sum();
    assert!(examples_run > 20, "only {examples_run} examples were found");
}

#[test]
fn pieces_of_configuration_are_valid() {
    for page in pages::all() {
        for (at, block) in page.blocks().iter().enumerate().filter(|(_, block)| block.language == "toml") {
            let ground = Ground::new();
            let path = ground.path(format!("{at}.toml"));
            let text: Vec<&str> = block.lines.iter().map(|(_, line)| *line).collect();
            fs::write(&path, text.join("\n")).expect("written");
            let ran = crate::server_support::run(
                Command::new(env!("CARGO_BIN_EXE_discnt-server")).arg("--config").arg(&path).arg("--check-config"),
            );
            // Files that it names may be on another machine.
            let is_valid = ran.code == Some(0) || ran.errors.contains("the settings are right");
            assert!(is_valid, "{}: {}\n{}", page.name(), text.join("\n"), ran.errors);
        }
    }
}

#[test]
fn placeholders_stand_for_one_word_and_for_any_lines() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (expected, printed, is_same) in [
        ("a", "a", true),
        ("a", "b", false),
        ("id=<id> x", "id=5f x", true),
        ("id=<id> x", "id= x", false),
        ("id=<id> x", "id=5 f x", false),
        ("<one>:<two>", "a:b", true),
        ("a\n...\nd", "a\nb\nc\nd", true),
        ("a\n...\nd", "a\nd", true),
        ("a\n...\nd", "a\nb", false),
        ("a", "a\nb", false),
        ("2 < 3 > 1", "2 < 3 > 1", true),
    ] {
        let printed: Vec<&str> = printed.lines().collect();
        assert_eq!(lines_match(&lines(expected), &printed), is_same, "{expected:?} {printed:?}");
    }
}
