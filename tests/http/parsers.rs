//! Other programs that read what is told; not everybody who runs the tests has them.

/// Set to `required`, tests fail where such a program is not here.
const VARIABLE: &str = "DISCNT_TEST_PARSERS";

/// Says that `program` is not here.
pub(crate) fn not_held_against(program: &str) {
    let is_required = std::env::var(VARIABLE).is_ok_and(|value| value == "required");
    assert!(!is_required, "{program} is not here, and {VARIABLE} demands it; CONTRIBUTING.md says how to get it");
    eprintln!("NOT RUN: {program} is not here");
}
