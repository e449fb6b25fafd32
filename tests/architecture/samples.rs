//! The rules tried on samples: each that must fail does, and each that must pass does.

use super::rules::violations;

/// Marks of unfinished work in a source.
pub(crate) fn unfinished(source: &str) -> Vec<String> {
    // Put together here, so that the list does not find itself.
    let marks = [["to", "do!"].concat(), ["unimpl", "emented!"].concat(), ["#[ign", "ore"].concat()];
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for mark in &marks {
            if code.contains(mark.as_str()) {
                found.push(format!("line {}: {mark}", number + 1));
            }
        }
    }
    found
}

fn check(module: &[&str], source: &str) -> Vec<String> {
    let dependencies = ["tokio", "quinn", "rustls", "bytes", "rand", "proptest", "tracing", "time", "socket2"];
    violations(source, module, false, &dependencies.map(str::to_owned))
}

#[track_caller]
fn fails(module: &[&str], source: &str, expected: &str) {
    let found = check(module, source);
    assert!(
        found.iter().any(|violation| violation.contains(expected)),
        "{expected:?} is not in {found:?} for\n{source}"
    );
}

#[track_caller]
fn passes(module: &[&str], source: &str) {
    assert_eq!(check(module, source), Vec::<String>::new(), "for\n{source}");
}

#[test]
fn imports_that_point_up_or_sideways_are_found_in_every_form() {
    for (module, source) in [
        (&["counter", "table"][..], "use crate::node::Node;"),
        (&["counter", "table"], "pub(crate) use crate::node::Node as Higher;"),
        (&["counter", "table"], "use crate::{base::Amount, node::{Node, view}};"),
        (&["counter", "table"], "use {crate::base::Amount, crate::node::Node};"),
        (&["counter", "table"], "use discnt::node::Node;"),
        (&["counter", "table"], "use ::discnt::node::Node;"),
        (&["counter", "table"], "use super::super::node::Node;"),
        (&["counter"], "use super::node::Node;"),
        (&["counter", "table"], "fn f() -> crate::node::Node { g() }"),
        (&["counter", "table"], "fn f() { for i in 0..crate::node::LIMIT { g(i) } }"),
        (&["counter", "table"], "fn f() { assert!(x == vec![crate::node::Node::new()]); }"),
        (&["counter", "table"], "mod inner { use super::super::super::node::Node; }"),
        (&["counter", "table"], "mod inner { pub(in crate::counter) use crate::node; }"),
        (&["counter", "table"], "#[cfg(test)] mod tests { use crate::node::Node; }"),
        (&["counter", "table"], "macro_rules! m { () => { $crate::node::Node::new() } }"),
        (&["counter", "table"], "#[derive(Debug)] struct S { #[doc = \"x\"] f: crate::node::Node }"),
        (&["counter", "table"], "use crate::r#node::Node;"),
    ] {
        fails(module, source, "points up: counter is on floor 1, node on floor 3");
    }
    fails(&["counter", "table"], "use crate::membership::Membership;", "points sideways");
    fails(&["mesh", "link"], "use crate::storage::DataDirectory;", "points sideways");
    fails(&["daemon", "launch"], "use crate::cli::connect;", "points sideways");
    fails(&["daemon", "launch"], "use crate::bin::main;", "points up");
    fails(&["resp", "reply"], "use crate::wire::Record;", "points sideways");
}

#[test]
fn what_hides_an_import_is_found() {
    fails(&["counter", "table"], "use crate::*;", "the whole crate at once");
    fails(&["counter", "table"], "use crate as all;", "the whole crate at once");
    fails(&["counter", "table"], "use super::super as all;", "the whole crate at once");
    fails(&["counter", "table"], "use crate::{self as all};", "the whole crate at once");
    fails(&["counter", "table"], "use crate::helper::Thing;", "helper is on no floor");
    fails(&["helper", "table"], "use crate::base::Amount;", "has no floor");
}

#[test]
fn imports_that_point_down_pass() {
    for (module, source) in [
        (&["counter", "table"][..], "use crate::base::{Amount, Name}; use super::share::Share; use self::x::Y;"),
        (&["counter", "table"], "#[cfg(test)] mod tests { use super::*; use super::super::share::Share; }"),
        (&["node", "machine"], "use crate::{base, counter::Table, membership::Membership, wire};"),
        (&["daemon"], "use crate::{listener, mesh, storage}; use tokio::net::TcpStream;"),
        (&["bin", "discnt-server"], "use discnt::daemon::Arguments; fn main() { discnt::cli::f(); crate::g() }"),
        (
            &["counter", "table"],
            "// use crate::node::Node;\n/// [`crate::node`]\nfn f() { g(\"use crate::node::Node;\") }",
        ),
        (&["counter", "table"], "fn f(s: &S) -> usize { s.node.len() + node::count() }"),
    ] {
        passes(module, source);
    }
}

#[test]
fn impurity_is_found_in_every_form() {
    for source in [
        "use std::fs::File;",
        "use std::fs;",
        "use std::{fmt, fs};",
        "use std::*;",
        "use std as standard;\nfn f() { standard::fs::read(p); }",
        "use std::time::*;",
        "use std::time;\nfn f() { time::Instant::now(); }",
        "use std::time as t;\nfn f() { t::SystemTime::now(); }",
        "use std::time::{Duration, Instant};",
        "fn f() { let now = std::time::Instant::now(); }",
        "fn f() { ::std::thread::sleep(d); }",
        "use std::net::{IpAddr, UdpSocket};",
        "use std::io;\nfn f() { io::stdout().write_all(b); }",
        "use std::env;\nfn f() { env::var(x); }",
        "fn f() { std::process::exit(1) }",
        "fn f() -> u64 { rand::random() }",
        "use rand::rng;",
        "use rand::*;",
        "use rand::rngs::{SmallRng, SysRng};",
        "fn f() { debug_assert!(std::env::var(\"X\").is_ok()); }",
        "use std::hash::RandomState;",
        "#[cfg(test)] mod tests { use std::fs::File; }",
        "#[cfg(test)] mod tests { fn f() { std::time::Instant::now(); } }",
    ] {
        fails(&["counter", "table"], source, "is IO, a clock, or randomness in a pure floor");
    }
    for (source, name) in [
        ("use tokio::sync::mpsc;", "tokio"),
        ("fn f() { quinn::Endpoint::client(a); }", "quinn"),
        ("use {rustls::ServerConfig, bytes::Bytes};", "rustls"),
        ("fn f() { tracing::info!(\"x\"); }", "tracing"),
        ("fn f() { time::OffsetDateTime::now_utc(); }", "time"),
        ("use proptest::prelude::*;", "proptest"),
        ("use socket2::Socket;", "socket2"),
        ("#[test] fn f() {} fn g() { proptest::x(); }", "proptest"),
    ] {
        fails(&["command", "table"], source, &format!("{name} is not for pure floors"));
    }
    fails(&["node", "machine"], "fn f() { println!(\"x\"); }", "`println!` prints");
    fails(&["node", "machine"], "fn f() { std::eprintln!(\"x\"); }", "`eprintln!` prints");
    // Threads are for tests, not for what stands beside them.
    fails(&["counter", "table"], "#[cfg(test)] mod tests {} fn f() { std::thread::spawn(g); }", "in a pure floor");
    fails(&["counter", "table"], "#[cfg(test)] use x::Y; fn f() { std::thread::spawn(g); }", "in a pure floor");
}

#[test]
fn what_is_pure_passes_and_tests_may_use_threads_and_proptest() {
    for source in [
        "use std::time::Duration; use std::net::{IpAddr, SocketAddr}; use std::io::{self, Write};",
        "use std::sync::atomic::{AtomicU64, Ordering}; use bytes::Bytes; use rand::rngs::SmallRng;",
        "#[cfg(test)] mod tests { use proptest::prelude::*; use std::thread; fn f() { thread::spawn(g); } }",
        "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nfn f() {}",
        "mod time; pub use time::Moment; fn f() -> &'static str { std::env::consts::OS }",
        "fn f(time: Time) { time.thread.spawn(); } // std::fs",
        "fn f() -> &'static str { \"std::fs::read\" }",
    ] {
        passes(&["counter", "table"], source);
    }
    passes(&["driver", "task"], "use std::{fs, time::Instant}; use tokio::sync::mpsc; fn f() { rand::random() }");
}

#[test]
fn unfinished_work_is_found() {
    for word in ["to", "unimpl"] {
        let rest = if word == "to" { "do" } else { "emented" };
        assert_eq!(unfinished(&format!("fn f() {{ {word}{rest}!() }}")).len(), 1);
    }
    assert_eq!(unfinished(&format!("#[test]\n#[{}ore = \"slow\"]\nfn f() {{}}", "ign")).len(), 1);
    assert!(unfinished("fn f() { done() } // nothing to do!").is_empty());
}
