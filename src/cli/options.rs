//! The command line, as what is to be done.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::arguments::Arguments;
use super::cluster;
use super::colour::choose;
use super::display::Format;
use super::environment::Environment;
use super::live::{self, Mode};
use super::output::warn;
use super::settings::Settings;
use super::target::PASSWORD_SHOWN;

/// What is to be done, and how.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// Where to connect to and as whom.
    pub(super) settings: Settings,
    /// How to print replies; `None` leaves it to where they go.
    pub(super) format: Option<Format>,
    /// The command with its arguments; none for the prompt.
    pub(super) command: Vec<Vec<u8>>,
    /// Whether the command's last argument is read from the input.
    pub(super) last_from_input: bool,
    /// How many times the command is run, where the user says.
    pub(super) repeat: Option<u64>,
    /// The time between the runs.
    pub(super) interval: Duration,
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Task {
    /// Talk to a server.
    Talk(Box<Request>),
    /// Something that goes on until the user has seen enough.
    Live {
        /// What.
        mode: Mode,
        /// With which server, and how.
        request: Box<Request>,
    },
    /// `certs`.
    Certificates {
        /// The server whose certificate may be meant.
        settings: Settings,
        /// All words from that one on.
        words: Vec<OsString>,
    },
    /// Those subcommands of `cluster` that have options of the client.
    Cluster {
        /// The server that is asked.
        settings: Settings,
        /// All words from that one on.
        words: Vec<OsString>,
    },
    /// `completions`, with all words from that one on.
    Completions(Vec<OsString>),
    /// `bench`.
    Bench {
        /// The server that is measured.
        settings: Settings,
        /// All words from that one on.
        words: Vec<OsString>,
    },
    /// `export`, `import` or `backup`.
    Transfer {
        /// The server to export from or to import into.
        settings: Settings,
        /// All words from that one on.
        words: Vec<OsString>,
    },
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// What is wrong in words for the user, or the help or version that was asked for; see [`clap::Error::exit_code`].
pub(super) fn parse(words: impl IntoIterator<Item = OsString>, environment: Environment) -> Result<Task, clap::Error> {
    let arguments = Arguments::try_parse_from(words)?;
    choose(arguments.color);
    if arguments.shows_password() {
        warn(PASSWORD_SHOWN);
    }
    if let Some(mode) = arguments.mode.mode() {
        return arguments.into_live(mode, environment);
    }
    let Some(first) = arguments.command.first() else {
        if arguments.last_from_input {
            let text = "-x needs a command whose last argument is to be read from the input";
            return Err(usage_error(ErrorKind::MissingRequiredArgument, text));
        }
        return arguments.into_request(environment);
    };
    // No command begins like this: it is an option that there is not.
    if first.as_encoded_bytes().starts_with(b"-") {
        let text = format!("unexpected option '{}'", first.to_string_lossy());
        return Err(usage_error(ErrorKind::UnknownArgument, &text));
    }
    match first.to_str() {
        Some("certs") => {
            let settings = arguments.settings(environment)?;
            Ok(Task::Certificates { settings, words: arguments.command })
        }
        Some("cluster") if cluster::is_own(&arguments.command) => {
            let settings = arguments.settings(environment)?;
            Ok(Task::Cluster { settings, words: arguments.command })
        }
        Some("completions") => Ok(Task::Completions(arguments.command)),
        Some("watch") => {
            let chosen = live::read_watch(arguments.command.clone())?;
            let (interval, repeat) =
                (chosen.interval.unwrap_or(arguments.interval), chosen.rounds.or(arguments.repeat));
            Arguments { interval, repeat, command: Vec::new(), ..arguments }.into_live(chosen.mode, environment)
        }
        Some("bench") => {
            let settings = arguments.settings(environment)?;
            Ok(Task::Bench { settings, words: arguments.command })
        }
        Some("export" | "import" | "backup") => {
            let settings = arguments.settings(environment)?;
            Ok(Task::Transfer { settings, words: arguments.command })
        }
        _ => arguments.into_request(environment),
    }
}

/// What is wrong, as clap says it of options.
pub(super) fn usage_error(kind: ErrorKind, text: &str) -> clap::Error {
    Arguments::command().error(kind, text)
}

impl Arguments {
    fn into_live(self, mode: Mode, environment: Environment) -> Result<Task, clap::Error> {
        if let Some(word) = self.command.first() {
            let text = format!("a live mode takes no command: '{}' is one too many", word.to_string_lossy());
            return Err(usage_error(ErrorKind::ArgumentConflict, &text));
        }
        Ok(match self.into_request(environment)? {
            Task::Talk(request) => Task::Live { mode, request },
            task => task,
        })
    }

    fn into_request(self, environment: Environment) -> Result<Task, clap::Error> {
        let settings = self.settings(environment)?;
        let format = match (self.raw, self.no_raw, self.json) {
            (true, ..) => Some(Format::Raw),
            (_, true, _) => Some(Format::Typed),
            (.., true) => Some(Format::Json),
            _ => None,
        };
        let command = self.command.into_iter();
        Ok(Task::Talk(Box::new(Request {
            settings,
            format,
            command: command.map(OsString::into_encoded_bytes).collect(),
            last_from_input: self.last_from_input,
            repeat: self.repeat,
            interval: self.interval,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Version;
    use super::*;

    fn parsed(line: &str) -> Result<Task, clap::Error> {
        let words = std::iter::once("discnt-cli").chain(line.split_whitespace());
        parse(words.map(OsString::from), Environment::default())
    }

    fn request(line: &str) -> Request {
        match parsed(line) {
            Ok(Task::Talk(request)) => *request,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refusal(line: &str) -> String {
        let error = parsed(line).expect_err("refused");
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    #[test]
    fn nothing_given_is_the_prompt_at_the_default_port() {
        let request = request("");
        assert_eq!(request.settings.address(), "127.0.0.1:5262");
        assert!(request.command.is_empty());
        assert_eq!(request.settings.credentials, None);
        assert_eq!(request.settings.version, Version::Resp2);
    }

    #[test]
    fn minus_one_time_is_for_ever() {
        assert_eq!(request("-r -1 get a").repeat, Some(u64::MAX));
        assert_eq!(request("-r 3 get a").repeat, Some(3));
        assert!(refusal("-r -2 get a").contains("-1 for ever"));
        let Ok(Task::Live { request, .. }) = parsed("watch -r -1 a") else { panic!("it is a live mode") };
        assert_eq!(request.repeat, Some(u64::MAX));
    }

    #[test]
    fn options_end_where_the_command_begins() {
        let request = request("-h ::1 -p 7711 incrby a -5 -p 3 --raw -- --help");
        assert_eq!(request.settings.address(), "[::1]:7711");
        let words = ["incrby", "a", "-5", "-p", "3", "--raw", "--", "--help"];
        assert_eq!(request.command, words.map(|word| word.as_bytes().to_vec()));
        assert_eq!(request.format, None);
    }

    #[test]
    fn a_uri_gives_everything_and_options_go_first() {
        let request = request("-u rediss://app:s%40x@example.org:7711 -a other --cacert ca.crt get a");
        assert_eq!(request.settings.address(), "example.org:7711");
        let credentials = request.settings.credentials.expect("accepted");
        assert_eq!(credentials.user.as_deref(), Some("app"));
        assert_eq!(credentials.password, "other");
        assert_eq!(request.settings.tls.expect("accepted").authorities, Some("ca.crt".into()));
    }

    #[test]
    fn the_environment_gives_the_password_when_nothing_else_does() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let environment = Environment { password: Some("env".into()), ..Environment::default() };
        let password_of = |line: &str| match parse(words(line), environment.clone()) {
            Ok(Task::Talk(request)) => request.settings.credentials.expect("accepted").password,
            other => panic!("{other:?}"),
        };
        assert_eq!(password_of("discnt-cli get a"), "env");
        assert_eq!(password_of("discnt-cli -a -own get a"), "-own");
    }

    #[test]
    fn json_prefers_resp3() {
        assert_eq!(request("--json get a").settings.version, Version::Resp3IfKnown);
        assert_eq!(request("--json -2 get a").settings.version, Version::Resp2);
        assert_eq!(request("-3 get a").settings.version, Version::Resp3);
        assert_eq!(request("--json get a").format, Some(Format::Json));
        assert_eq!(request("-i 0.25 -r 3 get a").interval, Duration::from_millis(250));
    }

    #[test]
    fn wrong_usage_is_refused_with_what_is_wrong() {
        for (line, word) in [
            ("--nonsense get a", "--nonsense"),
            ("-p 70000 get a", "70000"),
            ("--raw --json get a", "--json"),
            ("-2 -3 get a", "--resp"),
            ("--cacert ca.crt get a", "--tls"),
            ("--tls --cert c.crt get a", "--key"),
            ("--user app get a", "DISCNT_AUTH"),
            ("-u http://h get a", "redis://"),
            ("-i -1 get a", "seconds"),
            ("-t x get a", "seconds"),
            ("-x", "-x"),
            ("-u redis://h -p 1 get a", "--port"),
            ("-s a.sock -p 1 get a", "--port"),
            ("-s a.sock -u redis://h get a", "--uri"),
            ("-u redis://h/3 get a", "/3"),
            ("--stat get a", "takes no command"),
            ("--stat --top", "--top"),
            ("--pattern x get a", "--scan"),
            ("--scan --count 0", "--count"),
            ("watch", "NAME"),
        ] {
            let text = refusal(line);
            assert!(text.contains(word), "{line}: {text}");
        }
    }

    #[test]
    fn a_live_mode_is_one_of_many_and_takes_no_command() {
        let live = |line: &str| match parsed(line) {
            Ok(Task::Live { mode, request }) => (mode, *request),
            other => panic!("{line}: {other:?}"),
        };
        let names = ["a", "b"].map(|name| name.as_bytes().to_vec()).into();
        let (mode, chosen) = live("-p 7711 -i 2 watch -i 0.5 -r 3 a b");
        assert_eq!((mode, chosen.interval.as_millis(), chosen.repeat), (Mode::Watch { names }, 500, Some(3)));
        let (mode, chosen) = live("--json --top --pattern v:* --count 5 -i 2");
        assert_eq!(mode, Mode::Top { pattern: Some(b"v:*".to_vec()), rows: Some(5) });
        assert_eq!((chosen.format, chosen.interval.as_secs()), (Some(Format::Json), 2));
        assert_eq!(live("--pipe").0, Mode::Pipe { patience: Duration::from_secs(30) });
        assert_eq!(live("--pipe --pipe-timeout 0").0, Mode::Pipe { patience: Duration::ZERO });
        // The command of servers is another one.
        assert_eq!(request("WATCH a").command.len(), 2);
    }

    #[test]
    fn certs_is_the_clients_own() {
        let words: Vec<OsString> = ["certs", "init", "--help"].map(OsString::from).into();
        let Ok(Task::Certificates { words: given, .. }) = parsed("certs init --help") else { panic!("not certs") };
        assert_eq!(given, words);
        let Ok(Task::Cluster { settings, .. }) = parsed("-p 7711 cluster invite") else { panic!("not an invitation") };
        assert_eq!(settings.address(), "127.0.0.1:7711");
        assert_eq!(request("cluster nodes").command.len(), 2);
    }

    #[test]
    fn counters_are_moved_between_files_and_the_server_that_was_given() {
        let Ok(Task::Transfer { settings, words }) = parsed("-p 7711 export --format csv") else {
            panic!("not a transfer");
        };
        assert_eq!(settings.address(), "127.0.0.1:7711");
        assert_eq!(words, ["export", "--format", "csv"].map(OsString::from));
    }

    #[test]
    fn the_clients_own_commands_have_words_of_their_own() {
        let Ok(Task::Bench { settings, words }) = parsed("-p 7711 bench incr -n 5 --json") else {
            panic!("not a benchmark");
        };
        assert_eq!(settings.address(), "127.0.0.1:7711");
        assert_eq!(words, ["bench", "incr", "-n", "5", "--json"].map(OsString::from));
        let words = ["completions", "bash"].map(OsString::from).to_vec();
        assert_eq!(parsed("completions bash").expect("accepted"), Task::Completions(words));
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for line in ["--help", "--version"] {
            assert_eq!(parsed(line).expect_err("refused").exit_code(), 0);
        }
        let help = parsed("--help").expect_err("refused").to_string();
        for word in ["Connection:", "TLS:", "Exit status:", "Examples:", "DISCNT_AUTH", "DISCNT_URL", "certs init"] {
            assert!(help.contains(word), "{word}");
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
