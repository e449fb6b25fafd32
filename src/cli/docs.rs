//! What a server says about its commands: names, arguments, summaries.

/// One command or subcommand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CommandDoc {
    /// The name in capitals; a subcommand's begins with that of its command (`CLUSTER MEET`).
    pub(super) name: String,
    /// What it does.
    pub(super) summary: String,
    /// The version that it came with.
    pub(super) since: String,
    /// What it has to do with.
    pub(super) group: String,
    /// What it costs.
    pub(super) complexity: String,
    /// What it takes.
    pub(super) arguments: Vec<Argument>,
    /// Its subcommands.
    pub(super) subcommands: Vec<CommandDoc>,
}

/// One argument of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Argument {
    /// What it is called in a syntax line.
    pub(super) name: String,
    /// The word that comes before it, in capitals; of a pure token, the word that it is.
    pub(super) token: Option<String>,
    /// What is to be given.
    pub(super) kind: ArgumentKind,
    /// Whether it may be left out.
    pub(super) optional: bool,
    /// Whether it may be given several times over.
    pub(super) multiple: bool,
    /// Whether its token is then given each time.
    pub(super) multiple_token: bool,
}

/// What an argument consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ArgumentKind {
    /// One word that the user chooses.
    #[default]
    Value,
    /// The token alone.
    PureToken,
    /// One of these.
    OneOf(Vec<Argument>),
    /// These, in this order.
    Block(Vec<Argument>),
}

/// The documentation of all commands of a server, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CommandDocs {
    commands: Vec<CommandDoc>,
}

impl CommandDocs {
    /// The documentation of a server that has none.
    pub(super) const fn none() -> Self {
        Self { commands: Vec::new() }
    }

    /// The documentation of these commands.
    pub(super) fn new(mut commands: Vec<CommandDoc>) -> Self {
        commands.sort_by(|a, b| a.name.cmp(&b.name));
        Self { commands }
    }

    /// All commands, sorted by name.
    pub(super) fn commands(&self) -> &[CommandDoc] {
        &self.commands
    }

    /// The command that these words begin with and how many of the words are its name: two with a subcommand.
    pub(super) fn find<A: AsRef<[u8]>>(&self, words: &[A]) -> Option<(&CommandDoc, usize)> {
        let command = by_name(&self.commands, words.first()?.as_ref(), None)?;
        let subcommand =
            words.get(1).and_then(|word| by_name(&command.subcommands, word.as_ref(), Some(&command.name)));
        Some(subcommand.map_or((command, 1), |subcommand| (subcommand, 2)))
    }
}

impl CommandDoc {
    /// The last word of the name.
    pub(super) fn own_name(&self) -> &str {
        self.name.rsplit(' ').next().unwrap_or(&self.name)
    }

    /// What comes after the name, as it would be written in a manual.
    pub(super) fn syntax(&self) -> String {
        if self.arguments.is_empty() && !self.subcommands.is_empty() {
            return "subcommand [argument ...]".to_owned();
        }
        join(&self.arguments, " ")
    }
}

impl Argument {
    /// The argument as a manual writes it: `[COUNT count]`, `name [name ...]`.
    pub(super) fn syntax(&self) -> String {
        let once = self.once();
        let whole = if self.multiple {
            let again = match &self.token {
                Some(token) if !self.multiple_token => once.strip_prefix(&format!("{token} ")).unwrap_or(&once),
                _ => once.as_str(),
            };
            format!("{once} [{again} ...]")
        } else {
            once
        };
        if self.optional { format!("[{whole}]") } else { whole }
    }

    fn once(&self) -> String {
        let own = match &self.kind {
            ArgumentKind::PureToken => {
                return self.token.clone().unwrap_or_else(|| self.name.clone());
            }
            ArgumentKind::Value => self.name.clone(),
            ArgumentKind::Block(parts) => join(parts, " "),
            // Inside brackets the bar is clear enough; otherwise it needs some of its own.
            ArgumentKind::OneOf(parts) if self.optional && self.token.is_none() => join(parts, " | "),
            ArgumentKind::OneOf(parts) => format!("<{}>", join(parts, " | ")),
        };
        match &self.token {
            Some(token) => format!("{token} {own}"),
            None => own,
        }
    }
}

fn join(arguments: &[Argument], separator: &str) -> String {
    let parts: Vec<String> = arguments.iter().map(Argument::syntax).collect();
    parts.join(separator)
}

fn by_name<'a>(commands: &'a [CommandDoc], word: &[u8], container: Option<&str>) -> Option<&'a CommandDoc> {
    let word = std::str::from_utf8(word).ok()?.to_ascii_uppercase();
    commands.iter().find(|command| match container {
        None => command.name == word,
        Some(_) => command.own_name() == word,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_repeated_only_where_the_server_says_so() {
        let mut argument =
            Argument { name: "key".into(), token: Some("KEYS".into()), multiple: true, ..Argument::default() };
        assert_eq!(argument.syntax(), "KEYS key [key ...]");
        argument.multiple_token = true;
        assert_eq!(argument.syntax(), "KEYS key [KEYS key ...]");
    }
}
