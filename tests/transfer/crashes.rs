//! Imports into a server that crashes meanwhile, and into servers that do not say what is on their disk.

use std::fs;
use std::process::Stdio;

use super::cli_support::{Server as Fake, bytes};
use super::server_support::{Ground, Server, eventually};
use super::{client, run};

const LINES: usize = 150_000;
/// So many are set when the server crashes.
const BEFORE_CRASH: usize = 30_000;

fn write_file(ground: &Ground) {
    let lines: String = (1..=LINES).map(|number| format!("name:{number},{number}.5\n")).collect();
    fs::write(ground.path("a.csv"), lines).expect("a file");
}

/// Starts an import, kills the server in the middle of it, and starts that again. Answers it and what the client said.
fn crash(ground: &Ground, durability: &str, words: &[&str]) -> (Server, String) {
    let server = ground.server().set(format!("storage.durability={durability}")).run();
    let mut import = client(ground, server.port(), words);
    let import = import.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let import = import.spawn().expect("the client runs");
    let mut probe = server.client();
    eventually("a part is imported", || match probe.ask("DBSIZE").parse::<usize>().expect("a number") {
        count if count >= BEFORE_CRASH => Ok(()),
        count => Err(count.to_string()),
    });
    let start = server.kill();
    let output = import.wait_with_output().expect("it ends");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{errors}");
    (start.run(), errors)
}

#[track_caller]
fn goes_on(ground: &Ground, server: &Server, words: &[&str]) {
    let (code, out, errors) = run(&mut client(ground, server.port(), words));
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert_eq!(server.ask("DBSIZE"), LINES.to_string(), "{out}");
    assert_eq!(server.ask(&format!("MGET name:1 name:{BEFORE_CRASH} name:{LINES}")), "[1.5 30000.5 150000.5]");
}

#[test]
fn nothing_is_left_out_when_the_server_was_killed_in_the_middle() {
    let resume = ["import", "--resume", "a.csv"];
    for durability in ["everysec", "always"] {
        let ground = Ground::new();
        write_file(&ground);
        let (server, errors) = crash(&ground, durability, &resume);
        let kept = fs::read(ground.path("a.csv.import-state")).expect("a state");
        let kept: serde_json::Value = serde_json::from_slice(&kept).expect("JSON");
        let kept = kept["counters_done"].as_u64().expect("a number") as usize;
        assert!(kept > 0 && errors.contains("the same command goes on behind them"), "{kept}: {errors}");
        goes_on(&ground, &server, &resume);
        assert!(!ground.path("a.csv.import-state").exists());
    }
}

#[test]
fn the_line_to_go_on_with_is_behind_what_is_on_disk() {
    let ground = Ground::new();
    write_file(&ground);
    let (server, errors) = crash(&ground, "everysec", &["import", "a.csv"]);
    let line = errors.split("go on with --from-line ").nth(1).and_then(|rest| rest.split(',').next());
    let line = line.unwrap_or_else(|| panic!("{errors}"));
    assert!(line.parse::<usize>().is_ok_and(|line| line > 1), "{errors}");
    goes_on(&ground, &server, &["import", "--from-line", line, "a.csv"]);
}

#[test]
fn with_memory_an_import_is_begun_again_and_says_so() {
    let ground = Ground::new();
    write_file(&ground);
    let resume = ["import", "--resume", "a.csv"];
    let (server, errors) = crash(&ground, "memory", &resume);
    assert!(errors.contains("the same command begins from the beginning"), "{errors}");
    assert!(errors.contains("WAITAOF: ") && errors.contains("nothing is written by itself"), "{errors}");
    goes_on(&ground, &server, &resume);
}

#[test]
fn a_server_that_knows_no_disk_is_told_of() {
    let ground = Ground::new();
    fs::write(ground.path("a.csv"), "a,1\nb,2\n").expect("a file");
    let fake = Fake::start(|request| match request.starts_with("WAITAOF") {
        true => bytes("-ERR unknown command 'WAITAOF'\r\n"),
        false => bytes("+OK\r\n"),
    });
    let (code, out, errors) = run(&mut client(&ground, fake.port, &["import", "a.csv"]));
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(out.contains("is not known (WAITAOF: ERR unknown command 'WAITAOF'); SAVE writes it"), "{out}");
    assert_eq!(fake.requests().iter().filter(|request| request.starts_with("WAITAOF")).count(), 1);
}

#[test]
fn an_import_whose_server_crashes_before_it_has_written_the_last_counters_is_not_done() {
    let ground = Ground::new();
    fs::write(ground.path("a.csv"), "a,1\nb,2\n").expect("a file");
    let fake = Fake::start(|request| if request.starts_with("WAITAOF") { None } else { bytes("+OK\r\n") });
    let (code, out, errors) = run(&mut client(&ground, fake.port, &["import", "a.csv"]));
    assert_eq!((code, out.as_str()), (2, ""), "{errors}");
    assert!(errors.contains("set 2 counters in ") && errors.contains("go on with --from-line 1,"), "{errors}");
    assert!(errors.contains("--from-line 3 is enough if the server has not been started again since"), "{errors}");
}
