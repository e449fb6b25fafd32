//! The prompt: a line editor with history, completion and hints, and a loop that runs what was typed.

use std::borrow::Cow;
use std::env;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hint, Hinter};
use rustyline::history::DefaultHistory;
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, Helper, Validator};

use super::client::{Client, Notices};
use super::colour::{Paint, choose};
use super::docs::CommandDocs;
use super::docs_reply::read_docs;
use super::exit::Exit;
use super::help::help;
use super::hint::{complete, hint};
use super::output::{Output, output_ended, say};
use super::preferences::{self, Preference};
use super::quote::split;
use super::reason::plain_reason;
use super::stream::{Ended, Replies};

const HISTORY_LINES: usize = 2000;
const HISTORY_FILE: &str = ".discnt_cli_history";

/// Reads and runs commands until the user leaves.
pub(super) fn run(client: Client, output: Output) -> Exit {
    let mut editor = match editor() {
        Ok(editor) => editor,
        Err(error) => {
            super::output::warn(format_args!("this terminal cannot be used: {error}"));
            return Exit::Unusable;
        }
    };
    let history = history_file();
    if let Some(path) = &history {
        // There is none at first, and a damaged one is no reason to refuse service.
        let _ = editor.load_history(path);
    }
    let mut prompt = Prompt { client, output, editor, history };
    match prompt.read_preferences().and_then(|()| prompt.run()) {
        Ok(()) => Exit::Answered,
        Err(error) => output_ended(&error),
    }
}

struct Prompt {
    client: Client,
    output: Output,
    editor: Editor<Assistant, DefaultHistory>,
    history: Option<PathBuf>,
}

impl Prompt {
    fn run(&mut self) -> std::io::Result<()> {
        self.connect()?;
        loop {
            let prompt = if self.client.is_connected() {
                format!("{}> ", self.client.settings().address())
            } else {
                "not connected> ".to_owned()
            };
            match self.editor.readline(prompt.as_str()) {
                Ok(line) => {
                    if !self.run_line(&line)? {
                        return Ok(());
                    }
                }
                Err(ReadlineError::Interrupted) => say("(Ctrl-D or `quit` leaves)")?,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(std::io::Error::other(error)),
            }
        }
    }

    /// Answers whether to go on.
    fn run_line(&mut self, line: &str) -> std::io::Result<bool> {
        self.keep(line);
        let words = match split(line.as_bytes()) {
            Ok(words) => words,
            Err(error) => {
                say(error)?;
                return Ok(true);
            }
        };
        let Some(first) = words.first() else {
            return Ok(true);
        };
        match first.to_ascii_lowercase().as_slice() {
            b"quit" | b"exit" | b":quit" | b":exit" => return Ok(false),
            b"help" | b"?" | b":help" | b":?" => say(help(self.docs(), &words[1..]))?,
            b":set" => match preferences::parse(&words[1..]) {
                Ok(preference) => self.set(preference),
                Err(reason) => say(Paint::of_output().bad(&reason))?,
            },
            b":connect" => self.move_to(&words[1..])?,
            b"clear" | b":clear" => self.editor.clear_screen().map_err(std::io::Error::other)?,
            b"connect" => self.move_to(&words[1..])?,
            name => {
                self.run_command(&words)?;
                // A log-in may have opened what was closed before.
                if matches!(name, b"auth" | b"hello") && self.docs().commands().is_empty() {
                    self.read_docs();
                }
            }
        }
        Ok(true)
    }

    fn run_command(&mut self, words: &[Vec<u8>]) -> std::io::Result<()> {
        if !self.client.is_connected() {
            if !self.connect()? {
                return Ok(());
            }
            say(format_args!("connected to {}", self.client.settings().address()))?;
        }
        if Replies::to(words) == Replies::Endless {
            return self.stream(words);
        }
        let mut printed = Ok(());
        let reply = self.client.run(words, &mut |push| {
            let result = self.output.show(&push, words);
            if printed.is_ok() {
                printed = result;
            }
        });
        printed?;
        match reply {
            Ok(reply) => self.output.show(&reply, words),
            Err(error) => say(Paint::of_output().bad(&error.to_string())),
        }
    }

    /// What the user wants of every prompt. A file that cannot be used costs what it says, not the session.
    fn read_preferences(&mut self) -> std::io::Result<()> {
        let Some(path) = preferences::file() else { return Ok(()) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return say(format_args!("{}: {}", path.display(), plain_reason(&error))),
        };
        let (set, wrong) = preferences::read(&text);
        set.into_iter().for_each(|preference| self.set(preference));
        wrong.iter().try_for_each(|reason| say(format_args!("{}, {reason}", path.display())))
    }

    fn set(&mut self, preference: Preference) {
        match preference {
            Preference::Hints(shown) => {
                if let Some(assistant) = self.editor.helper_mut() {
                    assistant.hides_hints = !shown;
                }
            }
            Preference::Colours(choice) => {
                choose(choice);
                self.editor.set_color_mode(color_mode());
            }
            Preference::Format(format) => self.output = Output::new(format),
        }
    }

    /// Shows messages until Ctrl-C. A new connection is made for what is typed next, as that one was for messages only.
    fn stream(&mut self, words: &[Vec<u8>]) -> std::io::Result<()> {
        let mut is_explained = false;
        let ended = self.client.stream(words, &mut |message| {
            if !std::mem::replace(&mut is_explained, true) {
                say("(messages are shown as they come; Ctrl-C ends that)")?;
            }
            self.output.show(message, words)
        });
        match ended {
            Ok(Ended::Refused(reply)) => self.output.show(&reply, words),
            Ok(Ended::Interrupted) => {
                // Behind the ^C that the terminal shows.
                say("")?;
                self.connect().map(|_| ())
            }
            Ok(Ended::Unwritten(error)) => Err(error),
            Err(error) => say(error),
        }
    }

    fn move_to(&mut self, words: &[Vec<u8>]) -> std::io::Result<()> {
        let [host, port] = words else {
            return say("connect takes a host and a port: connect 127.0.0.1 7711");
        };
        let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
        match (std::str::from_utf8(host), port) {
            (Ok(host), Some(port)) => {
                self.client.move_to(host.to_owned(), port);
                self.connect().map(|_| ())
            }
            _ => say("connect takes a host and a port from 1 to 65535; nothing was changed"),
        }
    }

    /// Answers whether there is a connection; if not, the user was told why.
    fn connect(&mut self) -> std::io::Result<bool> {
        match self.client.connect() {
            Ok(Notices { texts, connected }) => {
                for text in texts {
                    say(text)?;
                }
                if connected {
                    self.read_docs();
                }
                Ok(true)
            }
            Err(error) => say(Paint::of_output().bad(&error.to_string())).map(|()| false),
        }
    }

    fn docs(&self) -> &CommandDocs {
        static NONE: CommandDocs = CommandDocs::none();
        self.editor.helper().map_or(&NONE, |assistant| &assistant.docs)
    }

    /// Help, hints and completion are those of the server at hand; one that has no documentation has none.
    fn read_docs(&mut self) {
        let reply = self.client.run(&["COMMAND", "DOCS"], &mut |_| ());
        let docs = reply.map(|reply| read_docs(&reply)).unwrap_or_default();
        let hides_hints = self.editor.helper().is_some_and(|assistant| assistant.hides_hints);
        self.editor.set_helper(Some(Assistant { docs, hides_hints }));
    }

    fn keep(&mut self, line: &str) {
        if line.trim().is_empty() || has_password(line) {
            return;
        }
        if !matches!(self.editor.add_history_entry(line), Ok(true)) {
            return;
        }
        if let Some(path) = &self.history {
            // A home directory that cannot be written to costs the history, not the session.
            let _ = self.editor.append_history(path);
        }
    }
}

fn editor() -> rustyline::Result<Editor<Assistant, DefaultHistory>> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .color_mode(color_mode())
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Assistant::default()));
    Ok(editor)
}

fn color_mode() -> ColorMode {
    match Paint::of_output() {
        Paint::Plain => ColorMode::Disabled,
        Paint::Ansi => ColorMode::Forced,
    }
}

fn history_file() -> Option<PathBuf> {
    let path = match env::var_os("DISCNT_CLI_HISTFILE") {
        Some(path) => PathBuf::from(path),
        None => env::home_dir()?.join(HISTORY_FILE),
    };
    Some(path).filter(|path| !path.as_os_str().is_empty() && path != "/dev/null")
}

/// Whether the line has a password in it, or a token, or may have.
fn has_password(line: &str) -> bool {
    // Quotes are taken off roughly: a line that does not split is not run, but was typed.
    let bare = line.replace(['"', '\''], "").to_ascii_lowercase();
    let mut words = bare.split_whitespace();
    match words.next() {
        Some("auth") => true,
        Some("hello" | "migrate") => words.any(|word| word.starts_with("auth")),
        Some("config") => words.next() == Some("set"),
        Some("acl") => matches!(words.next(), Some("setuser" | "dryrun")),
        // What it is asked about is a request itself.
        Some("command") => {
            words.next().is_some_and(|word| word.starts_with("getkeys"))
                && has_password(&words.collect::<Vec<_>>().join(" "))
        }
        Some("cluster") => words.next() == Some("join"),
        _ => false,
    }
}

/// What the line editor asks while a line is typed.
#[derive(Default, Helper, Validator)]
struct Assistant {
    docs: CommandDocs,
    hides_hints: bool,
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let (start, mut words) = complete(&self.docs, &line[..position]);
        // With a space behind the only candidate, its arguments are hinted at once.
        if let ([word], true) = (words.as_mut_slice(), position == line.len()) {
            word.push(' ');
        }
        Ok((start, words))
    }
}

impl Hinter for Assistant {
    type Hint = ArgumentHint;

    fn hint(&self, line: &str, position: usize, _context: &Context<'_>) -> Option<ArgumentHint> {
        let wanted = position == line.len() && !self.hides_hints;
        wanted.then(|| hint(&self.docs, line)).flatten().map(ArgumentHint)
    }
}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[90m{hint}\x1b[0m"))
    }
}

/// Shown, and never taken over into the line: it says what to give, not what was given.
struct ArgumentHint(String);

impl Hint for ArgumentHint {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_passwords_are_not_kept() {
        for line in [
            "auth secret",
            "  AUTH app secret",
            "\"auth\" secret",
            "'auth' \"open",
            "hello 3 auth default secret",
            "HELLO 3 SETNAME x AUTH a b",
            "config set requirepass x",
            "acl setuser x >y",
            "CLUSTER JOIN discnt1-abc",
            "acl dryrun app auth app secret",
            "command getkeys acl setuser app >secret",
            "COMMAND GETKEYSANDFLAGS auth secret",
        ] {
            assert!(has_password(line), "{line}");
        }
        for line in
            ["get auth", "hello 3", "config get auth", "command getkeys get auth", "acl list", "authx", "", "help auth"]
        {
            assert!(!has_password(line), "{line}");
        }
    }
}
