//! What there is to know of a command, as constants.

use super::call::Call;
use super::error::CommandError;
use super::outcome::Outcome;
pub use super::reach::{ChannelUse, KeyAccess, KeyPositions};

/// Does the work of one command, after arity and password were checked.
pub(super) type Handler = fn(&mut Call<'_>) -> Result<Outcome, CommandError>;

/// One command, or one subcommand of a command.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpecification {
    /// The name in lower case; of a subcommand its own part alone.
    pub name: &'static str,
    /// What it does, in a sentence without a full stop.
    pub summary: &'static str,
    /// How many arguments it takes, names of command and subcommand included; `-n` is `n` or more.
    pub arity: i32,
    /// How it behaves, in the terms that Redis has for it.
    pub flags: &'static [Flag],
    /// Which arguments are names of counters.
    pub keys: KeyPositions,
    /// What it does with them.
    pub access: KeyAccess,
    /// What it does with all counters at once, named or not.
    pub every_counter: KeyAccess,
    /// Which arguments are channels.
    pub channels: KeyPositions,
    /// What it does with them.
    pub channel_use: ChannelUse,
    /// Whether it can do harm, or show much, though it is not for operators alone.
    pub is_dangerous: bool,
    /// What it has to do with.
    pub group: Group,
    /// The version that it came with.
    pub since: &'static str,
    /// What it costs.
    pub complexity: &'static str,
    /// What it takes.
    pub arguments: &'static [Argument],
    /// What it answers, in a sentence or two.
    pub replies: &'static str,
    /// Its subcommands; a command with subcommands does nothing by itself, but for COMMAND.
    pub subcommands: &'static [CommandSpecification],
    pub(super) handler: Handler,
}

impl CommandSpecification {
    /// Whether this many arguments, the command's own name included, are as many as it takes.
    pub const fn accepts(&self, arguments: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { arguments >= least } else { arguments == least }
    }

    /// Whether it costs the same whatever it is asked.
    pub(super) const fn is_constant_time(&self) -> bool {
        matches!(self.complexity.as_bytes(), b"O(1)")
    }

    /// Whether it behaves like this.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// The categories that Redis would put it in.
    pub fn categories(&self) -> Vec<&'static str> {
        let mut categories = Vec::new();
        match self.group {
            Group::Counter => categories.push("@string"),
            Group::Generic => categories.push("@keyspace"),
            Group::Subscription => categories.push("@pubsub"),
            Group::Connection => categories.push("@connection"),
            Group::Transactions => categories.push("@transaction"),
            Group::Server | Group::Cluster => {}
        }
        if self.has(Flag::Write) {
            categories.push("@write");
        }
        // What is for operators is not allowed to all who may read.
        if self.has(Flag::Readonly) && !self.has(Flag::Admin) {
            categories.push("@read");
        }
        if self.has(Flag::Admin) {
            categories.push("@admin");
        }
        if self.has(Flag::Admin) || self.is_dangerous {
            categories.push("@dangerous");
        }
        categories.push(if self.has(Flag::Fast) { "@fast" } else { "@slow" });
        if self.has(Flag::Blocking) {
            categories.push("@blocking");
        }
        categories
    }

    /// The arguments as a person would write them down: `name [MATCH pattern] [COUNT count]`.
    pub fn usage(&self) -> String {
        usage_of(self.arguments)
    }
}

/// What most commands have in common, for the constants beside the handlers.
pub(super) const BASE: CommandSpecification = CommandSpecification {
    name: "",
    summary: "",
    arity: 2,
    flags: &[],
    keys: KeyPositions::NONE,
    access: KeyAccess::NONE,
    every_counter: KeyAccess::NONE,
    channels: KeyPositions::NONE,
    channel_use: ChannelUse::None,
    is_dangerous: false,
    group: Group::Server,
    since: "0.1.0",
    complexity: "O(1)",
    arguments: &[],
    replies: "",
    subcommands: &[],
    handler: |_| Err(CommandError::Syntax),
};

/// How a command behaves. The names are those of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Changes counters.
    Write,
    /// Reads counters.
    Readonly,
    /// May need memory.
    DenyOom,
    /// For those who run the node.
    Admin,
    /// Not part of scripts.
    NoScript,
    /// Not part of transactions.
    NoMulti,
    /// Answered while the node is still loading.
    Loading,
    /// Answered while the node is behind.
    Stale,
    /// Takes constant or logarithmic time.
    Fast,
    /// Allowed before the password was given.
    NoAuth,
    /// May wait, and its connection with it.
    Blocking,
    /// Has to do with subscriptions.
    PubSub,
}

impl Flag {
    /// The name that Redis has for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Readonly => "readonly",
            Self::DenyOom => "denyoom",
            Self::Admin => "admin",
            Self::NoScript => "noscript",
            Self::NoMulti => "no_multi",
            Self::Loading => "loading",
            Self::Stale => "stale",
            Self::Fast => "fast",
            Self::NoAuth => "no_auth",
            Self::Blocking => "blocking",
            Self::PubSub => "pubsub",
        }
    }
}

/// What a command has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The values of counters.
    Counter,
    /// Counters as such: which there are.
    Generic,
    /// Being told of changes.
    Subscription,
    /// Several requests in one go.
    Transactions,
    /// The connection.
    Connection,
    /// The node.
    Server,
    /// The nodes together.
    Cluster,
}

impl Group {
    /// All groups in the order that documents list them.
    pub const ALL: [Self; 7] = [
        Self::Counter,
        Self::Generic,
        Self::Subscription,
        Self::Transactions,
        Self::Connection,
        Self::Server,
        Self::Cluster,
    ];

    /// The name that COMMAND DOCS gives.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Generic => "generic",
            Self::Subscription => "pubsub",
            Self::Transactions => "transactions",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Cluster => "cluster",
        }
    }
}

/// An argument of a command.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgumentKind,
    /// The word that goes before it, or that it consists of.
    pub token: Option<&'static str>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether there may be several.
    pub multiple: bool,
}

/// What an argument is.
#[derive(Clone, Copy, Debug)]
pub enum ArgumentKind {
    /// The name of a counter.
    Key,
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// A glob pattern.
    Pattern,
    /// The token alone.
    Token,
    /// One of several.
    OneOf(&'static [Argument]),
    /// Several together.
    Block(&'static [Argument]),
}

impl ArgumentKind {
    /// The name that COMMAND DOCS gives.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Text => "string",
            Self::Integer => "integer",
            Self::Decimal => "double",
            Self::Pattern => "pattern",
            Self::Token => "pure-token",
            Self::OneOf(_) => "oneof",
            Self::Block(_) => "block",
        }
    }

    /// What it consists of.
    pub const fn parts(self) -> &'static [Argument] {
        match self {
            Self::OneOf(parts) | Self::Block(parts) => parts,
            _ => &[],
        }
    }
}

impl Argument {
    /// An argument that must be given once.
    pub(super) const fn new(name: &'static str, kind: ArgumentKind) -> Self {
        Self { name, kind, token: None, optional: false, multiple: false }
    }

    /// A word that stands for itself.
    pub(super) const fn word(name: &'static str, token: &'static str) -> Self {
        Self::new(name, ArgumentKind::Token).after(token)
    }

    /// The same after a word.
    pub(super) const fn after(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    /// The same, which may be left out.
    pub(super) const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same, once or more.
    pub(super) const fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }

    fn usage(&self) -> String {
        let inner = match self.kind {
            ArgumentKind::Token => String::new(),
            ArgumentKind::Block(parts) => usage_of(parts),
            ArgumentKind::OneOf(parts) => {
                let parts: Vec<String> = parts.iter().map(Self::usage).collect();
                parts.join(" | ")
            }
            _ => self.name.to_owned(),
        };
        let repeated = match (self.multiple, inner.as_str()) {
            (true, inner) => format!("{inner} [{inner} ...]"),
            (false, inner) => inner.to_owned(),
        };
        let several = match (self.token, repeated.as_str()) {
            (Some(token), "") => token.to_owned(),
            (Some(token), repeated) => format!("{token} {repeated}"),
            (None, repeated) => repeated.to_owned(),
        };
        if self.optional { format!("[{several}]") } else { several }
    }
}

fn usage_of(arguments: &[Argument]) -> String {
    let usages: Vec<String> = arguments.iter().map(Argument::usage).collect();
    usages.join(" ")
}
