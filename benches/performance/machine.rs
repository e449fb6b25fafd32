//! Where and with what something was measured.

use std::process::Command;

/// What a program writes in its first line; nothing where it cannot be run.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value behind this word in a file of the system.
fn value(text: &str, word: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    line.map_or("unknown", |value| value.trim_start_matches([' ', '\t', ':']).trim()).to_owned()
}

/// The machine, the kernel and the versions, for whoever wants to compare.
pub(crate) fn describe() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let kilobytes: f64 = value(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
    let load = read("/proc/loadavg").split_whitespace().next().unwrap_or("unknown").to_owned();
    format!(
        "{processors} processors ({}), {:.0} GB of memory, Linux {}, load average {load} at the start; {}; {}",
        value(&read("/proc/cpuinfo"), "model name"),
        kilobytes / 1e6,
        read("/proc/sys/kernel/osrelease").trim(),
        first_line("redis-server", &["--version"]).split(" sha=").next().unwrap_or_default(),
        first_line("rustc", &["--version"]),
    )
}

/// Which build was measured.
pub(crate) fn build() -> String {
    let changes =
        if first_line("git", &["status", "--porcelain", "--untracked-files=no", "src", "Cargo.lock", "Cargo.toml"])
            == "unknown"
        {
            ""
        } else {
            " with changes"
        };
    let profile = match std::env::var_os("DISCNT_SERVER") {
        Some(_) => "the program that DISCNT_SERVER named".to_owned(),
        None if cfg!(debug_assertions) => "a debug build".to_owned(),
        None => "a release build".to_owned(),
    };
    format!(
        "discnt {} at commit {}{changes}, {profile}",
        env!("CARGO_PKG_VERSION"),
        first_line("git", &["rev-parse", "--short=12", "HEAD"])
    )
}

pub(crate) fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}
