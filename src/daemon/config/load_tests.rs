//! What the configuration takes, what it refuses, and in which words.

use super::*;
use clap::Parser;
use std::io::Write;

fn load(file: Option<&str>, environment: &[(&str, &str)], flags: &[&str]) -> Result<LoadedConfiguration, String> {
    let mut written = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut line = vec!["discnt-server".to_owned()];
    let path = written.path().display().to_string();
    if let Some(text) = file {
        written.write_all(text.as_bytes()).expect("a temporary file takes text");
        line.extend(["--config".to_owned(), path.clone()]);
    }
    line.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let arguments = Arguments::try_parse_from(line).expect("the flags are well-formed");
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    LoadedConfiguration::load(&arguments, environment).map_err(|error| error.to_string().replace(&path, "FILE"))
}

#[track_caller]
fn refused(file: Option<&str>, environment: &[(&str, &str)], flags: &[&str], expected: &str) {
    let text = load(file, environment, flags).expect_err("must be refused");
    assert!(text.contains(expected), "expected {expected:?} in:\n{text}");
}

#[test]
fn nothing_given_is_the_defaults() {
    let loaded = load(None, &[], &[]).expect("the defaults are valid");
    assert_eq!(loaded.configuration, Configuration::default());
    assert_eq!(loaded.origin("resp", "port"), Origin::Default);
    assert_eq!(loaded.file, None);
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let file = "[resp]\nport = 1000\nthreads = 1\nmax_clients = 11\n[cluster]\nlease_ms = 1500\n";
    let variables = [("DISCNT_RESP__PORT", "2000"), ("DISCNT_RESP__THREADS", "2")];
    let loaded = load(Some(file), &variables, &["--port", "3000"]).expect("valid");
    let resp = &loaded.configuration.resp;
    assert_eq!((resp.port, resp.threads, resp.max_clients), (3000, 2, 11));
    assert_eq!(loaded.configuration.mesh.port, 3000);
    assert_eq!(loaded.configuration.cluster.lease_ms, 1500);
    assert_eq!(loaded.origin("resp", "port"), Origin::Flag("--port"));
    assert_eq!(loaded.origin("resp", "threads"), Origin::Environment("DISCNT_RESP__THREADS".into()));
    assert!(matches!(loaded.origin("resp", "max_clients"), Origin::File { line: Some(4), .. }));
    assert_eq!(loaded.origin("resp", "replies"), Origin::Default);
}

#[test]
fn one_flag_sets_both_ends_and_set_sets_them_apart() {
    let loaded = load(None, &[], &["--port", "7711", "--set", "mesh.port=7712", "--bind", "::1"]).expect("valid");
    let all = loaded.configuration;
    assert_eq!((all.resp.port, all.mesh.port), (7711, 7712));
    assert_eq!((all.resp.bind.as_str(), all.mesh.bind.as_str()), ("::1", "::1"));
}

#[test]
fn directories_come_from_their_flags() {
    let all = load(None, &[], &["--data-dir", "/d", "--certs-dir", "12"]).expect("valid").configuration;
    assert_eq!(all.data_directory(), PathBuf::from("/d"));
    assert_eq!(all.mesh.certs_dir, PathBuf::from("12"));
    let all = load(None, &[], &["--port", "7711"]).expect("valid").configuration;
    assert_eq!(all.data_directory(), PathBuf::from("./discnt-data/7711"));
}

#[test]
fn a_text_setting_takes_text_that_looks_like_something_else() {
    for password in ["12345", "true", "1e3", "[a]", "'quoted'"] {
        let set = format!("resp.password={password}");
        let from_flag = load(None, &[], &["--set", &set]).expect("valid").configuration;
        let from_environment = load(None, &[("DISCNT_RESP__PASSWORD", password)], &[]).expect("valid").configuration;
        let expected = password.trim_matches('\'');
        assert_eq!(from_flag.resp.password.as_ref().map(|p| p.reveal()), Some(expected));
        assert_eq!(from_environment.resp.password.as_ref().map(|p| p.reveal()), Some(expected));
    }
}

#[test]
fn a_precision_is_a_number_or_a_text_and_keeps_all_digits() {
    let precise = "0.12345678901234567";
    for (file, flag) in [
        ("[counters]\ndefault_precision = \"0.12345678901234567\"", None),
        ("", Some(format!("counters.default_precision={precise}"))),
    ] {
        let flags: Vec<&str> = flag.iter().flat_map(|flag| ["--set", flag]).collect();
        let all = load(Some(file), &[], &flags).expect("valid").configuration;
        assert_eq!(all.counters.default_precision.amount().to_string(), precise);
    }
    for (text, expected) in [("0", "0"), ("10", "10"), ("0.1", "0.1"), ("1e3", "1000")] {
        let all = load(Some(&format!("[counters]\ndefault_precision = {text}")), &[], &[]).expect("valid");
        assert_eq!(all.configuration.counters.default_precision.amount().to_string(), expected);
    }
    for bad in ["-1", "\"abc\"", "nan", "inf", "1e21", "true"] {
        let file = format!("[counters]\ndefault_precision = {bad}");
        refused(Some(&file), &[], &[], "FILE, line 2: counters.default_precision = ");
        refused(Some(&file), &[], &[], "allowed is a number from 0 to 1e20");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_closest_one() {
    refused(Some("[resp]\nprot = 1"), &[], &[], "FILE, line 2: unknown key resp.prot; did you mean resp.port?");
    refused(None, &[], &["--set", "mesh.certdir=x"], "--set: unknown key mesh.certdir; did you mean mesh.certs_dir?");
    refused(
        None,
        &[("DISCNT_RESP__PROT", "1")],
        &[],
        "DISCNT_RESP__PROT: unknown key resp.prot; did you mean DISCNT_RESP__PORT?",
    );
    refused(Some("[resp]\ncerts_dir = 'x'"), &[], &[], "did you mean mesh.certs_dir?");
    refused(Some("[storage]\nsomething = 1"), &[], &[], "unknown key storage.something; [storage] has data_dir");
    refused(Some("[rsp]\nport = 1"), &[], &[], "did you mean resp.port?");
    refused(Some("[rsp]\n"), &[], &[], "unknown section [rsp]; did you mean [resp]?");
    refused(Some("[database]\nx = 1"), &[], &[], "unknown section [database]; the sections are node, counters, resp");
    refused(Some("port = 1"), &[], &[], "port stands outside of any section");
}

#[test]
fn a_wrong_type_is_refused_with_what_was_given_and_what_is_allowed() {
    refused(
        Some("[resp]\nport = \"abc\""),
        &[],
        &[],
        "FILE, line 2: resp.port = \"abc\": allowed is a whole number from 0 to 65535",
    );
    refused(Some("[resp]\nport = 70000"), &[], &[], "resp.port = 70000: allowed is a whole number from 0 to 65535");
    refused(
        None,
        &[("DISCNT_CLUSTER__LEASE_MS", "-3")],
        &[],
        "DISCNT_CLUSTER__LEASE_MS: cluster.lease_ms = -3: allowed is a whole number that is not negative",
    );
    refused(None, &[], &["--set", "resp.replies=both"], "resp.replies = both: allowed is \"redis\" or \"discnt\"");
    refused(Some("[mesh]\nadvertise = 5"), &[], &[], "mesh.advertise = 5: allowed is a text in quotes");
    refused(Some("[mesh]\ncerts_dir = 5"), &[], &[], "mesh.certs_dir = 5: allowed is a path in quotes");
    refused(Some("[resp.port]\nx = 1"), &[], &[], "resp.port = (a table): allowed is a whole number");
}

#[test]
fn a_value_out_of_bounds_is_refused_with_where_it_came_from() {
    refused(Some("[cluster]\nlease_ms = 1"), &[], &[], "FILE, line 2: [cluster] lease_ms = 1");
    refused(None, &[("DISCNT_COUNTERS__SETTLE_MS", "1")], &[], "DISCNT_COUNTERS__SETTLE_MS: counters.settle_ms = 1");
    refused(None, &[], &["--bind", "localhost"], "--bind: mesh.bind = \"localhost\"");
}

#[test]
fn settings_that_contradict_each_other_are_refused_with_both() {
    let text = load(Some("[mesh]\nkeepalive_interval_ms = 4000"), &[("DISCNT_MESH__IDLE_TIMEOUT_MS", "4500")], &[])
        .expect_err("a keepalive that is too slow");
    assert!(text.contains("DISCNT_MESH__IDLE_TIMEOUT_MS and FILE, line 2: "), "{text}");
    assert!(text.contains("4000") && text.contains("4500"), "{text}");
    refused(None, &[], &["--set", "mesh.cert=a.crt"], "mesh.ca_cert = (not set)");
    refused(None, &[], &["--port", "0"], "--port: resp.port = 0 lets the system choose the port");
    load(None, &[], &["--port", "0", "--data-dir", "d"]).expect("a directory of its own needs no port");
    refused(
        None,
        &[],
        &["--set", "resp.port=1", "--set", "resp.port=2"],
        "--set: resp.port is set twice, to 1 and to 2",
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = load(Some("[resp]\nprot = 1\nthreads = \"two\"\n"), &[("DISCNT_LOG__LEVEL", "inof")], &["--set", "x"])
        .expect_err("four problems");
    assert!(text.starts_with("the configuration is not valid, 4 problems:"), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    refused(None, &[], &["--config", "/does/not/exist.toml"], "--config /does/not/exist.toml: the file cannot be read");
}

#[test]
fn a_secret_is_shown_neither_in_errors_nor_in_print() {
    for (file, flags) in [
        (Some("[resp]\npassword = 1234567"), vec![]),
        (None, vec!["--set", "resp.password=\"1234567\"", "--set", "resp.password=x1234567"]),
    ] {
        let text = load(file, &[], &flags).expect_err("refused");
        assert!(text.contains("resp.password") && !text.contains("1234567"), "{text}");
    }
    // Where its section was forgotten, is no section, or where it got below a key; and where a sign is missing.
    for file in [
        "password = \"1234567\"\n[resp]\nport = 1",
        "resp = \"1234567\"",
        "users = \"1234567\"",
        "[[resp]]\npassword = \"1234567\"",
        "[resp.bind]\npassword = \"1234567\"",
        "[[resp.bind]]\npassword = \"1234567\"",
        "[mesh]\npassword = \"1234567\"",
        "[resp]\npassword = 1234567x",
        "[users.bob]\npasswords = [\"1234567\"]",
        "[users.bob]\ncommands = [\"+@all >1234567\"]",
        "[users.bob]\ncounters = [\"~x >1234567\"]",
        "[users.bob]\nchannels = [\"&x >1234567\"]",
    ] {
        let text = load(Some(file), &[], &[]).expect_err("refused");
        assert!(!text.contains("1234567"), "{file}: {text}");
    }
    for flags in [
        &["--set", "resp.password 1234567"][..],
        &["--set", "resp.password:1234567"],
        &["--set", "password=1234567"],
        &["--set", "resp.pasword=1234567", "--set", "resp.pasword=x1234567"],
    ] {
        let text = load(None, &[], flags).expect_err("refused");
        assert!(text.contains("word") && !text.contains("1234567"), "{flags:?}: {text}");
    }
    let printed = load(None, &[("DISCNT_RESP__PASSWORD", "1234567")], &[]).expect("valid").to_string();
    assert!(printed.contains("# password is set (from DISCNT_RESP__PASSWORD)\n"), "{printed}");
    assert!(!printed.contains("1234567"), "{printed}");
}

#[test]
fn what_is_printed_can_be_fed_back_and_says_where_it_came_from() {
    let flags = ["--port", "7711", "--set", "counters.default_precision=0.5"];
    let first = load(Some("[resp]\nreplies = \"discnt\"\n"), &[], &flags).expect("valid");
    let printed = first.to_string();
    assert!(printed.contains("port = 7711  # --port\n"), "{printed}");
    assert!(printed.contains("replies = \"discnt\"  # /"), "{printed}");
    assert!(printed.contains("default_precision = \"0.5\"  # --set\n"), "{printed}");
    assert!(printed.contains("max_clients = 10000  # default\n"), "{printed}");
    assert!(printed.contains("# advertise is not set  # default\n"), "{printed}");
    assert!(printed.contains("data_dir = \"./discnt-data/7711\"  # default\n"), "{printed}");
    let second = load(Some(&printed), &[], &[]).expect("what was printed is valid");
    let mut expected = first.configuration;
    expected.storage.data_dir = Some(expected.data_directory());
    assert_eq!(second.configuration, expected);
}
