//! Holds the house together: imports point down, pure floors are pure, files are short, nothing is left unfinished.

#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/samples.rs"]
mod samples;

use std::path::{Path, PathBuf};

use rules::{FLOORS, MOST_LINES, violations};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file below `src/`.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("src/ can be read") {
            let path = entry.expect("src/ can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 50, "only {} files were found: this test looks in the wrong place", files.len());
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a source file is UTF-8")
}

fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The module path of a file: `src/a/b.rs` and `src/a/b/mod.rs` are both `a::b`.
fn module_of(path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(root().join("src")).expect("the file is below src/").with_extension("");
    let mut parts: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The modules that only test code declares, as `#[cfg(test)] mod strategies;` does, and those below them.
fn test_modules() -> Vec<Vec<String>> {
    let mut modules = Vec::new();
    for path in sources() {
        let module = module_of(&path);
        let names: Vec<&str> = module.iter().map(String::as_str).collect();
        let found = imports::read(&read(&path), &names, false);
        modules.extend(found.modules.into_iter().filter(|(_, in_tests)| *in_tests).map(|(name, _)| {
            // A file that is no `mod.rs` keeps its tests beside itself: `load_tests.rs` is `load::tests`.
            [module.clone(), vec![name]].concat()
        }));
    }
    modules
}

fn is_test_file(path: &Path, test_modules: &[Vec<String>]) -> bool {
    let module = module_of(path);
    let beside = module.last().is_some_and(|name| name.ends_with("_tests"));
    beside || test_modules.iter().any(|tests| module.starts_with(tests))
}

/// The names by which the dependencies are called in the code.
fn dependencies() -> Vec<String> {
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().expect("Cargo.toml is TOML");
    let names: Vec<String> = ["dependencies", "dev-dependencies"]
        .iter()
        .filter_map(|table| manifest.get(*table)?.as_table())
        .flat_map(|table| table.keys().map(|name| name.replace('-', "_")))
        .collect();
    assert!(names.iter().any(|name| name == "tokio"), "the dependencies were not found");
    names
}

#[test]
fn imports_point_down_and_pure_floors_are_pure() {
    let dependencies = dependencies();
    let test_modules = test_modules();
    let mut all = Vec::new();
    for path in sources() {
        if path == root().join("src/lib.rs") {
            continue;
        }
        let module = module_of(&path);
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        for violation in violations(&read(&path), &module, is_test_file(&path, &test_modules), &dependencies) {
            all.push(format!("{}: {violation}", short(&path)));
        }
    }
    assert!(all.is_empty(), "{} violations of the floors:\n{}", all.len(), all.join("\n"));
}

#[test]
fn every_folder_has_a_floor_and_every_floor_its_folder() {
    let mut folders: Vec<String> = std::fs::read_dir(root().join("src"))
        .expect("src/ can be read")
        .map(|entry| entry.expect("src/ can be read").path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a folder has a name").to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut table: Vec<&str> = FLOORS.iter().map(|(name, _)| *name).collect();
    table.sort_unstable();
    assert_eq!(folders, table, "left: src/, right: the table of floors");
}

#[test]
fn the_library_declares_its_folders_and_nothing_else() {
    for line in read(&root().join("src/lib.rs")).lines() {
        let declares = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'));
        let known = declares.is_some_and(|name| FLOORS.iter().any(|(folder, _)| *folder == name));
        assert!(known || line.is_empty() || line.starts_with("//!"), "src/lib.rs has more than modules: {line}");
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = sources()
        .iter()
        .map(|path| (short(path), read(path).lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "a file is about one thing, in {MOST_LINES} lines at most:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    let mut found = Vec::new();
    for path in sources() {
        for mark in samples::unfinished(&read(&path)) {
            found.push(format!("{}: {mark}", short(&path)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
