use super::*;
use crate::daemon::Arguments;

fn wanted(section: &str, key: &str, value: impl Into<toml::Value>) -> Wanted {
    Wanted { section: section.to_owned(), key: key.to_owned(), value: Some(value.into()) }
}

fn rewritten(text: &str, all: &[Wanted]) -> String {
    rewrite_text(text, all).expect("rewritten")
}

#[test]
fn a_value_is_replaced_where_it_stands() {
    let text =
        "# top\n[resp]   # clients\nport = 1 # one\n\n# two\nmax_clients =   5   # five\n\n[log]\nlevel = 'warn'\n";
    let new = rewritten(text, &[wanted("resp", "max_clients", 7), wanted("log", "level", "info")]);
    assert_eq!(new, text.replace("5   #", "7   #").replace("'warn'", "\"info\""));
}

#[test]
fn a_setting_that_was_not_there_goes_below_its_shown_default() {
    let text =
        "[resp]\n\n# The most clients.\n# max_clients = 10000\n\n# More.\n#threads = 0\n\n[log]\n# level = \"info\"\n";
    let all = [wanted("resp", "max_clients", 7), wanted("log", "level", "debug"), wanted("resp", "threads", 2)];
    let new = rewritten(text, &all);
    let expected = text
        .replace("10000\n", "10000\nmax_clients = 7\n")
        .replace("threads = 0\n", "threads = 0\nthreads = 2\n")
        .replace("\"info\"\n", "\"info\"\nlevel = \"debug\"\n");
    assert_eq!(new, expected);
}

#[test]
fn a_setting_finds_its_section_whatever_form_that_has() {
    for (text, key) in [
        ("", "max_clients"),
        ("[log]\nlevel = \"info\"\n", "max_clients"),
        ("[resp]\nport = 1\n[log]\nlevel = \"info\"\n", "max_clients"),
        ("resp = { port = 1 }\n", "max_clients"),
        ("resp.port = 1\n", "port"),
        ("resp.port = 1\n", "max_clients"),
        ("[resp]\npassword = '''\n[resp]\n# max_clients = 1\n'''\nport = 5\n", "max_clients"),
    ] {
        let new = rewritten(text, &[wanted("resp", key, 7)]);
        let mut expected: toml::Table = text.parse().expect("TOML");
        let section = expected.entry("resp").or_insert(toml::Value::Table(toml::Table::new()));
        section.as_table_mut().expect("a table").insert(key.to_owned(), 7.into());
        assert_eq!(new.parse::<toml::Table>().expect("TOML"), expected, "{text}\n->\n{new}");
    }
}

#[test]
fn a_setting_without_a_value_goes() {
    let text = "[resp]\n# secret\npassword = \"x\"\nport = 1\n";
    let gone = Wanted { section: "resp".to_owned(), key: "password".to_owned(), value: None };
    let new = rewritten(text, std::slice::from_ref(&gone));
    assert!(!new.contains("password") && new.contains("port = 1"), "{new}");
    assert_eq!(rewritten("[log]\n", &[gone]), "[log]\n");
}

#[test]
fn what_is_no_configuration_is_refused() {
    assert!(rewrite_text("[resp\n", &[wanted("resp", "port", 1)]).expect_err("no TOML").contains("not TOML"));
    assert!(rewrite_text("resp = 5\n", &[wanted("resp", "port", 1)]).expect_err("no section").contains("no section"));
}

#[test]
fn the_shipped_file_takes_every_setting_that_may_change() {
    let text = include_str!("../../../packaging/discnt.toml");
    for name in crate::daemon::config::change::CHANGEABLE {
        let (section, key) = name.split_once('.').expect("a dot");
        let new = rewritten(text, &[wanted(section, key, "x")]);
        let lines: Vec<&str> = new.lines().collect();
        let at = lines.iter().position(|line| *line == format!("{key} = \"x\"")).expect("a line");
        assert!(lines[at - 1].starts_with(&format!("# {key} = ")), "{}", lines[at - 1]);
        assert_eq!(lines.len(), text.lines().count() + 1);
    }
}

#[test]
fn the_file_is_replaced_with_its_mode_and_through_a_link() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, link) = (directory.path().join("real.toml"), directory.path().join("link.toml"));
    fs::write(&file, "[resp]\nmax_clients = 5 # five\n").expect("written");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("set");
    std::os::unix::fs::symlink(&file, &link).expect("linked");
    let arguments = Arguments { config: Some(link.clone()), ..Arguments::default() };
    let loaded = LoadedConfiguration::load(&arguments, []).expect("valid");
    loaded.rewrite().expect("nothing to write");
    assert_eq!(fs::read_to_string(&file).expect("read"), "[resp]\nmax_clients = 5 # five\n");
    let changed = loaded.changed(&[("resp.max_clients".to_owned(), "7".to_owned())]).expect("valid");
    changed.rewrite().expect("written");
    assert_eq!(fs::read_to_string(&file).expect("read"), "[resp]\nmax_clients = 7 # five\n");
    assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 2, "nothing is left behind");
}

#[test]
fn without_a_file_there_is_nothing_to_rewrite() {
    let loaded = LoadedConfiguration::load(&Arguments::default(), []).expect("valid");
    assert_eq!(loaded.rewrite(), Err("The server is running without a config file".to_owned()));
}

#[test]
fn files_that_are_written_at_the_same_time_are_each_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    fs::write(&path, "").expect("written");
    let texts: Vec<String> = (0..6).map(|writer: u8| char::from(b'a' + writer).to_string().repeat(200_000)).collect();
    std::thread::scope(|scope| {
        for text in &texts {
            scope.spawn(|| (0..20).for_each(|_| replace_file(&path, text.as_bytes()).expect("written")));
        }
        for _ in 0..200 {
            let read = fs::read_to_string(&path).expect("there");
            assert!(read.is_empty() || texts.contains(&read), "{} bytes of several", read.len());
        }
    });
    assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 1, "nothing is left beside it");
}
