//! Reading a COMMAND DOCS reply: Discnt's, or that of Redis 7 or later, in RESP2 or RESP3.
//!
//! Replies of strangers are taken as they come: what is missing or of another type is left out, never an error.

use super::docs::{Argument, ArgumentKind, CommandDoc, CommandDocs};
use super::value::Value;

/// How deep arguments may be nested in a reply; deeper ones are left out.
const MAX_ARGUMENT_DEPTH: usize = 8;

/// Reads a COMMAND DOCS reply. Anything else has no commands in it.
pub(super) fn read_docs(reply: &Value) -> CommandDocs {
    CommandDocs::new(commands_of(reply, None))
}

fn commands_of(reply: &Value, container: Option<&str>) -> Vec<CommandDoc> {
    reply.pairs().into_iter().filter_map(|(name, doc)| Some(command(name.text()?, doc, container))).collect()
}

fn command(name: &str, doc: &Value, container: Option<&str>) -> CommandDoc {
    // Redis names a subcommand `config|get`.
    let own = name.rsplit('|').next().unwrap_or(name).to_ascii_uppercase();
    let mut command = CommandDoc {
        name: container.map_or_else(|| own.clone(), |container| format!("{container} {own}")),
        ..CommandDoc::default()
    };
    for (key, value) in doc.pairs() {
        let text = || value.text().unwrap_or_default().to_owned();
        match key.text() {
            Some("summary") => command.summary = text(),
            Some("since") => command.since = text(),
            Some("group") => command.group = text(),
            Some("complexity") => command.complexity = text(),
            Some("arguments") => command.arguments = arguments_of(value, 0),
            // One level, so that a reply nested in itself a thousand times is not followed.
            Some("subcommands") if container.is_none() => {
                command.subcommands = commands_of(value, Some(&command.name));
                command.subcommands.sort_by(|a, b| a.name.cmp(&b.name));
            }
            _ => {}
        }
    }
    command
}

fn arguments_of(reply: &Value, depth: usize) -> Vec<Argument> {
    if depth > MAX_ARGUMENT_DEPTH {
        return Vec::new();
    }
    reply.elements().unwrap_or_default().iter().map(|argument_reply| argument(argument_reply, depth)).collect()
}

fn argument(reply: &Value, depth: usize) -> Argument {
    let mut argument = Argument::default();
    let mut kind = "";
    let mut parts = Vec::new();
    for (key, value) in reply.pairs() {
        let text = value.text().unwrap_or_default();
        match key.text() {
            Some("name") if argument.name.is_empty() => argument.name = text.to_owned(),
            Some("display_text") => argument.name = text.to_owned(),
            Some("type") => kind = text,
            // Redis has tokens of no characters, for arguments without a word before them.
            Some("token") if !text.is_empty() => argument.token = Some(text.to_ascii_uppercase()),
            Some("flags") => {
                let flags = value.elements().unwrap_or_default();
                let has = |flag| flags.iter().any(|given| given.text() == Some(flag));
                argument.optional = has("optional");
                argument.multiple = has("multiple");
                argument.multiple_token = has("multiple_token");
            }
            Some("arguments") => parts = arguments_of(value, depth + 1),
            _ => {}
        }
    }
    argument.kind = match kind {
        "pure-token" => ArgumentKind::PureToken,
        "oneof" => ArgumentKind::OneOf(parts),
        "block" => ArgumentKind::Block(parts),
        _ => ArgumentKind::Value,
    };
    argument
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::{Incarnation, Moment, NodeId, ReplicaId, ReplicaIndex};
    use crate::cli::protocol::{read_reply, write_request};
    use crate::command::{
        COMMANDS, ClientAddress, Environment, Exclusion, Outcome, Session, Settings, Statistics, execute,
    };
    use crate::counter::{self, Table, TableSettings};
    use crate::resp::{self, Decoder, Limits};
    use std::sync::Arc;
    use std::time::Duration;

    fn text(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    /// A map as RESP2 and RESP3 send it.
    fn map(pairs: Vec<(&str, Value)>, resp3: bool) -> Value {
        let pairs = pairs.into_iter().map(|(key, value)| (text(key), value));
        if resp3 {
            Value::Map(pairs.collect())
        } else {
            Value::Array(pairs.flat_map(|(key, value)| [key, value]).collect())
        }
    }

    fn plain(name: &str, flags: &[&str], resp3: bool) -> Value {
        let flags = flags.iter().map(|flag| Value::Status((*flag).into()));
        let pairs = vec![("name", text(name)), ("type", text("string")), ("flags", Value::Set(flags.collect()))];
        map(pairs, resp3)
    }

    fn token(word: &str, optional: bool, resp3: bool) -> Value {
        let flags = if optional { vec![text("optional")] } else { vec![] };
        let pairs = vec![
            ("name", text(&word.to_lowercase())),
            ("type", text("pure-token")),
            ("token", text(word)),
            ("flags", Value::Array(flags)),
        ];
        map(pairs, resp3)
    }

    fn worded(word: &str, name: &str, resp3: bool) -> Value {
        let pairs = vec![
            ("name", text(name)),
            ("type", text("integer")),
            ("token", text(word)),
            ("flags", Value::Array(vec![text("optional")])),
        ];
        map(pairs, resp3)
    }

    fn reply(resp3: bool) -> Value {
        let command = |summary: &str, arguments: Vec<Value>| {
            let pairs = vec![
                ("summary", text(summary)),
                ("since", text("0.1.0")),
                ("group", text("counter")),
                ("arguments", Value::Array(arguments)),
            ];
            map(pairs, resp3)
        };
        let condition = map(
            vec![
                ("name", text("condition")),
                ("type", text("oneof")),
                ("flags", Value::Array(vec![text("optional")])),
                ("arguments", Value::Array(vec![token("NX", false, resp3), token("XX", false, resp3)])),
            ],
            resp3,
        );
        let meet = command("Joins", vec![plain("ip", &[], resp3), plain("port", &[], resp3)]);
        let nodes = command("Lists the nodes", vec![]);
        let cluster = map(
            vec![
                ("summary", text("Cluster")),
                ("subcommands", map(vec![("cluster|nodes", nodes), ("cluster|meet", meet)], resp3)),
            ],
            resp3,
        );
        let key = || plain("name", &[], resp3);
        map(
            vec![
                ("incrby", command("Adds", vec![key(), plain("amount", &[], resp3)])),
                ("get", command("Reads", vec![key(), token("STATE", true, resp3)])),
                ("mget", command("Reads many", vec![plain("name", &["multiple"], resp3)])),
                (
                    "scan",
                    command(
                        "Lists",
                        vec![
                            plain("cursor", &[], resp3),
                            worded("MATCH", "pattern", resp3),
                            worded("COUNT", "count", resp3),
                        ],
                    ),
                ),
                ("set", command("Sets", vec![key(), plain("value", &[], resp3), condition])),
                ("ping", command("Answers", vec![plain("message", &["optional"], resp3)])),
                ("cluster", cluster),
            ],
            resp3,
        )
    }

    /// A small server's documentation, for the tests of hints and help.
    pub(in crate::cli) fn sample() -> CommandDocs {
        read_docs(&reply(true))
    }

    #[test]
    fn resp2_and_resp3_say_the_same() {
        let docs = read_docs(&reply(false));
        assert_eq!(docs, sample());
        assert_eq!(docs.commands().len(), 7);
    }

    #[test]
    fn syntax_reads_as_in_a_manual() {
        let docs = sample();
        for (words, syntax) in [
            (vec!["incrby"], "name amount"),
            (vec!["GET"], "name [STATE]"),
            (vec!["mget"], "name [name ...]"),
            (vec!["Scan"], "cursor [MATCH pattern] [COUNT count]"),
            (vec!["set"], "name value [NX | XX]"),
            (vec!["ping"], "[message]"),
            (vec!["cluster"], "subcommand [argument ...]"),
            (vec!["cluster", "meet"], "ip port"),
        ] {
            let (command, used) = docs.find(&words).expect("documented");
            assert_eq!(command.syntax(), syntax);
            assert_eq!(used, words.len());
        }
        let (command, used) = docs.find(&["cluster", "what"]).expect("documented");
        assert_eq!((command.name.as_str(), used), ("CLUSTER", 1));
        assert!(docs.find(&["nothing"]).is_none());
        assert!(docs.find::<&str>(&[]).is_none());
    }

    #[test]
    fn a_reply_that_is_no_documentation_has_no_commands() {
        for reply in [
            Value::Error(b"ERR unknown".into()),
            Value::Null,
            Value::Array(vec![Value::Integer(1), Value::Integer(2)]),
            Value::Integer(1),
        ] {
            assert!(read_docs(&reply).commands().is_empty());
        }
    }

    /// What Discnt itself answers to COMMAND DOCS, through the bytes that it would send.
    fn own_docs(protocol: resp::Protocol) -> CommandDocs {
        let settings = TableSettings {
            config: counter::Config::default(),
            lease: Duration::from_secs(3),
            replica: ReplicaId { node: NodeId::new([7; 20]), incarnation: Incarnation(1) },
            replica_index: ReplicaIndex(0),
            hash_seeds: [1, 2, 3, 4],
            wake: Box::new(|| {}),
        };
        let environment = Environment {
            table: Arc::new(Table::new(settings)),
            cluster: Arc::default(),
            clients: Arc::default(),
            subscriptions: Arc::default(),
            statistics: Arc::new(Statistics::new(1)),
            settings: Settings::default(),
            process: Arc::default(),
            persistence: Arc::default(),
            observation: Arc::default(),
            exclusion: Arc::new(Exclusion::new(1)),
        };
        let now = Moment::default();
        let address = ClientAddress::default();
        let mut session = Session::new(&environment, address, 0, now.monotonic);
        let mut request = Vec::new();
        write_request(&["COMMAND", "DOCS"], &mut request);
        let mut decoder = Decoder::new(Limits::default());
        assert_eq!(decoder.decode(&request).expect("well formed"), Some(request.len()));
        let Outcome::Reply(reply) = execute(&environment, &mut session, decoder.arguments(&request), now) else {
            panic!("COMMAND DOCS is answered at once");
        };
        let mut bytes = Vec::new();
        resp::encode(&reply, protocol, &mut bytes);
        read_docs(&read_reply(&mut &bytes[..]).expect("one reply"))
    }

    #[test]
    fn what_discnt_says_of_its_own_commands_is_understood_whole() {
        let docs = own_docs(resp::Protocol::Resp3);
        assert_eq!(own_docs(resp::Protocol::Resp2), docs);
        assert_eq!(docs.commands().len(), COMMANDS.len());
        // Alternatives are bracketed here, so that they are told from what stands beside them.
        let bare = |syntax: String| syntax.replace(['<', '>'], "");
        for command in COMMANDS {
            let (doc, _) = docs.find(&[command.name]).expect(command.name);
            assert_eq!(doc.summary, command.summary);
            if command.subcommands.is_empty() {
                assert_eq!(bare(doc.syntax()), command.usage(), "{}", command.name);
            }
            for subcommand in command.subcommands {
                let (doc, used) = docs.find(&[command.name, subcommand.name]).expect(subcommand.name);
                assert_eq!((bare(doc.syntax()), used), (subcommand.usage(), 2), "{} {}", command.name, subcommand.name);
            }
        }
    }
}
