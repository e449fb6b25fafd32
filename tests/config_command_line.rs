//! What a user types and sees: `--check-config`, `--print-config`, `--help`, and refusals.

use std::process::{Command, Output};

fn server(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discnt-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DISCNT_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(environment.iter().copied()).output().expect("the program can be started")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_valid_configuration_is_called_valid() {
    let output = server(&["--check-config"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "configuration is valid (no file was given)\n");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_refused_configuration_starts_nothing_and_ends_with_1() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, "[resp]\nprot = 7711\nthreads = \"many\"\n").expect("a temporary file");
    let file = file.to_str().expect("UTF-8");
    for flags in [&["--config", file][..], &["--config", file, "--check-config"], &["--config", file, "--print-config"]]
    {
        let output = server(flags, &[("DISCNT_CLUSTER__LEASE_MS", "soon")]);
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
        assert_eq!(text(&output.stdout), "");
        assert_eq!(
            text(&output.stderr),
            format!(
                "discnt-server: the configuration is not valid, 3 problems:\n  \
                 {file}, line 2: unknown key resp.prot; did you mean resp.port?\n  \
                 {file}, line 3: resp.threads = \"many\": allowed is a whole number from 0 to 65535\n  \
                 DISCNT_CLUSTER__LEASE_MS: cluster.lease_ms = soon: allowed is a whole number that is not negative\n\
                 No server was started and nothing was changed.\n"
            )
        );
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let output = server(&["--config", "/does/not/exist.toml"], &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output.stderr);
    assert!(text.contains("--config /does/not/exist.toml: the file cannot be read: No such file"), "{text}");
}

#[test]
fn the_printed_configuration_says_where_each_value_came_from() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("some.toml");
    std::fs::write(&file, "[cluster]\nlease_ms = 2000\n").expect("a temporary file");
    let file = file.to_str().expect("UTF-8");
    let environment = [("DISCNT_LOG__LEVEL", "warn"), ("DISCNT_RESP__PASSWORD", "hunter2")];
    let output = server(&["--config", file, "--port", "7711", "--print-config"], &environment);
    assert_eq!(output.status.code(), Some(0));
    let printed = text(&output.stdout);
    for expected in [
        "\nport = 7711  # --port\n",
        &format!("\nlease_ms = 2000  # {file}\n"),
        "\nlevel = \"warn\"  # DISCNT_LOG__LEVEL\n",
        "\nsettle_ms = 1000  # default\n",
        "\n# password is set (from DISCNT_RESP__PASSWORD)\n",
    ] {
        assert!(printed.contains(expected), "{expected:?} is not in:\n{printed}");
    }
    assert!(!printed.contains("hunter2"), "{printed}");
    let again = directory.path().join("again.toml");
    std::fs::write(&again, printed).expect("a temporary file");
    let output = server(&["--config", again.to_str().expect("UTF-8"), "--check-config"], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn help_and_version_are_answered() {
    let help = server(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    let shown = text(&help.stdout);
    for flag in
        ["--config", "--port", "--bind", "--data-dir", "--certs-dir", "--set", "--check-config", "--print-config"]
    {
        assert!(shown.contains(flag), "{flag} is not in:\n{shown}");
    }
    assert!(shown.contains("Examples:"), "{shown}");
    let version = server(&["--version"], &[]);
    assert_eq!(text(&version.stdout), format!("discnt-server {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_file_that_a_start_could_not_use_is_named_and_ends_with_1() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(path("broken.pem"), "nonsense").expect("written");
    std::fs::write(path("users.acl"), "user ann on +@nonsense\n").expect("written");
    let settings = [
        format!("resp.acl_file={}", path("users.acl")),
        format!("resp.password_file={}", path("no-password")),
        "resp.tls_port=0".to_owned(),
        format!("resp.tls_cert={}", path("broken.pem")),
        format!("resp.tls_key={}", path("no-key.pem")),
        format!("mesh.ca_cert={}", path("no-authority.crt")),
        format!("mesh.cert={}", path("broken.pem")),
        format!("mesh.key={}", path("no-node.key")),
        format!("storage.data_dir={}", path("data")),
    ];
    let mut arguments = vec!["--check-config"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    let output = server(&arguments, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let told = text(&output.stderr);
    for (name, file) in [
        ("acl_file", "users.acl"),
        ("password_file", "no-password"),
        ("tls_cert", "broken.pem"),
        ("tls_key", "no-key.pem"),
        ("[mesh]", "no-authority.crt"),
        ("[mesh]", "broken.pem"),
        ("[mesh]", "no-node.key"),
    ] {
        let is_told = told.lines().any(|line| line.contains(name) && line.contains(&path(file)));
        assert!(is_told, "{name} {file}: {told}");
    }
    assert!(!directory.path().join("data").exists(), "nothing is made");
}
