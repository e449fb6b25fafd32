//! The users that the documentation has people copy.

use super::tests::{may, user};

const DOCUMENT: &str = include_str!("../../../docs/ACCESS.md");

/// Rules for a file of users and for the configuration, in the words of the former.
fn rules_of(name: &str) -> Vec<String> {
    let line = format!("user {name} ");
    let of_file = DOCUMENT.lines().find_map(|text| text.strip_prefix(&line)).expect("a line");
    let section = DOCUMENT.split(&format!("[users.{name}]")).nth(1).expect("a section");
    let commands = section.lines().find(|text| text.starts_with("commands")).expect("commands");
    let of_section: Vec<&str> = commands.split('"').skip(1).step_by(2).collect();
    vec![of_file.to_owned(), format!("~* {}", of_section.join(" "))]
}

#[test]
fn the_users_of_the_documentation_cannot_end_or_stop_others() {
    for name in ["dashboard", "ads"] {
        for rules in rules_of(name) {
            let user = user(&rules);
            assert!(may(&user, "client setname x") && may(&user, "ping"), "{rules}");
            for line in ["client kill id 1", "client pause 1000 all", "flushall", "config get x"] {
                assert!(!may(&user, line), "{name}, {rules}: {line}");
            }
        }
    }
}
