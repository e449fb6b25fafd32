//! DEBUG RELOAD: what is on disk is read back while the node serves, and found to be what is in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::disks::SmallDisk;
use crate::server_support::{Ground, eventually, eventually_answers};

const RELOADS: usize = 5;
const CLIENTS: u64 = 4;

#[test]
fn a_reload_under_load_agrees_in_every_mode_and_loses_nothing() {
    for mode in ["memory", "everysec", "always"] {
        let ground = Ground::new();
        let settings = [&format!("storage.durability={mode}"), "debug.enabled=true"];
        let servers = ground.three_with(&settings);
        let server = &servers[0];
        for request in ["PRECISION shared 50", "SET kept 5", "INCR gone", "DEL gone"] {
            server.ask(request);
        }
        let is_over = AtomicBool::new(false);
        let counted: Vec<u64> = thread::scope(|scope| {
            let count = |number: u64| {
                let mut client = servers[(number % 2) as usize].client();
                let mut counted = 0;
                while !is_over.load(Ordering::Relaxed) {
                    client.ask("INCR shared");
                    client.ask(&format!("INCR own:{number}:{}", counted % 300));
                    counted += 1;
                }
                counted
            };
            let counting: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || count(number))).collect();
            let replies: Vec<_> = (0..RELOADS).map(|_| server.client().try_ask("DEBUG RELOAD")).collect();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(replies, vec![Ok("OK".to_owned()); RELOADS], "{mode}");
            counting.into_iter().map(|thread| thread.join().expect("a client")).collect()
        });
        let sum = counted.iter().sum::<u64>().to_string();
        servers.iter().for_each(|server| eventually_answers(server, "GET shared", &sum));
        eventually("all agree", || {
            let digests: Vec<_> = servers.iter().map(|server| server.ask("DEBUG DIGEST")).collect();
            if digests.iter().all(|digest| *digest == digests[0]) { Ok(()) } else { Err(format!("{digests:?}")) }
        });
        // Soon nothing changes any more, and everything is compared.
        eventually("nothing changes any more", || {
            assert_eq!(server.ask("DEBUG RELOAD"), "OK", "{mode}");
            let log = server.log();
            if log.contains("read back what is on disk") && log.contains(" 0 changed meanwhile") {
                Ok(())
            } else {
                Err(log)
            }
        });
        let [server, ..] = servers;
        let server = server.kill().run();
        assert_eq!(server.ask("MGET shared kept gone"), format!("[{sum} 5 0]"), "{mode}");
    }
}

#[test]
fn a_reload_that_cannot_be_written_says_so_and_changes_nothing() {
    let ground = Ground::new();
    let Some(disk) = SmallDisk::mount(ground.path("disk"), 96, "a reload on a full disk") else { return };
    let settings = ["storage.durability=everysec", "debug.enabled=true"];
    let server = ground.server().data_directory(disk.path().join("data")).set_all(&settings).run();
    assert_eq!(server.ask("INCRBY a 5"), "5");
    assert_eq!(server.ask("DEBUG RELOAD"), "OK");
    disk.fill();
    let mut told = 0;
    let refusal = eventually("nothing can be written", || {
        told += 1;
        server.ask("INCR a");
        match server.ask("DEBUG RELOAD") {
            reply if reply == "OK" => Err(reply),
            refusal => Ok(refusal),
        }
    });
    // It can be written and not be brought to where it is read from.
    let is_told = refusal.starts_with("-ERR not on disk: ") || refusal.contains("and memory was not changed: ");
    assert!(refusal.starts_with("-ERR ") && is_told, "{refusal}");
    assert!(refusal.contains("No space left on device"), "{refusal}");
    assert_eq!(server.ask("GET a"), (5 + told).to_string());
    disk.free();
    eventually_answers(&server, "DEBUG RELOAD", "OK");
    assert_eq!(server.kill().run().ask("GET a"), (5 + told).to_string());
}
