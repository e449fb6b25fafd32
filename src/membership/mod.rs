//! Stand-in.
mod config;
pub use config::Config;
/// Stand-in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// A setting is out of its range.
    #[error("[cluster] {key} = {given} is out of range: {lowest} to {highest} milliseconds are allowed")]
    Setting {
        /// The setting's name within its section.
        key: &'static str,
        /// What was given, in milliseconds.
        given: u64,
        /// The least that is allowed, in milliseconds.
        lowest: u64,
        /// The most that is allowed, in milliseconds.
        highest: u64,
    },
}
