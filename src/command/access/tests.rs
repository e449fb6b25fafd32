use super::*;
use crate::command::specification::{ChannelUse, KeyAccess, KeyPositions};
use crate::command::table;
use crate::command::testing::Bench;
use crate::command::{ArgumentKind, Flag};
use crate::resp::OwnedArguments;

pub(super) fn user(rules: &str) -> User {
    let mut user = User::new("u");
    user.apply_all(rules.split(' ').map(str::as_bytes)).expect(rules);
    user
}

/// Whether the user may send this request.
pub(super) fn may(user: &User, line: &str) -> bool {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let found = table::find(words[0]).expect(line);
    let found = words.get(1).and_then(|word| table::find_subcommand(found, word)).unwrap_or(found);
    user.check(found, OwnedArguments::of(&words).arguments()).is_ok()
}

#[test]
fn every_command_says_what_it_does_with_counters_and_channels() {
    for found in table::all() {
        let (name, it) = (found.full_name(), found.specification);
        let categories = it.categories();
        assert!(categories.contains(&"@fast") != categories.contains(&"@slow"), "{name}");
        let access = it.access.and(it.every_counter);
        assert_eq!(it.keys != KeyPositions::NONE, it.access != KeyAccess::NONE, "{name}");
        assert_eq!(it.channels != KeyPositions::NONE, it.channel_use != ChannelUse::None, "{name}");
        let names_topics = format!("{:?}", it.arguments).contains("\"channel\"");
        assert!(!names_topics || it.channel_use != ChannelUse::None, "{name}");
        if it.has(Flag::Write) {
            assert!(access.contains(KeyAccess::WRITE), "{name} changes counters and does not say which");
        }
        if access.contains(KeyAccess::WRITE) {
            assert!(it.has(Flag::Write) || it.has(Flag::Admin), "{name}");
        }
        let takes_pattern = it.arguments.iter().any(|it| matches!(it.kind, ArgumentKind::Pattern));
        let ends = it.name.starts_with("pun") || it.name.starts_with("uns");
        if it.has(Flag::PubSub) && takes_pattern && found.container.is_none() && !ends {
            assert_eq!(it.channel_use, ChannelUse::Pattern, "{name}");
        }
    }
}

#[test]
fn rules_allow_commands_by_category_and_by_name() {
    for (rules, allowed, refused) in [
        (
            "~* +@read",
            &["get a", "mget a b", "keys *", "exists a"][..],
            &["incr a", "flushall", "ping", "acl list"][..],
        ),
        ("~* +@write", &["incr a", "set a 1", "del a"], &["get a", "config get x"]),
        (
            "~* +@all -@dangerous",
            &["get a", "incr a", "ping", "acl whoami"],
            &["keys *", "flushall", "config get x", "info"],
        ),
        ("~* +client -client|kill", &["client id", "client list"], &["client kill x", "get a"]),
        ("~* +client|id", &["client id"], &["client list", "client getname"]),
        ("~* +@all -@admin +config|get", &["config get x", "keys *"], &["config set x y", "monitor", "acl list"]),
        ("~* nocommands", &["auth x", "hello", "quit", "reset"], &["ping"]),
        ("~* +@all -@all +ping", &["ping"], &["get a"]),
        ("~* +hset -@scripting +get", &["get a"], &["set a 1"]),
    ] {
        let user = user(rules);
        allowed.iter().for_each(|line| assert!(may(&user, line), "{rules}: {line}"));
        refused.iter().for_each(|line| assert!(!may(&user, line), "{rules}: {line}"));
    }
}

#[test]
fn rules_allow_counters_for_reading_and_for_changing() {
    for (rules, allowed, refused) in [
        (
            "+@all ~a:*",
            &["get a:1", "incr a:1", "mincrby 1 a:1 a:2", "ping", "keys *", "set a:1 2"][..],
            &["get b", "mget a:1 b", "mincrbyeach a:1 1 b 1", "flushall", "monitor", "backup read 0", "debug flushall"]
                [..],
        ),
        ("+@all %R~a", &["get a", "watch a", "memory usage a"], &["incr a", "set a 1", "del a"]),
        ("+@all %W~a", &["set a 1", "del a"], &["get a", "incr a", "watch a", "precision a"]),
        ("+@all %W~a %R~a", &["incr a"], &["incr b"]),
        ("+@all %R~*", &["get x", "monitor", "backup read 0"], &["incr x", "flushall"]),
        ("+@all ~*", &["flushall", "get x"], &["subscribe x"]),
        ("+get ~a (+incr ~b)", &["get a", "incr b"], &["get b", "incr a"]),
    ] {
        let user = user(rules);
        allowed.iter().for_each(|line| assert!(may(&user, line), "{rules}: {line}"));
        refused.iter().for_each(|line| assert!(!may(&user, line), "{rules}: {line}"));
    }
}

#[test]
fn whoever_is_told_of_counters_needs_the_channel_and_the_right_to_read() {
    for (rules, allowed, refused) in [
        (
            "+@all ~a:* &a:*",
            &["subscribe a:1", "isubscribe 1 a:1 a:2", "psubscribe a:*", "unsubscribe x"][..],
            &["subscribe b", "subscribe a:1 b", "isubscribe 1 b", "psubscribe a:1*", "psubscribe *"][..],
        ),
        ("+@all ~a:* &*", &["subscribe a:1"], &["subscribe b", "psubscribe *"]),
        ("+@all ~* &a", &["subscribe a"], &["subscribe b"]),
        ("+@all %W~a &a", &[], &["subscribe a"]),
        ("+@all %R~* &*", &["subscribe a", "psubscribe *", "psubscribe a?", "publish c m"], &[]),
    ] {
        let user = user(rules);
        allowed.iter().for_each(|line| assert!(may(&user, line), "{rules}: {line}"));
        refused.iter().for_each(|line| assert!(!may(&user, line), "{rules}: {line}"));
    }
}

#[test]
fn a_line_makes_the_same_user_again() {
    for (rules, line) in [
        ("reset", "user u off resetchannels -@all"),
        ("on nopass ~* &* +@all", "user u on nopass ~* &* +@all"),
        ("on ~* &* +@all -@admin -get", "user u on ~* &* +@all -@admin -get"),
        (
            "+@read -@admin +incr %R~x* ~y %RW~z &c",
            "user u off %R~x* ~y ~z resetchannels &c -@all +@read -@admin +incr",
        ),
        (
            "%R~a %W~a +client|id +client -client|id (~z +set) allcommands",
            "user u off ~a resetchannels +@all (~z resetchannels -@all +set)",
        ),
        ("+client|id +client|list -client", "user u off resetchannels -@all -client"),
        ("allkeys resetkeys ~b allchannels resetchannels", "user u off ~b resetchannels -@all"),
    ] {
        let made = user(rules);
        assert_eq!(String::from_utf8_lossy(&made.line()), line, "{rules}");
        assert_eq!(parse_users(&made.line()).expect(line), [made]);
    }
}

#[test]
fn what_is_no_rule_is_refused_and_shows_no_password() {
    for (rules, error) in [
        ("foo", "Error in ACL SETUSER modifier 'foo': Syntax error"),
        ("+@nope", "Error in ACL SETUSER modifier '+@nope': Unknown command or category name in ACL"),
        ("+nope", "Error in ACL SETUSER modifier '+nope': Unknown command or category name in ACL"),
        ("+client|nope", "Error in ACL SETUSER modifier '+client|nope': Unknown command or category name in ACL"),
        ("%X~a", "Error in ACL SETUSER modifier '%X~a': Syntax error"),
        ("%~a", "Error in ACL SETUSER modifier '%~a': Syntax error"),
        (
            "<secret",
            "Error in ACL SETUSER modifier '<(redacted)': The password you are trying to remove from the user does not exist",
        ),
        ("(+get", "Unmatched parenthesis in acl selector starting at '(+get'."),
        ("(on)", "Error in ACL SETUSER modifier '(on)': Syntax error"),
    ] {
        let mut user = User::new("u");
        let refused = user.apply_all(rules.split(' ').map(str::as_bytes)).expect_err(rules);
        assert_eq!(refused.to_string(), error);
    }
    let mut user = User::new("u");
    let after_all = user.apply_all([&b"~*"[..], b"~a"]).expect_err("after all").to_string();
    assert!(after_all.contains("Adding a pattern after the * pattern"), "{after_all}");
    let hash = user.apply_all([&b"#zz"[..]]).expect_err("no hash").to_string();
    assert!(hash.contains("must be exactly 64 characters"), "{hash}");
}

#[test]
fn a_file_is_taken_as_a_whole_and_names_every_wrong_line() {
    let text = b"# comment\n\nuser default on nopass ~* &* +@all\r\nuser a on >p ~a +get\n";
    let users = parse_users(text).expect("a file");
    assert_eq!(users.iter().map(User::name).collect::<Vec<_>>(), ["default", "a"]);
    let bad = b"user a on\nusr b on\nuser a off\nuser\nuser c +nope\nuser d (+get\nuser e hunter2\n";
    let error = parse_users(bad).expect_err("wrong").to_string();
    for line in [
        "line 2: it does not",
        "line 3: user 'a' is there twice",
        "line 4: there is no name",
        "line 5: Error",
        "line 6: Unmatched",
    ] {
        assert!(error.contains(line), "{line}: {error}");
    }
    assert!(error.contains("line 7: a word is no rule") && !error.contains("hunter2"), "{error}");
    let error =
        parse_users(b"user a (~x >hunter2)\nuser b (~x >hunter2\nuser c (hunter2)").expect_err("wrong").to_string();
    assert!(error.contains("line 1: a selector is wrong") && error.contains("line 3: a selector"), "{error}");
    assert!(error.contains("line 2: Unmatched") && !error.contains("hunter2"), "{error}");
}

#[test]
fn users_log_in_and_are_held_to_what_they_may_do() {
    let mut bench = Bench::new();
    for (line, reply) in [
        ("acl whoami", "$7 default"),
        ("acl setuser a on >p ~ads:* %R~x +@read +incr +multi +exec +acl|whoami &ads:* +subscribe", "+OK"),
        ("acl setuser b >q", "+OK"),
        ("incr secret", ":1"),
        ("incr ads:1", ":1"),
        ("auth a wrong", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("auth b q", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("auth nobody p", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("auth a p", "+OK"),
        ("acl whoami", "$1 a"),
        ("incr ads:1", ":2"),
        ("get x", "$1 0"),
        ("incr x", "-NOPERM No permissions to access a key"),
        ("get secret", "-NOPERM No permissions to access a key"),
        ("acl list", "-NOPERM User a has no permissions to run the 'acl|list' command"),
        ("set ads:1 5", "-NOPERM User a has no permissions to run the 'set' command"),
        ("keys *", "*1 $5 ads:1"),
        ("scan 0 count 100000", "*2 $1 0 *1 $5 ads:1"),
        ("subscribe other", "-NOPERM No permissions to access a channel"),
        ("multi", "+OK"),
        ("incr ads:1", "+QUEUED"),
        ("incr secret", "-NOPERM No permissions to access a key"),
        ("exec", "-EXECABORT Transaction discarded because of previous errors."),
        ("get ads:1", "$1 2"),
        ("reset", "+RESET"),
        ("acl whoami", "$7 default"),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
    }
    assert!(bench.text("client info").contains(" user=default "));
    let log = bench.run("acl log 100");
    for part in ["$4 auth", "$5 multi", "$8 acl|list", "$6 secret", "$7 channel", "$14 entry-id"] {
        let part = part.strip_prefix("$14 ").unwrap_or(part);
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(!log.contains("wrong"), "{log}");
    assert!(log.contains(" user=a "), "the connection as it was: {log}");
    assert_eq!(bench.run("acl log reset"), "+OK");
    let stats = bench.text("info stats");
    for line in ["denied_auth:3", "denied_cmd:2", "denied_key:3", "denied_channel:1"] {
        assert!(stats.contains(line), "{line}: {stats}");
    }
    assert_eq!(bench.run("acl log"), "*0");
}

#[test]
fn a_change_of_a_user_holds_from_the_next_request_of_its_connections() {
    let mut bench = Bench::new();
    bench.run("acl setuser a on nopass ~* +@all");
    let mut other = Bench::connect(&bench.environment, bench.now);
    std::mem::swap(&mut bench.session, &mut other);
    assert_eq!(bench.run("auth a any"), "+OK");
    for line in ["multi", "incr x", "incr y"] {
        bench.run(line);
    }
    std::mem::swap(&mut bench.session, &mut other);
    assert_eq!(bench.run("acl setuser a resetkeys ~x"), "+OK");
    std::mem::swap(&mut bench.session, &mut other);
    let later = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: no permission to touch the specified keys";
    assert_eq!(bench.run("exec"), format!("*2 :1 {later}"));
    assert_eq!(bench.run("get y"), "-NOPERM No permissions to access a key");
    assert!(!bench.session.client().is_ended());
    std::mem::swap(&mut bench.session, &mut other);
    assert_eq!(bench.run("acl deluser a nobody"), ":1");
    assert!(other.client().is_ended(), "its connections are closed");
    std::mem::swap(&mut bench.session, &mut other);
    assert!(bench.run("get x").starts_with("-NOPERM"), "and until then nothing is allowed");
}

#[test]
fn connections_that_are_told_what_they_may_not_know_any_more_are_closed() {
    let mut bench = Bench::new();
    bench.run("acl setuser a on nopass ~* &* +@all");
    for (line, change, ends) in [
        ("subscribe x", "resetchannels", true),
        ("subscribe x", "resetkeys", true),
        ("subscribe x", "resetchannels &x resetkeys ~x", false),
        ("psubscribe x*", "resetchannels &*x resetkeys ~*", true),
        ("monitor", "-monitor", true),
        ("monitor", "-get", false),
    ] {
        bench.run("acl setuser a reset on nopass ~* &* +@all");
        let mut other = Bench::connect(&bench.environment, bench.now);
        std::mem::swap(&mut bench.session, &mut other);
        bench.run("hello 3 auth a any");
        bench.run(line);
        std::mem::swap(&mut bench.session, &mut other);
        assert_eq!(bench.run(&format!("acl setuser a {change}")), "+OK");
        assert_eq!(other.client().is_ended(), ends, "{line}, {change}");
    }
}

#[test]
fn users_are_shown_as_redis_does() {
    let mut bench = Bench::new();
    bench.run("acl setuser a on >p %R~x* ~y &c +@read +client|id (~z +set)");
    let hash = PasswordHash::of(b"p").to_hex();
    for (line, reply) in [
        ("acl users", "*2 $1 a $7 default".to_owned()),
        ("acl getuser nobody", "$-1".to_owned()),
        ("acl getuser a", format!("*12 $5 flags *1 $2 on $9 passwords *1 $64 {hash} $8 commands $23 -@all +@read +client|id $4 keys $8 %R~x* ~y $8 channels $2 &c $9 selectors *1 *6 $8 commands $10 -@all +set $4 keys $2 ~z $8 channels $0")),
        ("acl dryrun a get x1", "+OK".to_owned()),
        ("acl dryrun a get q", "$51 User a has no permissions to access the 'q' key".to_owned()),
        ("acl dryrun a incr y", "$51 User a has no permissions to run the 'incr' command".to_owned()),
        ("acl dryrun nobody get x", "-ERR User 'nobody' not found".to_owned()),
        ("acl dryrun a nosuch", "-ERR Command 'nosuch' not found".to_owned()),
        ("acl dryrun a get", "-ERR wrong number of arguments for 'get' command".to_owned()),
        ("acl cat nope", "-ERR Unknown category 'nope'".to_owned()),
        ("acl cat scripting", "*0".to_owned()),
        ("acl cat transaction", "*5 $5 multi $4 exec $7 discard $5 watch $7 unwatch".to_owned()),
        ("acl deluser default", "-ERR The 'default' user cannot be removed".to_owned()),
        ("acl setuser a\tb on", "-ERR Usernames can't contain spaces or null characters".to_owned()),
        ("acl genpass 0", "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096".to_owned()),
    ] {
        let shown = bench.run(line);
        let is_same = if let Some(text) = reply.strip_prefix("$51 ") { shown.ends_with(text) } else { shown == reply };
        assert!(is_same, "{line}: {shown}");
    }
    assert!(bench.run("acl load").starts_with("-ERR This node is not configured to use an ACL file"));
    assert!(bench.run("acl cat").contains("$9 dangerous"));
    let help = bench.run("acl help");
    assert!(help.contains("SETUSER username [rule [rule ...]]"), "{help}");
    assert!(bench.run("acl list").contains("user default on nopass ~* &* +@all"));
}

#[test]
fn an_address_that_guesses_is_told_how_long_to_wait() {
    let mut bench = Bench::with_password("secret");
    for _ in 0..DEFAULT_FREE_FAILURES {
        assert!(bench.run("auth guess").starts_with("-WRONGPASS"));
    }
    let wait = "-ERR too many failed logins from your address; try again in 7 s";
    assert_eq!(bench.run("auth secret"), wait, "nor may it try the right one");
    assert_eq!(bench.run("hello 3 auth default secret"), wait);
    bench.now.monotonic = bench.now.monotonic.after(std::time::Duration::from_secs(6));
    assert_eq!(bench.run("auth secret"), "+OK");
}

#[test]
fn the_default_user_is_one_like_the_others_but_cannot_be_deleted() {
    let mut bench = Bench::with_password("secret");
    assert_eq!(bench.run("auth secret"), "+OK");
    assert_eq!(bench.run("acl setuser default >more -@admin +acl"), "+OK");
    assert!(bench.run("monitor").starts_with("-NOPERM User default"));
    bench.run("reset");
    assert_eq!(bench.run("auth more"), "+OK");
    assert_eq!(bench.run("acl setuser default off nopass"), "+OK");
    assert!(!Bench::connect(&bench.environment, bench.now).is_authenticated());
    assert_eq!(bench.run("ping"), "+PONG", "who is in stays in");
    assert_eq!(bench.run("acl setuser default on"), "+OK");
    assert!(Bench::connect(&bench.environment, bench.now).is_authenticated());
}

#[test]
fn a_certificate_of_a_user_who_is_off_lets_nobody_in() {
    let mut bench = Bench::new();
    bench.run("acl setuser ads on >p +@read +acl|whoami ~*");
    let mut other = Bench::connect(&bench.environment, bench.now);
    other.begin_with_certificate(&bench.environment, "ads", bench.now);
    std::mem::swap(&mut bench.session, &mut other);
    assert_eq!(bench.run("acl whoami"), "$3 ads");
    assert_eq!(bench.run("reset"), "+RESET");
    assert_eq!(bench.run("acl whoami"), "$3 ads", "the certificate is the same");
    assert!(bench.run("auth default any").starts_with("-WRONGPASS"), "it is another only with a password");
    std::mem::swap(&mut bench.session, &mut other);
    for lock_out in ["acl setuser ads off", "acl deluser ads"] {
        bench.run(lock_out);
        bench.run("acl log reset");
        let mut barred = Bench::connect(&bench.environment, bench.now);
        assert!(barred.is_authenticated(), "everyone else is let in");
        barred.begin_with_certificate(&bench.environment, "ads", bench.now);
        std::mem::swap(&mut bench.session, &mut barred);
        for request in ["flushall", "reset", "flushall", "acl whoami"] {
            let reply = bench.run(request);
            assert_eq!(reply, if request == "reset" { "+RESET" } else { "-NOAUTH Authentication required." });
        }
        for request in ["auth default any", "hello 3 auth default any"] {
            assert!(bench.run(request).starts_with("-WRONGPASS"), "{request}");
        }
        std::mem::swap(&mut bench.session, &mut barred);
        let log = bench.run("acl log");
        assert!(log.contains("$11 certificate") && log.contains("$3 ads"), "{log}");
    }
    bench.run("acl setuser root on >q +@all ~* &*");
    bench.session = Bench::connect(&bench.environment, bench.now);
    bench.session.begin_with_certificate(&bench.environment, "ads", bench.now);
    assert_eq!(bench.run("auth root q"), "+OK");
}
