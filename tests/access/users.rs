//! Users: from the configuration, from a file, from ACL SETUSER; and what becomes of their connections.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::server_support::{Ground, Server, eventually, run};

/// What redis-cli prints for a request of this user.
fn redis_cli(server: &Server, user: &[&str], request: &[&str]) -> String {
    let port = server.port().to_string();
    let mut command = Command::new("redis-cli");
    command.args(["-h", &server.host(), "-p", &port, "--no-auth-warning"]).args(user).args(request);
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{}", ran.errors);
    format!("{}{}", ran.out, ran.errors).trim().to_owned()
}

/// SHA-256 of "password".
const HASH: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

fn with_users(ground: &Ground, users: &str) -> Server {
    let file = ground.path("users.toml");
    fs::write(&file, users).expect("written");
    ground.server().argument("--config").argument(file).run()
}

#[test]
fn users_of_the_configuration_log_in_and_are_held_to_their_rules() {
    let ground = Ground::new();
    fs::write(ground.path("bob"), "bobs secret\n").expect("written");
    let users = format!(
        "[users.ann]\npasswords = [\"#{HASH}\"]\ncommands = [\"+@all\", \"-@dangerous\"]\ncounters = [\"~ads:*\", \"%R~total\"]\n\
         channels = [\"&ads:*\"]\n\
         [users.bob]\npassword_files = [\"{}\"]\ncommands = [\"+@read\"]\ncounters = [\"~*\"]\n\
         [users.carl]\nenabled = false\npasswords = [\"#{HASH}\"]\n",
        ground.path("bob").display()
    );
    let server = with_users(&ground, &users);
    let ann = ["--user", "ann", "--pass", "password"];
    for (request, expected) in [
        (&["ACL", "WHOAMI"][..], "ann"),
        (&["INCR", "ads:1"], "1"),
        (&["GET", "total"], "0"),
        (&["INCR", "total"], "NOPERM No permissions to access a key"),
        (&["GET", "other"], "NOPERM No permissions to access a key"),
        (&["FLUSHALL"], "NOPERM User ann has no permissions to run the 'flushall' command"),
        (&["CONFIG", "GET", "*"], "NOPERM User ann has no permissions to run the 'config|get' command"),
        (&["PUBLISH", "other", "x"], "NOPERM No permissions to access a channel"),
    ] {
        assert_eq!(redis_cli(&server, &ann, request), expected, "{request:?}");
    }
    let bob = ["--user", "bob", "--pass", "bobs secret"];
    assert_eq!(redis_cli(&server, &bob, &["GET", "ads:1"]), "1");
    assert_eq!(
        redis_cli(&server, &bob, &["INCR", "x"]),
        "NOPERM User bob has no permissions to run the 'incr' command"
    );
    assert!(server.ask("AUTH carl password").starts_with("-WRONGPASS"));
    assert_eq!(server.ask("ACL WHOAMI"), "default");
    server.eventually_logs(&["audit", "event=\"request_denied\"", "user=\"ann\"", "subject=\"command flushall\""]);
    assert!(server.ask("ACL SAVE").contains("[resp] acl_file"));
    let reset = "[users.ann]\ncommands = [\"+@read\"]\ncounters = [\"~*\"]\nany_password = true\n";
    fs::write(ground.path("users.toml"), reset).expect("written");
    let mut client = server.client();
    assert_eq!(client.ask("AUTH bob bobs_secret"), "-WRONGPASS invalid username-password pair or user is disabled.");
    let ann_is_in = redis_cli(&server, &ann, &["INCR", "ads:1"]);
    assert_eq!(ann_is_in, "2");
    server.signal(rustix::process::Signal::HUP);
    eventually("the file is read again", || match server.ask("ACL USERS").contains("bob") {
        true => Err("bob is there".to_owned()),
        false => Ok(()),
    });
    assert_eq!(
        redis_cli(&server, &ann, &["INCR", "ads:1"]),
        "NOPERM User ann has no permissions to run the 'incr' command"
    );
}

#[test]
fn what_is_wrong_with_users_is_named_and_nothing_starts() {
    let ground = Ground::new();
    for (users, words) in [
        ("[users.ann]\ncommands = [\"@read\"]\n", "users.ann.commands: \"@read\" does not begin with '+' or '-'"),
        ("[users.ann]\ncommands = [\"+nope\"]\n", "Unknown command or category name"),
        ("[users.ann]\npasswords = [\"secret-text\"]\n", "a password itself belongs into a file"),
        ("[users.ann]\npassword = \"secret-text\"\n", "unknown key users.ann.password"),
        ("[users.\"a b\"]\n", "must not be empty or have blanks"),
        ("[resp]\nacl_file = \"/x\"\n[users.ann]\n", "users here or resp.acl_file, not both"),
        ("[resp]\npassword = \"x\"\n[users.default]\n", "this user or the password in [resp], not both"),
    ] {
        let file = ground.path("bad.toml");
        fs::write(&file, users).expect("written");
        let refused = ground.server().argument("--config").argument(&file).argument("--check-config").run_refused();
        assert_eq!(refused.code, Some(1), "{users}");
        assert!(refused.errors.contains(words), "{users}: {}", refused.errors);
        assert!(!refused.errors.contains("secret-text"), "{}", refused.errors);
    }
}

#[test]
fn a_file_of_users_is_loaded_and_saved_as_redis_does() {
    let ground = Ground::new();
    let file = ground.path("users.acl");
    fs::write(&file, format!("user default on nopass ~* &* +@all\nuser ann on #{HASH} ~ads:* -@all +@read\n"))
        .expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let start = || ground.server().set(format!("resp.acl_file={}", file.display()));
    let server = start().run();
    let mut ann = server.client();
    assert_eq!(ann.ask("AUTH ann password"), "OK");
    assert_eq!(ann.ask("GET ads:1"), "0");
    assert_eq!(server.ask("ACL SETUSER bob on >secret ~* +@all"), "OK");
    assert_eq!(server.ask("ACL SAVE"), "OK");
    let saved = fs::read_to_string(&file).expect("there");
    assert!(saved.contains("user bob on #") && saved.contains("user default on nopass ~* &* +@all\n"), "{saved}");
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    // A wrong line, and all stay as they are.
    fs::write(&file, format!("{saved}user carl +nope\n")).expect("written");
    let refused = server.ask("ACL LOAD");
    assert!(refused.contains("line 4") && refused.contains("All users are as they were"), "{refused}");
    assert!(server.ask("ACL USERS").contains("bob"));
    // Without ann: her connection goes with her.
    let without: String =
        saved.lines().filter(|line| !line.starts_with("user ann")).map(|line| format!("{line}\n")).collect();
    fs::write(&file, &without).expect("written");
    assert_eq!(server.ask("ACL LOAD"), "OK");
    assert!(ann.try_ask("GET ads:1").is_err(), "her connection was closed");
    server.eventually_logs(&["audit", "event=\"users_saved\""]);
    server.eventually_logs(&["audit", "event=\"users_loaded\""]);
    drop(server);
    let again = start().run();
    assert_eq!(again.ask("AUTH bob secret"), "OK");
    assert!(again.ask("AUTH ann password").starts_with("-WRONGPASS"));
}

#[test]
fn a_user_that_is_deleted_is_cut_off_and_one_that_is_changed_is_held_to_it_at_once() {
    let ground = Ground::new();
    let server = ground.start();
    let mut admin = server.client();
    assert_eq!(admin.ask("ACL SETUSER ann on nopass ~* &* +@all"), "OK");
    let (mut ann, mut listening) = (server.client(), server.client());
    for client in [&mut ann, &mut listening] {
        assert_eq!(client.ask("AUTH ann x"), "OK");
    }
    assert!(listening.ask("SUBSCRIBE secret").contains("subscribe"));
    assert_eq!(ann.ask("INCR secret"), "1");
    assert!(admin.ask("CLIENT LIST").contains(" user=ann "));
    assert_eq!(admin.ask("ACL SETUSER ann resetkeys ~ads:*"), "OK");
    assert_eq!(ann.ask("INCR secret"), "-NOPERM No permissions to access a key");
    assert_eq!(ann.ask("INCR ads:1"), "1", "it is not cut off");
    while let Ok(message) = listening.reply() {
        assert!(!format!("{message:?}").contains("Error"), "{message:?}");
    }
    assert!(listening.try_ask("PING").is_err(), "who was told of it is");
    assert_eq!(admin.ask("ACL DELUSER ann"), "1");
    assert!(ann.try_ask("INCR ads:1").is_err());
    server.eventually_logs(&["audit", "event=\"user_changed\"", "user=\"default\"", "subject=\"ann\""]);
    server.eventually_logs(&["audit", "event=\"user_deleted\"", "subject=\"ann\""]);
    assert_eq!(admin.ask("CONFIG SET maxclients 500"), "OK");
    server.eventually_logs(&["audit", "event=\"config_changed\"", "subject=\"resp.max_clients\""]);
    let mut myself = server.client();
    assert_eq!(admin.ask("ACL SETUSER root on nopass ~* &* +@all"), "OK");
    assert_eq!(myself.ask("AUTH root x"), "OK");
    assert_eq!(myself.ask("ACL DELUSER root"), "1", "it is told so");
    assert!(myself.try_ask("PING").is_err(), "and then cut off");
}

#[test]
fn passwords_are_made_up() {
    let ground = Ground::new();
    let server = ground.start();
    let (first, second) = (server.ask("ACL GENPASS"), server.ask("ACL GENPASS"));
    assert!(first.len() >= 64 && first != second, "{first} {second}");
    let short = server.ask("ACL GENPASS 5");
    assert_eq!(short.trim_matches('"').len(), 2, "{short}");
}
