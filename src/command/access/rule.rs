//! What is wrong with a rule, in the words that Redis has for it.

/// Why a rule of a user was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No such kind of rule.
    #[error("Syntax error")]
    Syntax,
    /// `+`, `-` or `@` before a name that nothing has.
    #[error("Unknown command or category name in ACL")]
    UnknownCommand,
    /// `#` or `!` before what is no hash.
    #[error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")]
    Hash,
    /// `<` or `!` with a password that the user does not have.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// A pattern after `~*`.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
    )]
    AllCounters,
    /// A pattern after `&*`.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    AllChannels,
    /// A bound of ours.
    #[error("a user has {most} patterns of a kind at most")]
    TooManyPatterns {
        /// So many.
        most: usize,
    },
    /// A bound of ours.
    #[error("a user has {most} passwords and {most} selectors at most")]
    TooManyOfOne {
        /// So many.
        most: usize,
    },
}
