//! Machines that share nothing but the network: each has its own authority, unless it joins.

use crate::server_support::{Ground, Ran, Server, Start, run};
use std::process::Command;

/// A server on a machine of its own.
pub(crate) fn machine(ground: &Ground, name: &str) -> Start {
    Start::new(name, ground.path(name), ground.path(name).join("certs"))
}

/// A token that a member makes.
#[track_caller]
pub(crate) fn invite(member: &Server, options: &str) -> String {
    let token = member.ask(format!("CLUSTER INVITE {options}").trim());
    assert!(token.starts_with("discnt1-"), "{token}");
    token
}

pub(crate) fn join(node: &Server, token: &str) -> String {
    node.ask(&format!("CLUSTER JOIN {token}"))
}

/// Runs `discnt-server join` on a machine whose server does not run.
pub(crate) fn join_before_start(ground: &Ground, name: &str, words: &[&str]) -> Ran {
    run(server_command(ground, name).arg("join").args(words))
}

/// Runs `discnt-server --check-config` on a machine.
pub(crate) fn check_config(ground: &Ground, name: &str) -> Ran {
    run(server_command(ground, name).arg("--check-config"))
}

fn server_command(ground: &Ground, name: &str) -> Command {
    let directory = ground.path(name);
    std::fs::create_dir_all(&directory).expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_discnt-server"));
    command.arg("--certs-dir").arg(directory.join("certs")).arg("--data-dir").arg(directory.join("data"));
    command.current_dir(&directory);
    command
}

/// A line of INFO as a number.
#[track_caller]
pub(crate) fn figure(node: &Server, name: &str) -> u64 {
    let info = node.ask("INFO mesh");
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}
