//! Stand-in.
mod config;
pub use config::{Config, Password};
/// Stand-in.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// A setting is outside its bounds, or contradicts another.
    #[error("[resp] {key} = {given}: allowed is {allowed}")]
    Setting {
        /// The name of the setting.
        key: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: String,
    },
}
