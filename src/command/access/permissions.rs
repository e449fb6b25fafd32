//! What a user, or one of a user's selectors, may do: commands, counters, channels.

use super::foreign;
use super::rule::RuleError;
use crate::base::Glob;
use crate::command::specification::{ChannelUse, CommandSpecification, Flag, KeyAccess};
use crate::command::table::{self, COMMAND_COUNT, Found};
use crate::resp::Arguments;

/// The most patterns of one kind that one user may have.
const MAX_PATTERNS: usize = 10_000;
const WORDS: usize = COMMAND_COUNT.div_ceil(64);

/// One bit for each command and subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CommandSet([u64; WORDS]);

impl CommandSet {
    const NONE: Self = Self([0; WORDS]);

    fn all() -> Self {
        let mut set = Self::NONE;
        table::all().for_each(|found| set.put(found, true));
        set
    }

    fn has(&self, ordinal: u16) -> bool {
        let at = usize::from(ordinal);
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    /// With the subcommands, where it is a command that has some.
    fn put(&mut self, found: Found, allowed: bool) {
        let first = usize::from(found.ordinal);
        for at in first..=first + found.specification.subcommands.len() {
            let bit = 1 << (at % 64);
            if allowed { self.0[at / 64] |= bit } else { self.0[at / 64] &= !bit }
        }
    }
}

/// Counters whose names match, and what is allowed with them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CounterPattern {
    pattern: Vec<u8>,
    access: KeyAccess,
}

/// What may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::command) struct Permissions {
    commands: CommandSet,
    /// Whether all commands were allowed before `rules`.
    begins_with_all: bool,
    /// How the commands came about, each as `+get` or `-@admin`.
    rules: Vec<String>,
    all_counters: bool,
    counters: Vec<CounterPattern>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

/// Why a request is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::command) enum Denied {
    /// The command, in full.
    Command(String),
    /// A counter.
    Counter(Vec<u8>),
    /// A channel.
    Channel(Vec<u8>),
}

impl Permissions {
    /// Nothing.
    pub(super) fn none() -> Self {
        Self {
            commands: CommandSet::NONE,
            begins_with_all: false,
            rules: Vec::new(),
            all_counters: false,
            counters: Vec::new(),
            all_channels: false,
            channels: Vec::new(),
        }
    }

    /// Everything.
    pub(super) fn all() -> Self {
        let commands = CommandSet::all();
        Self { commands, begins_with_all: true, all_counters: true, all_channels: true, ..Self::none() }
    }

    /// Whether everything is allowed, so that nothing has to be looked at.
    pub(super) fn is_everything(&self) -> bool {
        self.all_counters && self.all_channels && self.commands == CommandSet::all()
    }

    /// Whether every counter may be read, by every command of `@read`. Those of `@dangerous` show nothing more than the others.
    pub(super) fn may_read_everything(&self) -> bool {
        let reads = |found: &Found| {
            let specification = found.specification;
            specification.has(Flag::Readonly) && !specification.has(Flag::Admin) && !specification.is_dangerous
        };
        self.may_all(KeyAccess::READ) && table::all().filter(reads).all(|found| self.commands.has(found.ordinal))
    }

    /// Whether the request is allowed.
    pub(super) fn check(&self, found: Found, arguments: Arguments<'_>) -> Result<(), Denied> {
        let specification = found.specification;
        if !self.commands.has(found.ordinal) && !specification.has(Flag::NoAuth) {
            return Err(Denied::Command(found.full_name()));
        }
        self.check_counters(specification, arguments)?;
        self.check_channels(specification, arguments)
    }

    fn check_counters(&self, specification: &CommandSpecification, arguments: Arguments<'_>) -> Result<(), Denied> {
        if self.all_counters {
            return Ok(());
        }
        for at in specification.keys.indices(arguments.len()) {
            let name = arguments.get(at).unwrap_or_default();
            if !self.may(name, specification.access) {
                return Err(Denied::Counter(name.to_vec()));
            }
        }
        if specification.every_counter != KeyAccess::NONE && !self.may_all(specification.every_counter) {
            return Err(Denied::Counter(b"*".to_vec()));
        }
        Ok(())
    }

    fn check_channels(&self, specification: &CommandSpecification, arguments: Arguments<'_>) -> Result<(), Denied> {
        if specification.channel_use == ChannelUse::None || (self.all_channels && self.all_counters) {
            return Ok(());
        }
        for at in specification.channels.indices(arguments.len()) {
            self.check_channel(specification.channel_use, arguments.get(at).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Whether a channel may be used. Whoever is told of a counter reads it, so that takes the right to read, too.
    pub(super) fn check_channel(&self, channel_use: ChannelUse, channel: &[u8]) -> Result<(), Denied> {
        // A pattern must be one of those that were given: whether one is within another is not found out.
        let is_literal = channel_use == ChannelUse::Pattern;
        let fits = |pattern: &[u8]| if is_literal { pattern == channel } else { Glob::new(pattern).matches(channel) };
        if !self.all_channels && !self.channels.iter().any(|pattern| fits(pattern)) {
            return Err(Denied::Channel(channel.to_vec()));
        }
        let may_read = self.all_counters
            || channel_use == ChannelUse::Publish
            || self.counters.iter().any(|counters| {
                let all = Glob::new(&counters.pattern).matches_all();
                counters.access.contains(KeyAccess::READ) && (all || fits(&counters.pattern))
            });
        if may_read { Ok(()) } else { Err(Denied::Counter(channel.to_vec())) }
    }

    /// Whether this may be done with the counter of this name.
    pub(super) fn may(&self, name: &[u8], access: KeyAccess) -> bool {
        let allows =
            |counters: &CounterPattern| counters.access.contains(access) && Glob::new(&counters.pattern).matches(name);
        self.all_counters || self.counters.iter().any(allows)
    }

    fn may_all(&self, access: KeyAccess) -> bool {
        let allows =
            |counters: &CounterPattern| counters.access.contains(access) && Glob::new(&counters.pattern).matches_all();
        self.all_counters || self.counters.iter().any(allows)
    }

    /// Changes this as one rule says.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if is("allkeys") || rule == b"~*" {
            (self.all_counters, self.counters) = (true, Vec::new());
        } else if is("resetkeys") {
            (self.all_counters, self.counters) = (false, Vec::new());
        } else if is("allchannels") || rule == b"&*" {
            (self.all_channels, self.channels) = (true, Vec::new());
        } else if is("resetchannels") {
            (self.all_channels, self.channels) = (false, Vec::new());
        } else if is("allcommands") || is("+@all") {
            (self.commands, self.begins_with_all, self.rules) = (CommandSet::all(), true, Vec::new());
        } else if is("nocommands") || is("-@all") {
            (self.commands, self.begins_with_all, self.rules) = (CommandSet::NONE, false, Vec::new());
        } else {
            return match rule {
                [b'~', pattern @ ..] => self.add_counters(pattern, KeyAccess::BOTH),
                [b'%', rest @ ..] => {
                    let (access, pattern) = access_of(rest).ok_or(RuleError::Syntax)?;
                    self.add_counters(pattern, access)
                }
                [b'&', pattern @ ..] => self.add_channels(pattern),
                [sign @ (b'+' | b'-'), name @ ..] => self.put_commands(name, *sign == b'+'),
                _ => Err(RuleError::Syntax),
            };
        }
        Ok(())
    }

    fn add_counters(&mut self, pattern: &[u8], access: KeyAccess) -> Result<(), RuleError> {
        if self.all_counters {
            return Err(RuleError::AllCounters);
        }
        check_pattern(pattern, self.counters.len())?;
        match self.counters.iter_mut().find(|counters| counters.pattern == pattern) {
            Some(counters) => counters.access = counters.access.and(access),
            None => self.counters.push(CounterPattern { pattern: pattern.to_vec(), access }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AllChannels);
        }
        check_pattern(pattern, self.channels.len())?;
        if !self.channels.iter().any(|channel| channel == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    fn put_commands(&mut self, name: &[u8], allowed: bool) -> Result<(), RuleError> {
        let name = std::str::from_utf8(name).map_err(|_| RuleError::UnknownCommand)?.to_ascii_lowercase();
        if name.starts_with('@') {
            let mut is_known = foreign::is_category(&name);
            for found in table::all().filter(|found| found.specification.categories().contains(&name.as_str())) {
                is_known = true;
                self.put_one(found, allowed);
            }
            if !is_known {
                return Err(RuleError::UnknownCommand);
            }
        } else if let Some(found) = table::find_full(name.as_bytes()) {
            self.commands.put(found, allowed);
        } else if !foreign::is_command(&name) {
            return Err(RuleError::UnknownCommand);
        }
        self.note_rule(&name, allowed);
        Ok(())
    }

    /// One command of a category, without subcommands that are of other categories.
    fn put_one(&mut self, found: Found, allowed: bool) {
        let at = usize::from(found.ordinal);
        let bit = 1 << (at % 64);
        if allowed { self.commands.0[at / 64] |= bit } else { self.commands.0[at / 64] &= !bit }
    }

    /// What was said of the same before, or of its subcommands, means nothing any more.
    fn note_rule(&mut self, name: &str, allowed: bool) {
        let is_covered = |rule: &String| {
            let rest = rule[1..].strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        };
        self.rules.retain(|rule| !is_covered(rule));
        self.rules.push(format!("{}{name}", if allowed { '+' } else { '-' }));
    }

    /// The commands as rules that lead there.
    pub(in crate::command) fn commands_text(&self) -> String {
        let mut words = vec![if self.begins_with_all { "+@all" } else { "-@all" }];
        words.extend(self.rules.iter().map(String::as_str));
        words.join(" ")
    }

    /// The patterns of counters as rules.
    pub(in crate::command) fn counters_text(&self) -> Vec<u8> {
        if self.all_counters {
            return b"~*".to_vec();
        }
        let each = self.counters.iter().map(|CounterPattern { pattern, access }| {
            let sign: &[u8] = match *access {
                KeyAccess::READ => b"%R~",
                KeyAccess::WRITE => b"%W~",
                _ => b"~",
            };
            [sign, pattern].concat()
        });
        each.collect::<Vec<_>>().join(&b' ')
    }

    /// The patterns of channels as rules.
    pub(in crate::command) fn channels_text(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        self.channels.iter().map(|pattern| [b"&", &pattern[..]].concat()).collect::<Vec<_>>().join(&b' ')
    }

    /// All of it as rules that lead there from nothing.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = self.counters_text();
        if !text.is_empty() {
            text.push(b' ');
        }
        if !self.all_channels {
            text.extend_from_slice(b"resetchannels ");
        }
        let channels = self.channels_text();
        if !channels.is_empty() {
            text.extend_from_slice(&channels);
            text.push(b' ');
        }
        text.extend_from_slice(self.commands_text().as_bytes());
        text
    }
}

/// `R~pattern`, `W~pattern` or `RW~pattern`.
fn access_of(rest: &[u8]) -> Option<(KeyAccess, &[u8])> {
    let at = rest.iter().position(|byte| *byte == b'~')?;
    let mut access = KeyAccess::NONE;
    for letter in &rest[..at] {
        access = access.and(match letter.to_ascii_uppercase() {
            b'R' => KeyAccess::READ,
            b'W' => KeyAccess::WRITE,
            _ => return None,
        });
    }
    (access != KeyAccess::NONE).then_some((access, &rest[at + 1..]))
}

fn check_pattern(pattern: &[u8], have: usize) -> Result<(), RuleError> {
    if pattern.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(RuleError::Syntax);
    }
    if have >= MAX_PATTERNS { Err(RuleError::TooManyPatterns { most: MAX_PATTERNS }) } else { Ok(()) }
}
