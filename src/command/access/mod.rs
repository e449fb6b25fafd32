//! Who may do what: users, their passwords, and what they are allowed.
//!
//! Sessions hold their user and look at a number to learn that it has changed; only then they take a lock. Never here:
//! files and time. What is to be read or written leaves as [`AccessRequest`].

mod accounts;
mod audit;
mod audit_bound;
mod config;
mod denials;
mod file;
mod foreign;
mod password;
mod permissions;
mod rights;
mod rule;
mod throttle;
mod tokens;
mod user;

pub use accounts::{Access, Account, DEFAULT_FREE_FAILURES};
pub use audit::{AuditEvent, AuditRecord, Auditor};
pub use config::{UserConfig, UserConfigError};
pub use file::{FileError, parse_users};
pub use password::PasswordHash;
pub use tokens::TokenVerdict;
pub use user::User;

pub(super) use accounts::{Login, TooManyUsers, client_info};
pub(super) use config::is_user_name;
/// Whether Redis has such a category and this server has no command in it.
pub(super) fn is_foreign_category(name: &str) -> bool {
    foreign::is_category(name)
}

pub(super) use denials::{Denial, Entry, Reason};
pub(super) use permissions::{Denied, Permissions};
pub(super) use rights::Rights;
pub(super) use user::RulesError;

/// The user of those who do not say who they are.
pub(super) const DEFAULT: &str = "default";

/// What takes files or randomness, and so is done by whoever has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessRequest {
    /// Read all users from the file.
    Load,
    /// Write all users to the file.
    Save,
    /// So many random bits in hexadecimal digits.
    GeneratePassword {
        /// 1 to 4096.
        bits: u32,
    },
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
mod audit_tests;
#[cfg(test)]
mod documented_tests;
