//! The rules of the house: which floor each folder is on, and what a pure floor may not reach for.

use super::imports::{Found, Reach, read};

/// Every folder of `src/` and its floor. Imports point to a lower floor only.
pub(crate) const FLOORS: &[(&str, u8)] = &[
    // The programs are thin mains over the floor below them.
    ("bin", 9),
    ("daemon", 8),
    ("cli", 8),
    ("listener", 7),
    ("http", 7),
    ("telemetry", 7),
    ("driver", 6),
    ("mesh", 5),
    ("storage", 5),
    ("command", 4),
    ("node", 3),
    ("wire", 2),
    ("resp", 2),
    ("counter", 1),
    ("replication", 1),
    ("membership", 1),
    ("base", 0),
];

/// Up to this floor nothing does IO, reads a clock, draws randomness or knows an async runtime.
const HIGHEST_PURE_FLOOR: u8 = 4;

/// The longest source file that passes, in lines.
pub(crate) const MOST_LINES: usize = 600;

/// Crates that pure floors may use; any other dependency is refused there.
const PURE_CRATES: &[&str] = &[
    "ahash",
    "bytes",
    "ciborium",
    "foca",
    "hashbrown",
    "itoa",
    "minicbor",
    "parking_lot",
    "prefetch_index",
    "rand",
    "redis_protocol",
    "ring",
    "serde",
    "serde_json",
    "thiserror",
];

/// Crates that test code in pure floors may use as well.
const TEST_CRATES: &[&str] = &["proptest", "toml"];

/// What no pure floor may reach for. `std::thread` is allowed in its tests, which try what many threads share.
const IMPURE: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "env", "args"],
    &["std", "env", "args_os"],
    &["std", "env", "current_dir"],
    &["std", "env", "temp_dir"],
    &["std", "env", "var"],
    &["std", "env", "var_os"],
    &["std", "env", "vars"],
    &["std", "env", "vars_os"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "net", "UdpSocket"],
    &["std", "io", "stdin"],
    &["std", "io", "stdout"],
    &["std", "io", "stderr"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["std", "time", "UNIX_EPOCH"],
    &["std", "hash", "RandomState"],
    &["std", "collections", "hash_map", "RandomState"],
    &["ahash", "RandomState", "new"],
    &["ring", "rand"],
    &["rand", "rng"],
    &["rand", "random"],
    &["rand", "random_range"],
    &["rand", "make_rng"],
    &["rand", "rngs", "SysRng"],
    &["rand", "rngs", "OsRng"],
    &["rand", "rngs", "ThreadRng"],
];

/// Macros that print.
const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// Everything one file does against the rules. `module` is its place below `src/`, the folder first.
pub(crate) fn violations(source: &str, module: &[&str], in_tests: bool, dependencies: &[String]) -> Vec<String> {
    let folder = module.first().copied().unwrap_or("lib.rs");
    let Some(floor) = floor_of(folder) else {
        return vec![format!("src/{folder} has no floor: put it in the table of tests/architecture/rules.rs")];
    };
    // A program is a crate of its own: its `crate` is not the library.
    let found = if folder == "bin" {
        read(&source.replace("crate::", "this::"), &[], in_tests)
    } else {
        read(source, module, in_tests)
    };
    let mut violations = Vec::new();
    for reach in &found.paths {
        violations.extend(climbs(reach, folder, floor).map(|message| format!("line {}: {message}", reach.line)));
    }
    if floor <= HIGHEST_PURE_FLOOR {
        violations.extend(impurities(&found, dependencies));
    }
    violations.sort();
    violations.dedup();
    violations
}

fn floor_of(folder: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == folder).map(|(_, floor)| *floor)
}

fn climbs(reach: &Reach, folder: &str, floor: u8) -> Option<String> {
    if reach.path[0] != "crate" {
        return None;
    }
    let text = reach.path.join("::");
    match reach.path.get(1).map(String::as_str) {
        None | Some("*") => Some(format!("`{text}` takes the whole crate at once, which hides what is imported")),
        Some(other) if other == folder => None,
        Some(other) => match floor_of(other) {
            None => Some(format!("`{text}`: {other} is on no floor")),
            Some(target) if target < floor => None,
            Some(target) => {
                let way = if target == floor { "sideways" } else { "up" };
                Some(format!("`{text}` points {way}: {folder} is on floor {floor}, {other} on floor {target}"))
            }
        },
    }
}

fn impurities(found: &Found, dependencies: &[String]) -> Vec<String> {
    let mut impurities = Vec::new();
    for reach in &found.paths {
        let path: Vec<&str> =
            reach.path.iter().map(String::as_str).map(|part| if part == "core" { "std" } else { part }).collect();
        let text = path.join("::");
        let foreign = dependencies.iter().any(|dependency| dependency == path[0]);
        let allowed = PURE_CRATES.contains(&path[0]) || (reach.in_tests && TEST_CRATES.contains(&path[0]));
        if foreign && !allowed {
            impurities.push(format!("line {}: `{text}`: {} is not for pure floors", reach.line, path[0]));
        }
        let threads_in_tests = reach.in_tests && path.starts_with(&["std", "thread"]);
        if !threads_in_tests && IMPURE.iter().any(|impure| overlaps(&path, impure)) {
            impurities.push(format!("line {}: `{text}` is IO, a clock, or randomness in a pure floor", reach.line));
        }
    }
    for call in &found.macros {
        let name = call.path.last().map_or("", String::as_str);
        if PRINTING.contains(&name) && !call.in_tests {
            impurities.push(format!("line {}: `{name}!` prints in a pure floor", call.line));
        }
    }
    impurities
}

/// Whether a path reaches what is forbidden, by name or by a glob over it.
fn overlaps(path: &[&str], impure: &[&str]) -> bool {
    match path.split_last() {
        Some((&"*", parents)) => impure.starts_with(parents) || parents.starts_with(impure),
        _ => path.starts_with(impure),
    }
}
