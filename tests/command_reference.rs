//! The page docs/COMMANDS.md says what the command table says.

#[test]
fn the_command_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/COMMANDS.md");
    let made = discnt::command::reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &made).expect("docs/ can be written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == made,
        "docs/COMMANDS.md differs from the command table: run UPDATE_DOCS=1 cargo test --test command_reference"
    );
}
