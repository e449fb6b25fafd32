//! The prompt, as a person at a terminal has it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::server_support::{Ground, Server};
use crate::terminal::Terminal;

/// A prompt without colours, ready for its first line.
fn prompt(ground: &Ground, server: &Server) -> Terminal {
    let port = server.port().to_string();
    let terminal = Terminal::start(ground, &[("NO_COLOR", "1")], &["-p", &port]);
    terminal.shows(&format!("127.0.0.1:{port}> "));
    terminal
}

#[test]
fn hints_can_be_switched_off_and_on() {
    let ground = Ground::new();
    let server = ground.start();
    let mut terminal = prompt(&ground, &server);
    terminal.press("incrby ");
    terminal.shows("name amount");
    terminal.line("a 5");
    terminal.line(":set nohints");
    terminal.press("decrby ");
    terminal.line("b 7");
    terminal.shows("-7");
    let shown = terminal.screen().matches("name amount").count();
    terminal.line(":set hints");
    terminal.press("decrby ");
    crate::server_support::eventually("hints are shown again", || {
        let again = terminal.screen().matches("name amount").count();
        if again > shown { Ok(()) } else { Err(terminal.screen()) }
    });
    let before = terminal.screen();
    let switched_off = before.split(":set nohints").nth(1).and_then(|rest| rest.split(":set hints").next());
    assert!(!switched_off.unwrap_or("name amount").contains("decrby name amount"), "{before}");
    terminal.line("b 1");
    terminal.line(":quit");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn the_clients_own_words_have_help_and_wrong_ones_are_told() {
    let ground = Ground::new();
    let server = ground.start();
    let mut terminal = prompt(&ground, &server);
    terminal.line(":set everything");
    terminal.shows(":set takes one of hints, nohints");
    terminal.line(":help :set");
    terminal.shows("~/.discnt_clirc");
    terminal.line(":help incr");
    terminal.shows("INCR name");
    terminal.line(":set raw");
    terminal.line("mget a b");
    terminal.shows("0\n0\n");
    terminal.line(":exit");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn preferences_come_from_the_home_directory() {
    let ground = Ground::new();
    let server = ground.start();
    fs::write(ground.path(".discnt_clirc"), "# mine\n:set json\nnonsense\n").expect("written");
    let mut terminal = prompt(&ground, &server);
    terminal.shows(".discnt_clirc, line 3: ':set ...' is expected, not 'nonsense'");
    terminal.line("mget a b");
    terminal.shows("[\"0\",\"0\"]");
    terminal.line("quit");
    assert_eq!(terminal.end().0, Some(0));
    fs::write(ground.path("mine"), ":set raw\n").expect("written");
    let port = server.port().to_string();
    let path = ground.path("mine");
    let variables = [("DISCNT_CLI_RCFILE", path.to_str().expect("UTF-8"))];
    let mut other = Terminal::start(&ground, &variables, &["-p", &port]);
    other.shows("> ");
    other.line("mget a b");
    other.shows("0\n0\n");
    other.line("quit");
    assert_eq!(other.end().0, Some(0));
}

#[test]
fn history_is_kept_for_the_user_alone_and_without_passwords() {
    let ground = Ground::new();
    let server = ground.start();
    let mut terminal = prompt(&ground, &server);
    for line in ["incr kept", "auth secret", " incr hidden", "quit"] {
        terminal.line(line);
    }
    assert_eq!(terminal.end().0, Some(0));
    let path = ground.path(".discnt_cli_history");
    let history = fs::read_to_string(&path).expect("a history");
    assert!(history.contains("incr kept"), "{history}");
    assert!(!history.contains("secret") && !history.contains("hidden"), "{history}");
    let mode = fs::metadata(&path).expect("a history").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
