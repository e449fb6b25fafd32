//! Why a command was refused. Nothing was changed, unless the text says what was.

use super::access::{RulesError, TooManyUsers};
use super::subscriptions::TooMany;
use crate::base::{AmountError, Durability, NameError};
use crate::counter::{CounterError, PrecisionError};
use crate::resp::ErrorReply;

/// The words are those of Redis where Redis has the same error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("unknown command '{name}', with args beginning with: {arguments}")]
    UnknownCommand { name: String, arguments: String },
    #[error(
        "this is a line of HTTP, and this port speaks the Redis protocol: the connection is closed, and nothing behind this line was run"
    )]
    Http,
    #[error("unknown subcommand '{name}'. Try {container} HELP.")]
    UnknownSubcommand { name: String, container: String },
    #[error("wrong number of arguments for '{0}' command")]
    Arity(String),
    #[error("Authentication required.")]
    NotAuthenticated,
    #[error(
        "HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
    )]
    HelloNotAuthenticated,
    #[error("invalid username-password pair or user is disabled.")]
    WrongPassword,
    #[error(
        "AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
    )]
    NoPasswordConfigured,
    #[error("AUTH was given, but no password is set here")]
    NoPasswordSet,
    #[error("invalid password")]
    InvalidPassword,
    #[error("too many failed logins from your address; try again in {seconds} s")]
    TooManyFailures { seconds: u64 },
    #[error(
        "too many failed logins as this user from addresses that it has not logged in from; from here try again in {seconds} s"
    )]
    TooManyFailuresOfUser { seconds: u64 },
    #[error("User {user} has no permissions to run the '{command}' command")]
    CommandDenied { user: String, command: String },
    #[error("No permissions to access a key")]
    CounterDenied,
    #[error("No permissions to access a channel")]
    ChannelDenied,
    #[error(
        "ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: {0}"
    )]
    NoLongerAllowed(&'static str),
    #[error("{0}")]
    Rules(#[from] RulesError),
    #[error("{0}")]
    TooManyUsers(#[from] TooManyUsers),
    #[error("Usernames can't contain spaces or null characters")]
    UserName,
    #[error("The 'default' user cannot be removed")]
    DefaultUser,
    #[error("User '{0}' not found")]
    UserNotFound(String),
    #[error("Command '{0}' not found")]
    CommandNotFound(String),
    #[error("Unknown category '{0}'")]
    UnknownCategory(String),
    #[error("ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096")]
    PasswordBits,
    #[error(
        "This node is not configured to use an ACL file, which [resp] acl_file names. Users may be written into the configuration as [users.NAME], or made with ACL SETUSER until the node stops; nothing was changed"
    )]
    NoAclFile,
    #[error("unsupported protocol version")]
    UnsupportedProtocol,
    #[error("Protocol version is not an integer or out of range")]
    ProtocolNotInteger,
    #[error("Syntax error in HELLO option '{0}'")]
    HelloOption(String),
    #[error("Client names cannot contain spaces, newlines or special characters.")]
    ClientName,
    #[error("{0} cannot contain spaces, newlines or special characters.")]
    LibraryLabel(&'static str),
    #[error("Unrecognized option '{0}'")]
    LibraryOption(String),
    #[error("syntax error")]
    Syntax,
    #[error("value is not an integer or out of range")]
    NotInteger,
    #[error("invalid cursor")]
    Cursor,
    #[error("BACKUP BEGIN comes first")]
    BackupNotBegun,
    #[error("DB index is out of range")]
    Database,
    #[error("{command} takes {takes}; option '{option}' is not supported")]
    Option { command: &'static str, takes: &'static str, option: String },
    #[error("Unknown client type '{0}'")]
    ClientType(String),
    #[error("Invalid client ID")]
    ClientId,
    #[error("client-id should be greater than 0")]
    ClientIdToKill,
    #[error("No such user '{0}'")]
    NoSuchUser(String),
    #[error("No such client")]
    NoSuchClient,
    #[error("maxage is not an integer or out of range")]
    MaxAge,
    #[error("CLIENT UNBLOCK reason should be TIMEOUT or ERROR")]
    UnblockReason,
    #[error("client unblocked via CLIENT UNBLOCK")]
    Unblocked,
    #[error(
        "client-side caching is not offered: counters change on every node without a command here, and nobody could tell you of each change; SUBSCRIBE tells of those that you name. Tracking is off"
    )]
    NoTracking,
    #[error("CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")]
    NotTracking,
    #[error("Invalid node address specified: {host}:{port}, {expected}; nothing was changed")]
    NodeAddress { host: String, port: String, expected: &'static str },
    #[error(
        "DEBUG command not allowed. To allow it, set enabled = true in the section [debug] of the configuration, or DISCNT_DEBUG__ENABLED=true, and start the server again."
    )]
    DebugNotAllowed,
    #[error("EXEC without MULTI")]
    ExecWithoutMulti,
    #[error("DISCARD without MULTI")]
    DiscardWithoutMulti,
    #[error("MULTI calls can not be nested")]
    NestedMulti,
    #[error("WATCH inside MULTI is not allowed")]
    WatchInsideMulti,
    #[error("Command not allowed inside a transaction")]
    NotInTransaction,
    #[error("Transaction discarded because of previous errors.")]
    Discarded,
    #[error("Transaction discarded because of: {0}")]
    DiscardedBecause(String),
    #[error("a transaction may take {most} bytes at most (commands.max_transaction_bytes); it will be discarded")]
    TransactionTooLarge { most: u64 },
    #[error(
        "the replies of this transaction take more than {most} bytes (commands.max_transaction_bytes); this request was not run"
    )]
    TransactionRepliesTooLarge { most: u64 },
    #[error("a connection watches {most} counters at most")]
    TooManyWatched { most: usize },
    #[error(
        "FLUSHALL and FLUSHDB are not allowed on this node. To allow them, set flush = true in the section [commands] of the configuration, or DISCNT_COMMANDS__FLUSH=true, and start the server again; nothing was changed"
    )]
    FlushNotAllowed,
    #[error("value is not a valid float")]
    NotFloat,
    #[error("how often and when a counter is read is not tracked: nothing is evicted")]
    NotTracked,
    #[error("count should be greater than or equal to -1")]
    SlowLogCount,
    #[error("No samples available for event '{0}'")]
    NoSamples(String),
    #[error("Invalid command specified")]
    InvalidCommand,
    #[error("The command has no key arguments")]
    NoKeyArguments,
    #[error("Invalid number of arguments specified for command")]
    InvalidArity,
    #[error("Unknown option or number of arguments for CONFIG SET - '{0}'")]
    UnknownParameter(String),
    #[error("CONFIG SET failed (possibly related to argument '{argument}') - {reason}; nothing was changed")]
    ConfigSet { argument: String, reason: String },
    #[error("no such key")]
    NoSuchKey,
    #[error("the node is still starting; nothing was changed")]
    Starting,
    #[error("Discnt is loading its counters: {progress}")]
    Loading { progress: String },
    #[error(
        "Discnt cannot write to its disk: {reason}. With durability = \"{durability}\" changes are refused until it can; nothing was changed, and reads go on."
    )]
    NotOnDisk { durability: Durability, reason: String },
    #[error("No shutdown in progress.")]
    NoShutdown,
    #[error("timeout is not an integer or out of range")]
    TimeoutNotInteger,
    #[error("timeout is negative")]
    TimeoutNegative,
    #[error("WAITAOF cannot be used when numlocal is set but durability is \"memory\": nothing is written by itself.")]
    NothingWritten,
    #[error("Unknown node {0}: a node's id is 40 hexadecimal digits; nothing was changed")]
    NodeId(String),
    #[error(
        "Can't execute '{0}': only (P|I)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    )]
    Subscribed(String),
    #[error("the interval must be a number of seconds from 0.1 to 86400; nothing was subscribed")]
    Interval,
    #[error(
        "counters publish themselves: whoever is subscribed to one is told when INCR, DECR or SET changes it; nothing was sent"
    )]
    CountersPublish,
    #[error("a pattern may take {most} bytes at most; nothing was subscribed")]
    PatternTooLong { most: usize },
    #[error("{0}; nothing was subscribed")]
    TooManySubscriptions(#[from] TooMany),
    #[error("{error}; {state}")]
    Partly { error: CounterError, state: String },
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Counter(#[from] CounterError),
    #[error(transparent)]
    Precision(#[from] PrecisionError),
}

impl CommandError {
    /// The word that clients tell errors apart by.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NotAuthenticated | Self::HelloNotAuthenticated => "NOAUTH",
            Self::WrongPassword => "WRONGPASS",
            Self::CommandDenied { .. } | Self::CounterDenied | Self::ChannelDenied | Self::NoLongerAllowed(_) => {
                "NOPERM"
            }
            Self::UnsupportedProtocol => "NOPROTO",
            Self::Loading { .. } => "LOADING",
            Self::NotOnDisk { .. } => "MISCONF",
            Self::Discarded | Self::DiscardedBecause(_) => "EXECABORT",
            Self::Unblocked => "UNBLOCKED",
            Self::Counter(error) | Self::Partly { error, .. } if error.is_want_of_memory() => "OOM",
            _ => "ERR",
        }
    }

    /// Whether the text says by itself which command it is about, or comes with a code that tells clients what to do.
    fn speaks_for_itself(&self) -> bool {
        self.code() != "ERR"
            || matches!(
                self,
                Self::UnknownCommand { .. }
                    | Self::UnknownSubcommand { .. }
                    | Self::Http
                    | Self::Arity(_)
                    | Self::NoPasswordConfigured
                    | Self::NoPasswordSet
                    | Self::InvalidPassword
                    | Self::HelloOption(_)
                    | Self::TooManyFailures { .. }
                    | Self::TooManyFailuresOfUser { .. }
                    | Self::Rules(_)
                    | Self::TooManyUsers(_)
                    | Self::UserName
                    | Self::DefaultUser
                    | Self::UserNotFound(_)
                    | Self::CommandNotFound(_)
                    | Self::UnknownCategory(_)
                    | Self::PasswordBits
                    | Self::NoAclFile
                    | Self::Option { .. }
                    | Self::DebugNotAllowed
                    | Self::FlushNotAllowed
                    | Self::InvalidCommand
                    | Self::NoKeyArguments
                    | Self::InvalidArity
                    | Self::ExecWithoutMulti
                    | Self::DiscardWithoutMulti
                    | Self::NestedMulti
                    | Self::WatchInsideMulti
                    | Self::NotInTransaction
                    | Self::NothingWritten
                    | Self::Subscribed(_)
                    | Self::UnknownParameter(_)
                    | Self::ConfigSet { .. }
                    | Self::NoTracking
                    | Self::NotTracking
            )
    }

    /// The reply, which names the command.
    pub(super) fn reply(&self, command: &str) -> ErrorReply {
        let code = self.code();
        if self.speaks_for_itself() {
            ErrorReply::new(format!("{code} {self}"))
        } else {
            ErrorReply::new(format!("{code} {self} ('{command}' command)"))
        }
    }
}
