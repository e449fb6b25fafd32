//! A disk that is full: what is refused, what is answered, and that it comes back by itself.

use crate::disks::SmallDisk;
use crate::server_support::{Client, Ground, Server, eventually, eventually_answers, text_of};

const DISK_MEBIBYTES: u32 = 96;

fn server_on(ground: &Ground, disk: &SmallDisk, settings: &[&str]) -> Server {
    ground.server().data_directory(disk.path().join("data")).set_all(settings).run()
}

/// Counts on connections of its own until one is told that nothing can be written. Answers the connections whose replies
/// are held back.
fn count_until_refused(server: &Server) -> (Vec<Client>, String) {
    let mut held = Vec::new();
    let mut refusal = String::new();
    eventually("changes are refused", || {
        let mut client = server.try_client()?;
        client.send(&format!("INCR held:{}", held.len()))?;
        // A reply that is held back is not waited for here: another connection tells whether the disk fails.
        let mut probe = server.try_client()?;
        let reply = probe.try_ask("INFO persistence")?;
        held.push(client);
        if !reply.contains("refusing_writes:1") {
            return Err(reply);
        }
        refusal = probe.try_ask("INCR refused")?;
        Ok(())
    });
    (held, refusal)
}

#[test]
fn with_always_a_full_disk_refuses_changes_at_once_and_takes_them_when_there_is_space() {
    let ground = Ground::new();
    let Some(disk) = SmallDisk::mount(ground.path("disk"), DISK_MEBIBYTES, "a full disk with always") else { return };
    let server = server_on(&ground, &disk, &["storage.durability=always"]);
    assert_eq!(server.ask("INCRBY a 5"), "5");
    disk.fill();
    let (held, refusal) = count_until_refused(&server);
    assert!(refusal.starts_with("-MISCONF Discnt cannot write to its disk: "), "{refusal}");
    assert!(refusal.contains("nothing was changed, and reads go on"), "{refusal}");
    for request in ["SET a 1", "DEL a", "PRECISION a 5", "MINCRBY 1 a b"] {
        assert!(server.ask(request).starts_with("-MISCONF "), "{request}");
    }
    assert_eq!(server.ask("GET a"), "5");
    assert!(server.ask("SAVE").starts_with("-ERR "), "a save cannot be had");
    let shutdown = server.ask("SHUTDOWN");
    assert!(shutdown.starts_with("-ERR Errors trying to SHUTDOWN: "), "{shutdown}");
    let info = server.ask("INFO persistence");
    for field in ["aof_last_write_status:err", "rdb_last_bgsave_status:err", "durability:always"] {
        assert!(info.contains(&format!("{field}\r\n")), "{field}: {info}");
    }
    server.eventually_logs(&["ERROR", "counters cannot be written"]);
    disk.free();
    // What was held back is on disk before it is answered.
    let held_counters = held.len();
    for mut client in held {
        let reply = text_of(&client.reply().expect("the reply that was held back"));
        assert!(reply == "1" || reply.starts_with("-MISCONF"), "{reply}");
    }
    eventually_answers(&server, "INCR a", "6");
    server.eventually_logs(&["INFO", "counters can be written again"]);
    let before = server.ask("DBSIZE");
    let server = server.kill().run();
    assert_eq!((server.ask("GET a"), server.ask("DBSIZE")), ("6".to_owned(), before), "of {held_counters} held");
}

#[test]
fn with_everysec_a_full_disk_refuses_changes_after_a_while() {
    let ground = Ground::new();
    let name = "a full disk with everysec";
    let Some(disk) = SmallDisk::mount(ground.path("disk"), DISK_MEBIBYTES, name) else { return };
    let settings = ["storage.durability=everysec", "storage.max_unsynced_seconds=2"];
    let server = server_on(&ground, &disk, &settings);
    assert_eq!(server.ask("INCRBY a 5"), "5");
    disk.fill();
    let mut client = server.client();
    let mut counted = 0;
    eventually("commits fail", || {
        // Answered as long as they are not refused.
        let reply = client.try_ask("INCR b")?;
        counted += 1;
        assert_eq!(reply, counted.to_string());
        let info = client.try_ask("INFO persistence")?;
        if info.contains("aof_last_write_status:err") { Ok(()) } else { Err(info) }
    });
    eventually("changes are refused", || match client.try_ask("INCR b")? {
        reply if reply.starts_with("-MISCONF ") => Ok(()),
        reply => {
            counted += 1;
            Err(reply)
        }
    });
    assert_eq!(client.ask("MGET a b"), format!("[5 {counted}]"));
    server.eventually_logs(&["ERROR", "changes are refused: what was to be written "]);
    disk.free();
    eventually("changes are taken", || match client.try_ask("INCR b")? {
        reply if reply.starts_with('-') => Err(reply),
        _ => Ok(()),
    });
    server.eventually_logs(&["INFO", "changes are taken again"]);
    assert_eq!(client.ask("WAITAOF 1 0 20000"), "[1 0]");
    let server = server.kill().run();
    assert_eq!(server.ask("MGET a b"), format!("[5 {}]", counted + 1));
}

#[test]
fn a_server_on_a_full_disk_is_ended_by_nosave_and_says_what_is_lost() {
    let ground = Ground::new();
    let name = "NOSAVE on a full disk";
    let Some(disk) = SmallDisk::mount(ground.path("disk"), DISK_MEBIBYTES, name) else { return };
    let mut server = server_on(&ground, &disk, &["storage.durability=everysec"]);
    assert_eq!(server.ask("INCRBY a 5"), "5");
    assert_eq!(server.ask("WAITAOF 1 0 20000"), "[1 0]");
    disk.fill();
    let mut client = server.client();
    let mut counted = 0;
    eventually("commits fail", || {
        // More than the files have room for that have their place already.
        for _ in 0..100 {
            client.try_ask(&format!("INCR b:{counted}:{}", "x".repeat(400)))?;
            counted += 1;
        }
        let info = client.try_ask("INFO persistence")?;
        if info.contains("aof_last_write_status:err") { Ok(()) } else { Err(info) }
    });
    let refused = client.ask("SHUTDOWN");
    assert!(refused.starts_with("-ERR Errors trying to SHUTDOWN: "), "{refused}");
    client.ask("INCR last");
    client.try_ask("SHUTDOWN NOSAVE").expect_err("no reply");
    assert_eq!(server.wait().code(), Some(1), "{}", server.log());
    let line =
        server.eventually_logs(&["WARN", "could not be saved, and SHUTDOWN NOSAVE ends the server all the same"]);
    assert!(line.contains("no other node was linked"), "{line}");
    let number = line.split("what changed in ").nth(1).and_then(|rest| rest.split(' ').next());
    let unsaved: usize = number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    assert!((1..=counted + 1).contains(&unsaved), "{unsaved} of {counted}: {line}");
    disk.free();
    let server = server.kill().run();
    assert_eq!(server.ask("MGET a last"), "[5 0]");
    let kept: usize = server.ask("DBSIZE").parse().expect("a number");
    assert_eq!(kept + unsaved, 1 + counted + 1, "{line}");
}

#[test]
fn with_memory_a_full_disk_fails_saves_alone() {
    let ground = Ground::new();
    let name = "a full disk with memory";
    let Some(disk) = SmallDisk::mount(ground.path("disk"), DISK_MEBIBYTES, name) else { return };
    let mut server = server_on(&ground, &disk, &["storage.durability=memory"]);
    for request in ["INCRBY a 5", "SAVE"] {
        server.ask(request);
    }
    disk.fill();
    let mut client = server.client();
    let mut counters = 0;
    eventually("a save fails", || {
        for _ in 0..200 {
            counters += 1;
            let reply = client.try_ask(&format!("INCR counter:{counters}"))?;
            assert_eq!(reply, "1");
        }
        match client.try_ask("SAVE")? {
            reply if reply.starts_with("-ERR ") => Ok(()),
            reply => Err(reply),
        }
    });
    assert_eq!(client.ask("INCR a"), "6");
    assert!(client.ask("SHUTDOWN").starts_with("-ERR Errors trying to SHUTDOWN: "));
    // Forced, it stops, and what was saved before is there.
    client.try_ask("SHUTDOWN FORCE").expect_err("no reply");
    let status = server.wait();
    assert_eq!(status.code(), Some(1), "{}", server.log());
    let start = server.kill();
    disk.free();
    assert_eq!(start.run().ask("GET a"), "5");
}
