//! Every command as redis-cli sends and shows it: what users have at hand must work here as it does with Redis.

#[path = "server_support/mod.rs"]
mod server_support;

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use server_support::{Ground, Server};

/// Stands for any text, also over several lines.
const ANY: &str = "…";

/// What redis-cli prints with types for a command, in this order on one server.
const COUNTING: &[(&str, &str)] = &[
    ("incr a", "(integer) 1"),
    ("INCRBY a 5", "(integer) 6"),
    ("incrby a 0.5", "\"6.5\""),
    ("incrbyfloat a 0.5", "\"7\""),
    ("decr a", "(integer) 6"),
    ("decrby a 2", "(integer) 4"),
    ("incrby a -1.25", "\"2.75\""),
    ("incrby a 9999999999999999999", "\"10000000000000000001.75\""),
    ("set a 4", "OK"),
    ("set b 1.5", "OK"),
    ("get b", "\"1.5\""),
    ("get missing", "\"0\""),
    ("get b state", "1) \"1.5\"\n2) \"CONSISTENT\""),
    ("mget a b missing", "1) \"4\"\n2) \"1.5\"\n3) \"0\""),
    ("mincrby 2 a b", "1) (integer) 6\n2) \"3.5\""),
    ("precision a", "\"1\""),
    ("precision a 5", "\"5\""),
    ("precision a", "\"5\""),
    ("exists a b missing a", "(integer) 3"),
    ("type a", "string"),
    ("type missing", "none"),
    ("dbsize", "(integer) 2"),
    ("keys *", "1) \"a\"\n2) \"b\""),
    ("keys c*", "(empty array)"),
    ("scan 0 match b count 1000", "1) \"…\"\n2) …"),
    ("del b missing", "(integer) 1"),
    ("unlink a", "(integer) 1"),
    ("dbsize", "(integer) 0"),
    // Amounts are exact where binary floats are not.
    ("incrby sum 0.1", "\"0.1\""),
    ("incrby sum 0.2", "\"0.3\""),
];

const USERS: &[(&str, &str)] = &[
    ("acl whoami", "\"default\""),
    ("acl users", "1) \"default\""),
    ("acl list", "1) \"user default on nopass ~* &* +@all\""),
    ("acl setuser ads on >secret ~ads:* +@read", "OK"),
    ("acl setuser ads what", "(error) ERR Error in ACL SETUSER modifier 'what': Syntax error"),
    ("acl getuser ads", " 1) \"flags\"\n…\"-@all +@read\"\n…"),
    ("acl getuser nobody", "(nil)"),
    ("acl dryrun ads get ads:1", "OK"),
    ("acl dryrun ads get other", "\"User ads has no permissions to access the 'other' key\""),
    ("acl cat transaction", "1) \"multi\"\n…"),
    ("acl genpass", "\"…\""),
    ("auth ads wrong", "(error) WRONGPASS invalid username-password pair or user is disabled."),
    ("acl log 1", "1)  1) \"count\"\n    2) (integer) 1\n…"),
    ("acl log reset", "OK"),
    ("acl load", "(error) ERR This node is not configured to use an ACL file…"),
    ("acl save", "(error) ERR This node is not configured to use an ACL file…"),
    ("acl deluser ads nobody", "(integer) 1"),
];

const NODE: &[(&str, &str)] = &[
    ("ping", "PONG"),
    ("ping hello", "\"hello\""),
    ("echo hello", "\"hello\""),
    ("select 0", "OK"),
    ("time", "1) \"1…\"\n2) \"…\""),
    ("reset", "RESET"),
    ("quit", "OK"),
    ("hello", "1) (integer) 1\n2) \"…\"\n3) 1) \"…\"\n   2) \"127.0.0.1\"\n   3) …\n   4) …"),
    ("hello 2", "…\"server\"…\"discnt\"…\"proto\"…(integer) 2…"),
    ("hello 3", "…\"proto\" => (integer) 3…"),
    ("client id", "(integer) …"),
    ("client getname", "(nil)"),
    ("client setname me", "OK"),
    ("client setinfo lib-name tests", "OK"),
    ("client info", "id=…addr=127.0.0.1:…cmd=client|info…"),
    ("client list", "id=…addr=127.0.0.1:…cmd=client|list…"),
    ("client getredir", "(integer) -1"),
    ("client kill type pubsub", "(integer) 0"),
    ("client no-evict on", "OK"),
    ("client no-touch on", "OK"),
    ("client pause 1 write", "OK"),
    ("client unpause", "OK"),
    ("client reply on", "OK"),
    ("client tracking off", "OK"),
    (
        "client trackinginfo",
        "1) \"flags\"\n2) 1) \"off\"\n3) \"redirect\"\n4) (integer) -1\n5) \"prefixes\"\n6) (empty array)",
    ),
    ("client unblock 1", "(integer) 0"),
    ("info", "# Server…redis_version:…# Clients…# Cluster…"),
    ("info server", "# Server…discnt_version:…"),
    ("config get maxclients", "1) \"maxclients\"\n2) \"10000\""),
    ("config get resp.*", "…\"resp.bind\"…\"127.0.0.1\"…"),
    ("config set timeout 600 maxclients 9999", "OK"),
    ("config get timeout", "1) \"timeout\"\n2) \"600\""),
    ("config resetstat", "OK"),
    ("command count", "(integer) …"),
    ("command info get nothing", "1)  1) \"get\"…2) (nil)"),
    ("command docs incr", "1) \"incr\"\n2)  1) \"summary\"…"),
    ("command list filterby pattern incr*", "1) \"incr\"\n2) \"incrby\"\n3) \"incrbyfloat\""),
    ("cluster myid", "\"…\""),
    ("cluster nodes", "…127.0.0.1:…@…myself - 0 0 1 connected protocol=…software=…"),
    ("cluster info", "cluster_state:ok…cluster_known_nodes:1…"),
    ("save", "OK"),
    ("bgsave", "Background saving started"),
    ("lastsave", "(integer) 1…"),
    ("info persistence", "# Persistence…loading:0…durability:everysec…"),
    ("config get appendonly", "1) \"appendonly\"\n2) \"yes\""),
    ("wait 0 0", "(integer) 0"),
    ("waitaof 1 0 0", "1) (integer) 1\n2) (integer) 0"),
    ("cluster invite uses 2 ttl 60", "\"discnt1-…\""),
    ("cluster invitations", "\"… uses=2 expires=…"),
    ("cluster rotate", "\"the certificate of … is good for … days…"),
    ("cluster reset", "OK"),
    ("cluster reset hard", "OK"),
];

const TRANSACTIONS: &[(&str, &str)] = &[
    ("mincrbyeach a 1 b 2.5", "1) (integer) 1\n2) \"2.5\""),
    ("multi", "OK"),
    ("exec", "(error) ERR EXEC without MULTI"),
    ("discard", "(error) ERR DISCARD without MULTI"),
    ("watch a b", "OK"),
    ("unwatch", "OK"),
];

const INTROSPECTION: &[(&str, &str)] = &[
    ("set a 5", "OK"),
    ("object encoding a", "\"int\""),
    ("object refcount a", "(integer) 1"),
    ("object freq a", "(error) ERR how often and when…"),
    ("object idletime missing", "(nil)"),
    ("memory usage a", "(integer) …"),
    ("memory stats", "…\"keys.count\"\n…(integer) 1\n…"),
    ("memory doctor", "…"),
    ("slowlog reset", "OK"),
    ("slowlog len", "(integer) 0"),
    ("slowlog get 5", "(empty array)"),
    ("latency latest", "(empty array)"),
    ("latency history command", "(empty array)"),
    // redis-cli prints what it is told as it is.
    ("latency graph command", "ERR No samples available for event 'command'…"),
    ("latency doctor", "Nothing is watched…"),
    ("latency histogram set", "1) \"set\"\n2) 1) \"calls\"\n   2) (integer) 1\n…"),
    ("latency reset", "(integer) 0"),
    ("command getkeys mincrbyeach a 1 b 2", "1) \"a\"\n2) \"b\""),
    ("command getkeysandflags get a", "1) 1) \"a\"\n   2) 1) RO"),
    ("info commandstats", "# Commandstats…cmdstat_set:calls=1,usec=…"),
    ("info everything", "# Server…# Replication…role:master…# Latencystats…# Errorstats…# Predictions…"),
    ("flushall", "OK"),
    ("dbsize", "(integer) 0"),
    ("incr a", "(integer) 1"),
    ("flushdb async", "OK"),
];

/// On a server with `debug.enabled = true`.
const DEBUGGING: &[(&str, &str)] = &[
    ("debug digest", "\"…\""),
    ("debug counter a", "(error) ERR no such key…"),
    ("incrby a 5", "(integer) 5"),
    ("debug counter a", "…\"exists\"\n…\"value\"\n…\"5\"…\"own-share\"…\"replica\"…"),
    ("debug reload", "OK"),
    ("debug prediction a", "1) \"precision\"\n2) \"1\"\n…"),
    ("debug sleep 0.1", "OK"),
    ("debug flushall", "OK"),
    ("debug reset", "OK"),
    ("dbsize", "(integer) 0"),
    ("debug help", " 1) \"DEBUG <subcommand>…"),
];

/// What redis-cli does not stay in.
const SUBSCRIBING: &[(&str, &str)] = &[
    ("isubscribe 1 a", "1) \"subscribe\"\n2) \"a\"\n3) (integer) 1"),
    ("unsubscribe", "1) \"unsubscribe\"\n2) (nil)\n3) (integer) 0"),
    ("punsubscribe x", "1) \"punsubscribe\"\n2) \"x\"\n3) (integer) 0"),
    ("pubsub channels", "(empty array)"),
    ("pubsub numpat", "(integer) 0"),
    ("pubsub numsub a", "1) \"a\"\n2) (integer) 0"),
];

const REFUSED: &[(&str, &str)] = &[
    ("incr", "(error) ERR wrong number of arguments for 'incr' command"),
    ("nothing x", "(error) ERR unknown command 'nothing', with args beginning with: 'x' "),
    ("set a x", "(error) ERR value is not a valid decimal number…"),
    ("set a nan", "(error) ERR value is not a valid decimal number…"),
    ("incrby a 1e30", "(error) ERR value is out of range…"),
    ("get a b", "(error) ERR …'b'…"),
    ("select 1", "(error) ERR DB index is out of range…"),
    ("hello 4", "(error) NOPROTO unsupported protocol version"),
    ("auth secret", "(error) ERR AUTH <password> called without any password configured…"),
    ("cluster meet 127.0.0.1 0", "(error) ERR Invalid node address specified: 127.0.0.1:0…"),
    (
        "cluster forget 0000000000000000000000000000000000000000",
        "(error) ERR Unknown node 0000000000000000000000000000000000000000…",
    ),
    ("cluster join hello", "(error) ERR this is no token…"),
    ("cluster uninvite 00000000", "(error) ERR no invitation has a name that begins with 00000000…"),
    ("cluster forget x", "(error) ERR Unknown node x…"),
    ("backup begin x", "(error) ERR wrong number of arguments for 'backup|begin' command"),
    ("backup read", "(error) ERR wrong number of arguments for 'backup|read' command"),
    ("backup record x", "(error) ERR wrong number of arguments for 'backup|record' command"),
    ("subscribe", "…(error) ERR wrong number of arguments for 'subscribe' command"),
    ("psubscribe", "…(error) ERR wrong number of arguments for 'psubscribe' command"),
    ("isubscribe 0 a", "(error) ERR the interval must be a number of seconds from 0.1 to 86400…"),
    ("publish a b", "(error) ERR counters publish themselves…"),
    ("monitor x", "(error) ERR wrong number of arguments for 'monitor' command"),
    ("client caching yes", "(error) ERR CLIENT CACHING can be called only when…"),
    ("client tracking on", "(error) ERR client-side caching is not offered…"),
    ("client kill 127.0.0.1:1", "(error) ERR No such client…"),
    (
        "config set port 1",
        "(error) ERR CONFIG SET failed (possibly related to argument 'port') - resp.port cannot be changed…",
    ),
    ("config set nothing 1", "(error) ERR Unknown option or number of arguments for CONFIG SET - 'nothing'"),
    ("config rewrite", "(error) ERR The server is running without a config file"),
    ("shutdown abort", "(error) ERR No shutdown in progress…"),
    ("cluster nothing", "(error) ERR …nothing…"),
    ("debug counter a", "(error) ERR DEBUG command not allowed. …[debug]…"),
    ("debug digest", "(error) ERR DEBUG command not allowed. …[debug]…"),
    // None of it changed anything.
    ("exists a", "(integer) 0"),
];

#[test]
fn counting() {
    hold(COUNTING);
}

#[test]
fn the_connection_the_node_and_the_cluster() {
    hold(NODE);
}

#[test]
fn transactions() {
    hold(TRANSACTIONS);
}

#[test]
fn introspection() {
    hold(INTROSPECTION);
}

#[test]
fn users() {
    hold(USERS);
}

#[test]
fn subscribing() {
    hold(SUBSCRIBING);
}

#[test]
fn debugging() {
    hold_with(&["debug.enabled=true"], DEBUGGING);
}

#[test]
fn what_is_refused() {
    hold(REFUSED);
}

#[test]
fn every_command_is_tried() {
    for command in discnt::command::COMMANDS {
        let names: Vec<String> = match command.subcommands {
            [] => vec![command.name.to_owned()],
            // HELP is one text for all.
            subcommands => {
                let named = subcommands.iter().filter(|subcommand| subcommand.name != "help");
                named.map(|subcommand| format!("{} {}", command.name, subcommand.name)).collect()
            }
        };
        for name in names {
            let tables = [COUNTING, NODE, USERS, TRANSACTIONS, INTROSPECTION, SUBSCRIBING, DEBUGGING, REFUSED].concat();
            let tried = tables.iter().any(|(typed, _)| {
                let typed = typed.to_lowercase();
                typed.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            assert!(tried, "{name} is in none of the tables above");
        }
    }
}

#[test]
fn a_meeting_and_what_comes_of_it() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    let port = second.port().to_string();
    assert_eq!(redis_cli(&first, &["cluster", "meet", "127.0.0.1", &port], b""), "OK");
    assert_eq!(redis_cli(&first, &["incrby", "test", "0.1"], b""), "\"0.1\"");
    server_support::eventually("the second answers 0.1", || match redis_cli(&second, &["get", "test"], b"") {
        reply if reply == "\"0.1\"" => Ok(()),
        reply => Err(reply),
    });
}

#[test]
fn one_connection_keeps_its_name_and_its_protocol() {
    let ground = Ground::new();
    let server = ground.start();
    let printed =
        redis_cli(&server, &[], b"client setname me\nclient getname\nhello 3\nmget a b\nreset\nclient getname\n");
    assert_matches("a session", &printed, "OK\n\"me\"\n1# \"server\" => \"discnt\"\n…1) \"0\"\n2) \"0\"\nRESET\n(nil)");
}

#[test]
fn resp3_is_asked_for_at_the_start() {
    let ground = Ground::new();
    let server = ground.start();
    assert_eq!(redis_cli(&server, &["-3", "incr", "a"], b""), "(integer) 1");
    assert_eq!(redis_cli(&server, &["-3", "config", "get", "maxclients"], b""), "1# \"maxclients\" => \"10000\"");
}

#[test]
fn the_password_is_given() {
    let ground = Ground::new();
    let server = ground.server().set("resp.password=secret").run();
    assert_eq!(redis_cli(&server, &["incr", "a"], b""), "(error) NOAUTH Authentication required.");
    assert_eq!(redis_cli(&server, &["--no-auth-warning", "-a", "secret", "incr", "a"], b""), "(integer) 1");
    let both = ["--no-auth-warning", "--user", "default", "-a", "secret", "-3", "incr", "a"];
    assert_eq!(redis_cli(&server, &both, b""), "(integer) 2");
}

#[test]
fn a_pipe_of_requests_is_taken() {
    const REQUESTS: usize = 10_000;
    let ground = Ground::new();
    let server = ground.start();
    let printed = redis_cli(&server, &["--pipe"], "INCR a\r\n".repeat(REQUESTS).as_bytes());
    assert_matches("--pipe", &printed, &format!("…errors: 0, replies: {REQUESTS}"));
    assert_eq!(server.ask("GET a"), REQUESTS.to_string());
}

#[test]
fn names_of_any_bytes_are_taken_from_the_input() {
    let ground = Ground::new();
    let server = ground.start();
    let name = b"\x00\xff \r\n\"\xc3\xa4";
    assert_eq!(redis_cli(&server, &["-x", "incr"], name), "(integer) 1");
    assert_eq!(redis_cli(&server, &["keys", "*"], b""), r#"1) "\x00\xff \r\n\"\xc3\xa4""#);
}

/// Runs each command of a table with redis-cli against one server.
fn hold(table: &[(&str, &str)]) {
    hold_with(&[], table);
}

/// The same with these settings.
fn hold_with(settings: &[&str], table: &[(&str, &str)]) {
    let ground = Ground::new();
    let server = ground.server().set_all(settings).run();
    for (command, expected) in table {
        let words: Vec<&str> = command.split(' ').collect();
        assert_matches(command, &redis_cli(&server, &words, b""), expected);
    }
}

/// What redis-cli prints, without the line breaks at the end.
#[track_caller]
fn redis_cli(server: &Server, words: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["--no-raw", "-p", &server.port().to_string()]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What a developer has set for a server of their own is not for this one.
    command.env_remove("REDISCLI_AUTH").env("REDISCLI_RCFILE", "/dev/null");
    let mut process = match command.spawn() {
        Ok(process) => process,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("redis-cli is not installed; on Debian: apt-get install redis-tools")
        }
        Err(error) => panic!("redis-cli: {error}"),
    };
    let mut pipe = process.stdin.take().expect("it is piped");
    // Where it does not read its input it has ended already.
    let _ = pipe.write_all(input);
    drop(pipe);
    let output = process.wait_with_output().expect("its output");
    let printed = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&printed).trim_end_matches(['\n', '\r']).to_owned()
}

#[track_caller]
fn assert_matches(what: &str, printed: &str, expected: &str) {
    assert!(matches(printed, expected), "{what}\n--- printed:\n{printed}\n--- expected:\n{expected}");
}

/// Whether the text is the expected one, with any text for each [`ANY`].
fn matches(text: &str, expected: &str) -> bool {
    let mut parts = expected.split(ANY);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn a_placeholder_stands_for_any_text_and_nothing_else_does() {
    for (text, expected) in [("a", "a"), ("ab\nc", "a…c"), ("abc", "…b…"), ("a", "…"), ("", "…"), ("a\nb", "a…b…")]
    {
        assert!(matches(text, expected), "{text:?} {expected:?}");
    }
    for (text, expected) in [("ab", "a"), ("ab", "…a"), ("ba", "a…"), ("ac", "a…b…c"), ("aba", "ab…ba")] {
        assert!(!matches(text, expected), "{text:?} {expected:?}");
    }
}
