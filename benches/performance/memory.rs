//! Resident bytes of a counter, beside a key of redis-server.

use crate::loader;
use crate::plan::Plan;
use crate::report::{Section, Table, figure};
use crate::support::{Outcome, Server, start_nodes, start_redis};

const LARGEST_ALONE: f64 = 90.0;
const LARGEST_WITH_TWO: f64 = 150.0;

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("memory", "resident bytes a counter", !plan.is_short);
    let counters = plan.counters(20_000, 10_000_000);
    section.paragraph(&format!(
        "{counters} names of 16 bytes, INCR once on each node, pipelined. Bytes are what the process has more in memory than \
         when it was empty, once that no longer falls, divided by the names."
    ));
    let mut table = Table::new(&["server", "remote shares", "empty MB", "full MB", "bytes a counter"]);
    let scratch = tempfile::tempdir()?;
    let mut row = |what: &str, remote: usize, (empty, full): (f64, f64)| {
        let bytes = (full - empty) / counters as f64;
        let cells = [what.to_owned(), remote.to_string(), figure(empty / 1e6), figure(full / 1e6), figure(bytes)];
        table.row(&cells);
        bytes
    };
    let redis = start_redis(scratch.path(), &["--appendonly", "no"])?;
    row("redis-server", 0, fill(&[redis], counters, plan.is_short)?);
    let mut fill_nodes = |what: &str, count: usize, durability: &str| {
        let nodes = start_nodes(scratch.path(), count, &[&format!("storage.durability={durability}")])?;
        Ok::<f64, Box<dyn std::error::Error>>(row(what, count - 1, fill(&nodes, counters, plan.is_short)?))
    };
    let alone = fill_nodes("discnt-server, in memory", 1, "memory")?;
    fill_nodes("discnt-server, on disk each second", 1, "everysec")?;
    let with_two = fill_nodes("discnt-server, in memory, one of three nodes", 3, "memory")?;
    section.table(&table);
    section.at_most("bytes a counter without remote shares", alone, LARGEST_ALONE, " bytes");
    section.at_most("bytes a counter with two remote shares", with_two, LARGEST_WITH_TWO, " bytes");
    Ok(section)
}

/// What the first of these has in memory while it is empty, and when all of them count every name.
fn fill(servers: &[Server], counters: u64, is_short: bool) -> Outcome<(f64, f64)> {
    let first = servers.first().ok_or("no server was started")?;
    let empty = first.settled_bytes(is_short);
    for server in servers {
        eprintln!("memory: {counters} names on the server at port {}", server.port);
        loader::send_each(server.port, "INCR", 0..counters)?;
    }
    // Whatever was lost on the way is there once these and the number of all are as they should be.
    for name in [0, counters / 2, counters - 1] {
        loader::await_counters(first, counters, name, servers.len())?;
    }
    servers.iter().for_each(Server::wait_until_quiet);
    Ok((empty, first.settled_bytes(is_short)))
}
