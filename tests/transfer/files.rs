//! Exports, imports of them, and imports of files that were made by hand or damaged.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::cli_support::{Server as Fake, bytes};
use super::server_support::Ground;
use super::{Counters, ask_all, client, read_all, request, run, run_well, set_all};

const COUNTERS: u64 = 10_000;

/// Names that formats trip over, and values at the bounds and with all 17 digits.
fn odd_counters() -> Counters {
    let mut counters = Counters::new();
    let names: [&[u8]; 20] = [
        b"a,b",
        b"\"",
        b"\"\"quoted\"",
        b"two\nlines",
        b"\r\n",
        b"\r",
        b"\0",
        b"\xff\xfe",
        b" spaces ",
        b"{\"name\":1}",
        b"name",
        b"name_base64",
        b"value",
        b"=1+1",
        b"\\x41",
        b"\xef\xbb\xbfmarked",
        "\u{1f980}\u{e9}".as_bytes(),
        b"\x7f",
        b"-",
        b"#x",
    ];
    let values = [
        "100000000000000000000",
        "-100000000000000000000",
        "0",
        "0.00000000000000001",
        "-0.00000000000000001",
        "99999999999999999999.99999999999999999",
        "-12345678901234567890.12345678901234567",
        "1",
        "-1",
        "9223372036854775808",
        "0.1",
    ];
    for (number, name) in names.iter().enumerate() {
        counters.insert(name.to_vec(), values[number % values.len()].to_owned());
    }
    counters.insert(vec![0xc3; 512], "1.5".to_owned());
    counters.insert(vec![b'"'; 512], "-2.5".to_owned());
    // A generator of its own, so that every run has the same counters.
    let mut state = 1_u64;
    while counters.len() < COUNTERS as usize {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut name = state.to_be_bytes()[..5].to_vec();
        if state.is_multiple_of(2) {
            name = format!("name:{}", state >> 40).into_bytes();
        }
        let value = match state >> 61 {
            0 => values[(state >> 33) as usize % values.len()].to_owned(),
            _ => format!("-{}.{:017}", state >> 20, (state >> 13) % 100_000_000_000_000_000),
        };
        let shortest = value.trim_end_matches('0').trim_end_matches('.').to_owned();
        counters.insert(name, if value.contains('.') { shortest } else { value });
    }
    counters
}

#[test]
fn ten_thousand_odd_counters_are_the_same_after_an_export_and_an_import() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    let counters = odd_counters();
    set_all(&mut first.client(), &counters);
    let precise: Vec<_> = counters.keys().step_by(7).collect();
    let requests: Vec<_> = precise.iter().map(|name| request(&[b"PRECISION", name, b"0.25"])).collect();
    ask_all(&mut first.client(), &requests);

    for file in ["all.csv", "all.jsonl"] {
        let exported = run_well(&ground, &first, &["export", "--output", file]);
        assert!(exported.starts_with(&format!("exported 10,000 counters to {file} in ")), "{exported}");
        let imported = run_well(&ground, &second, &["import", file]);
        assert!(imported.starts_with("set 10,000 counters in 127.0.0.1:"), "{imported}");
        assert_eq!(read_all(&second, counters.keys().cloned()), counters, "{file}");
        assert_eq!(second.ask("DBSIZE"), COUNTERS.to_string());
        let again = format!("again.{file}");
        run_well(&ground, &second, &["export", "--output", &again]);
        let sorted = |file: &str| {
            let text = fs::read_to_string(ground.path(file)).expect("an export");
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            // The last line has a checksum over an order, which each server has its own of.
            lines.pop();
            lines.sort();
            lines
        };
        assert_eq!(sorted(file), sorted(&again));
        let with_precision = sorted(file).iter().filter(|line| line.contains("0.25")).count();
        assert!(with_precision >= precise.len(), "{with_precision}");
        let deletions: Vec<_> = counters.keys().map(|name| request(&[b"DEL", name])).collect();
        ask_all(&mut second.client(), &deletions);
    }
}

#[test]
fn an_import_that_is_repeated_gives_the_same_values() {
    let ground = Ground::new();
    let server = ground.start();
    fs::write(ground.path("a.csv"), "a,5\nb,-0.5,2\n\"c,d\",1e3\n").expect("a file");
    for increments in 0..3 {
        run_well(&ground, &server, &["import", "a.csv"]);
        assert_eq!(server.ask("MGET a b c,d"), "[5 -0.5 1000]", "after {increments} imports and increments");
        assert_eq!(server.ask("GET b ENTRY"), "[-0.5 2]");
        assert!(server.ask("GET a ENTRY").ends_with(" (nil)]"));
        server.ask("INCRBY a 3");
    }
}

#[test]
fn counters_that_exist_are_left_alone_on_request() {
    let ground = Ground::new();
    let server = ground.start();
    server.ask("SET b 7");
    server.ask("SET zero 0");
    fs::write(ground.path("a.csv"), "name,value\na,1\nb,2\nzero,3\nc,4\n").expect("a file");
    let said = run_well(&ground, &server, &["import", "--skip-existing", "a.csv"]);
    assert!(said.starts_with("set 2 counters in "), "{said}");
    assert!(said.contains("; left 2 alone that existed; it took "), "{said}");
    assert_eq!(server.ask("MGET a b zero c"), "[1 7 0 4]");
}

#[test]
fn an_export_of_some_counters_goes_through_pipes() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    first.ask("MINCRBY 3 visits:a visits:b other");
    first.ask("SET visits:zero 0");
    first.ask("INCR visits:gone");
    first.ask("DEL visits:gone");
    let words = ["export", "--match", "visits:*", "--format", "jsonl"];
    let (code, exported, errors) = run(&mut client(&ground, first.port(), &words));
    assert_eq!(code, 0, "{errors}");
    assert!(errors.starts_with("discnt-cli: exported 3 counters in "), "{errors}");
    assert!(!errors.contains('\r'), "{errors:?}");
    let mut import = client(&ground, second.port(), &["import", "-"]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client runs");
    import.stdin.take().expect("a pipe").write_all(exported.as_bytes()).expect("read");
    let output = import.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stdout.starts_with(b"set 3 counters in "), "{output:?}");
    assert_eq!(second.ask("KEYS *"), "[visits:a visits:b visits:zero]");
}

#[test]
fn a_damaged_file_is_refused_with_its_lines_and_changes_nothing() {
    let ground = Ground::new();
    let server = ground.start();
    server.ask("MINCRBY 3 one two three");
    run_well(&ground, &server, &["export", "-o", "good.csv"]);
    run_well(&ground, &server, &["export", "-o", "good.jsonl"]);
    server.ask("DEL one two three");
    let good = fs::read_to_string(ground.path("good.csv")).expect("an export");
    let json = fs::read_to_string(ground.path("good.jsonl")).expect("an export");
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    for (text, expected) in [
        (lines[..4].concat(), "line 4: the export is cut short: it has 3 counters"),
        (good[..good.len() - 20].to_owned(), "line 5: this is not how an export ends"),
        (good.replacen(",3,", ",2,", 1), "line 5: the checksum is not that of the counters above"),
        (good.replace(lines[2], ""), "line 4: the export had 3 counters, but 2 stand here"),
        (good.replacen(",3,", ",3x,", 1), "line 2: the value \"3x\" is not a decimal number"),
        (json.replacen("value", "valve", 1), "line 2: unknown field `valve`"),
        (json[..json.len() / 2].to_owned(), ": the export is cut short"),
        ("a,1\nb,1e21\nc,1\n\nd,0.000000000000000001\n".to_owned(), "line 2: the value \"1e21\""),
        ("a,1\n,2\n".to_owned(), "line 2: there is no name"),
        (format!("a,1\n{},2\n", "x".repeat(513)), "line 2: a counter name of 513 bytes is too long"),
        ("a,1\nb,2,3,4\n".to_owned(), "line 2: there are 4 fields; 2 or 3 are expected"),
        ("name,value\nb\n".to_owned(), "line 2: there are 1 fields; 2, as in the first line, are expected"),
        ("a,1\n\"b,2\nc,3".to_owned(), "line 2: a field begins with a quote that is never closed"),
    ] {
        fs::write(ground.path("bad"), &text).expect("a file");
        let (code, out, errors) = run(&mut client(&ground, server.port(), &["import", "bad"]));
        assert_eq!((code, out.as_str()), (1, ""), "{text}\n{errors}");
        assert!(errors.contains("discnt-cli: bad: line ") && errors.contains(expected), "{expected}\n{errors}");
        assert!(errors.ends_with("nothing was imported\n"), "{errors}");
        assert_eq!(server.ask("DBSIZE"), "0");
    }
    let many: String = (0..30).map(|number| format!("a{number},x\n")).collect();
    fs::write(ground.path("bad"), format!("a,1\n{many}")).expect("a file");
    let (_, _, errors) = run(&mut client(&ground, server.port(), &["import", "bad"]));
    assert!(errors.contains("line 21:") && !errors.contains("line 22:"), "{errors}");
    assert!(errors.ends_with("10 more lines are wrong; nothing was imported\n"), "{errors}");
}

#[test]
fn an_export_that_was_changed_on_purpose_is_imported_as_that() {
    let ground = Ground::new();
    let server = ground.start();
    server.ask("MINCRBY 1 a b");
    run_well(&ground, &server, &["export", "-o", "a.jsonl"]);
    let text = fs::read_to_string(ground.path("a.jsonl")).expect("an export");
    fs::write(ground.path("a.jsonl"), text.replacen("\"value\":\"1\"", "\"value\":\"8\"", 1)).expect("a file");
    let checked = run_well(&ground, &server, &["import", "--check", "--edited", "a.jsonl"]);
    assert_eq!(checked, "a.jsonl: 2 counters, nothing is wrong\n");
    assert_eq!(server.ask("MGET a b"), "[1 1]");
    run_well(&ground, &server, &["import", "--edited", "a.jsonl"]);
    assert!(["[1 8]", "[8 1]"].contains(&server.ask("MGET a b").as_str()));
}

#[test]
fn a_file_is_written_as_a_whole_or_left_as_it_was() {
    let ground = Ground::new();
    let fake = Fake::start(|request| match request {
        "DBSIZE" => bytes(":2\r\n"),
        "GET discnt-cli export STATE" => bytes("*2\r\n$1\r\n0\r\n$12\r\nINCONSISTENT\r\n"),
        "SCAN 0 COUNT 2000" => bytes("*2\r\n$1\r\n1\r\n*1\r\n$1\r\na\r\n"),
        "GET a ENTRY" => bytes("*2\r\n$1\r\n5\r\n$-1\r\n"),
        _ => None,
    });
    fs::write(ground.path("a.csv"), "what was there").expect("a file");
    let (code, out, errors) = run(&mut client(&ground, fake.port, &["export", "-o", "a.csv"]));
    assert_eq!((code, out.as_str()), (2, ""), "{errors}");
    assert!(errors.contains("not all members of the cluster can be reached"), "{errors}");
    assert!(errors.contains("was lost") && errors.ends_with("a.csv was not written\n"), "{errors}");
    assert_eq!(fs::read_to_string(ground.path("a.csv")).expect("a file"), "what was there");
    assert_eq!(fs::read_dir(ground.path("")).expect("a directory").count(), 1);
    for (place, word) in [("none/a.csv", "No such file"), (".", "no file that could be replaced")] {
        let (code, _, errors) = run(&mut client(&ground, fake.port, &["export", "-o", place]));
        assert_eq!(code, 1);
        assert!(errors.contains(word), "{errors}");
    }
}

#[test]
fn a_server_that_refuses_a_counter_ends_the_import_with_the_line() {
    let ground = Ground::new();
    let server = ground.server().set("counters.max_counters=2").run();
    fs::write(ground.path("a.csv"), "a,1\n\nb,2\nc,3\nd,4\n").expect("a file");
    let (code, _, errors) = run(&mut client(&ground, server.port(), &["import", "a.csv"]));
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("refused SET of \"c\": "), "{errors}");
    assert!(errors.contains("set 2 counters in ") && errors.contains("go on with --from-line 4"), "{errors}");
    assert_eq!(server.ask("MGET a b c"), "[1 2 0]");
    let (code, _, errors) = run(&mut client(&ground, server.port(), &["import", "a.csv", "--from-line", "6"]));
    assert_eq!(code, 1);
    assert!(errors.contains("there is no line 6: a.csv has 5 lines"), "{errors}");
}
