//! The configuration: the sections of all floors, put together from defaults, a file, the environment and flags.
//!
//! Each section, its defaults and its bounds belong to the folder that uses it. Here is only what they have in common:
//! where a value came from, which one wins, and how a bad one is refused. A value that is secret is never printed.

mod change;
mod error;
mod layers;
mod load;
mod print;
mod reread;
mod rewrite;
mod sections;
mod suggest;

pub use error::{ConfigurationError, Problem};
pub use layers::Origin;
pub use load::LoadedConfiguration;
pub(super) use reread::Reread;
pub(super) use rewrite::replace_file;
pub use sections::Configuration;

/// Settings that must not be shown, as (section, key).
const SECRETS: &[(&str, &str)] = &[("resp", "password")];

fn is_secret(section: &str, key: &str) -> bool {
    SECRETS.contains(&(section, key))
}
