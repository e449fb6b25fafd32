//! Imports that end before they are done, and are gone on with.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use super::cli_support::{Answer, Server as Fake, bytes};
use super::server_support::{Ground, eventually};
use super::{client, run};

const LINES: usize = 20_000;

fn write_file(ground: &Ground) {
    let lines: String = (1..=LINES).map(|number| format!("name:{number},{number}.5\n")).collect();
    fs::write(ground.path("a.csv"), lines).expect("a file");
}

/// A server that hangs up once, at its request of this number.
fn hangs_up_at(last: usize) -> Fake {
    let requests = AtomicUsize::new(0);
    Fake::start(move |request| {
        let number = requests.fetch_add(1, Ordering::Relaxed);
        if number == last { None } else { answer(request) }
    })
}

/// All that was set before is on disk.
fn answer(request: &str) -> Answer {
    bytes(if request.starts_with("WAITAOF ") { "*2\r\n:1\r\n:0\r\n" } else { "+OK\r\n" })
}

/// Numbers of the counters that were set, in the order of the requests.
fn numbers(fake: &Fake) -> Vec<usize> {
    let requests = fake.requests();
    let number = |request: &String| {
        let (name, value) = request.strip_prefix("SET name:")?.split_once(' ')?;
        (value == format!("{name}.5")).then(|| name.parse().expect("a number"))
    };
    let sets = requests.iter().filter(|request| *request != "WAITAOF 1 0 5000");
    sets.map(|request| number(request).unwrap_or_else(|| panic!("{request}"))).collect()
}

fn all() -> BTreeSet<usize> {
    (1..=LINES).collect()
}

#[test]
fn a_lost_connection_tells_the_line_to_go_on_with() {
    let ground = Ground::new();
    write_file(&ground);
    let fake = hangs_up_at(7_000);
    let (code, out, errors) = run(&mut client(&ground, fake.port, &["import", "a.csv"]));
    assert_eq!((code, out.as_str()), (2, ""), "{errors}");
    let line = errors.split("--from-line ").nth(1).and_then(|rest| rest.split(',').next());
    let line: usize = line.and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{errors}"));
    // Replies are lost with the connection, so fewer than were carried out are known to be.
    assert!(line > 4_096 && line <= 7_001, "{errors}");
    let first_run = numbers(&fake).len();
    assert!(first_run >= 7_000, "{first_run}");

    let (code, out, errors) =
        run(&mut client(&ground, fake.port, &["import", "a.csv", "--from-line", &line.to_string()]));
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    let numbers = numbers(&fake);
    assert_eq!(numbers[first_run], line);
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), all());
}

#[test]
fn an_import_that_keeps_how_far_it_came_goes_on_from_there() {
    let ground = Ground::new();
    write_file(&ground);
    let fake = hangs_up_at(9_000);
    let state = ground.path("a.csv.import-state");
    let import = || client(&ground, fake.port, &["import", "--resume", "a.csv"]);
    let (code, _, errors) = run(&mut import());
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("are on its disk, and the same command goes on behind them"), "{errors}");
    let first_run = numbers(&fake).len();
    let kept = fs::read_to_string(&state).expect("a state");
    let kept: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
    let done = kept["counters_done"].as_u64().expect("a number") as usize;
    assert!((4_096..=9_000).contains(&done), "{kept}");

    let elsewhere = hangs_up_at(usize::MAX);
    let (code, _, errors) = run(&mut client(&ground, elsewhere.port, &["import", "--resume", "a.csv"]));
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("is of an import into 127.0.0.1:") && elsewhere.requests().is_empty(), "{errors}");

    let (code, out, errors) = run(&mut import());
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(out.contains("of the file were left out"), "{out}");
    assert!(!state.exists());
    let numbers = numbers(&fake);
    assert_eq!(numbers[first_run], done + 1);
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), all());
}

#[test]
fn a_file_that_was_changed_since_is_not_gone_on_with() {
    let ground = Ground::new();
    write_file(&ground);
    let fake = hangs_up_at(5_000);
    run(&mut client(&ground, fake.port, &["import", "--resume", "a.csv"]));
    let asked = fake.requests().len();
    let text = fs::read_to_string(ground.path("a.csv")).expect("a file");
    fs::write(ground.path("a.csv"), text.replacen("1.5", "2.5", 1)).expect("a file");
    let (code, _, errors) = run(&mut client(&ground, fake.port, &["import", "--resume", "a.csv"]));
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("the file has been changed since; remove it to begin anew"), "{errors}");
    assert_eq!(fake.requests().len(), asked);
    fs::remove_file(ground.path("a.csv.import-state")).expect("a state");
    let (code, _, errors) = run(&mut client(&ground, fake.port, &["import", "--resume", "a.csv"]));
    assert_eq!((code, errors.as_str()), (0, ""));
}

/// A server that answers nothing from its third request on, until it may.
struct Gate {
    fake: Fake,
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    fn new() -> Self {
        let open = Arc::new((Mutex::new(false), Condvar::new()));
        let gate = Arc::clone(&open);
        let requests = AtomicUsize::new(0);
        let fake = Fake::start(move |request| {
            if requests.fetch_add(1, Ordering::Relaxed) >= 2 {
                let is_open = gate.0.lock().expect("no panic");
                drop(gate.1.wait_while(is_open, |open| !*open).expect("no panic"));
            }
            answer(request)
        });
        Self { fake, open }
    }

    fn open(&self) {
        *self.open.0.lock().expect("no panic") = true;
        self.open.1.notify_all();
    }

    /// The client, importing, when the gate has stopped it.
    fn start(&self, ground: &Ground) -> Child {
        let mut import = client(ground, self.fake.port, &["import", "a.csv"]);
        let import = import.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let import = import.spawn().expect("the client runs");
        eventually("the import has begun", || match self.fake.requests().len() {
            0..3 => Err("not yet".to_owned()),
            _ => Ok(()),
        });
        import
    }
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).expect("a child");
}

#[test]
fn an_interrupted_import_says_what_is_done_and_how_to_go_on() {
    let ground = Ground::new();
    write_file(&ground);
    let gate = Gate::new();
    let import = gate.start(&ground);
    interrupt(&import);
    gate.open();
    let output = import.wait_with_output().expect("it ends");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(130), "{errors}");
    let set = numbers(&gate.fake).len();
    assert!(set < LINES, "it was not interrupted");
    assert!(errors.starts_with("discnt-cli: interrupted; "), "{errors}");
    assert!(errors.contains(&format!("go on with --from-line {},", set + 1)), "{set}: {errors}");
}

#[test]
fn an_import_that_waits_for_the_server_ends_with_the_second_interrupt() {
    let ground = Ground::new();
    write_file(&ground);
    let gate = Gate::new();
    let mut import = gate.start(&ground);
    let status = eventually("the import ends", || {
        interrupt(&import);
        import.try_wait().expect("a child").ok_or_else(|| "it goes on".to_owned())
    });
    assert_eq!(status.code(), Some(130));
    let output = import.wait_with_output().expect("it has ended");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(errors.contains("stopped at once; lines before 1 are done, and perhaps some more"), "{errors}");
    gate.open();
}
