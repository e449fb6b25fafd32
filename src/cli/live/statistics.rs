//! `--stat`: a line of figures of the node, again and again, out of INFO.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use super::rate;
use crate::cli::client::Client;
use crate::cli::display::Format;
use crate::cli::exit::Exit;
use crate::cli::output::{output_ended, say, warn};

const INTERVAL: Duration = Duration::from_secs(1);
/// After so many lines it is said again what they mean.
const LINES_A_HEADER: u64 = 20;

/// Prints a line each interval, as many as wanted or until the user has seen enough. A node that is gone is waited for.
pub(super) fn run(mut client: Client, format: Format, interval: Option<Duration>, rounds: Option<u64>) -> Exit {
    let interval = interval.unwrap_or(INTERVAL);
    if let Err(error) = client.connect().map(|notices| notices.texts.iter().for_each(warn)) {
        warn(error);
        return Exit::Unusable;
    }
    let mut before: Option<(Instant, f64)> = None;
    let (mut lines, mut due) = (0, Instant::now());
    while rounds.is_none_or(|rounds| lines < rounds) {
        let figures = match ask(&mut client) {
            Ok(Ok(text)) => Figures::read(&text),
            Ok(Err(refusal)) => {
                warn(refusal);
                return Exit::Failed;
            }
            Err(error) => {
                warn(error);
                // Its counts may begin anew.
                before = None;
                due = pause(due, interval);
                continue;
            }
        };
        let now = Instant::now();
        let rate = before.zip(figures.commands).map(|((then, commands), total)| {
            // The INFO that tells it is not what anybody wants to know of.
            (total - commands - 1.0).max(0.0) / now.duration_since(then).as_secs_f64().max(0.001)
        });
        before = figures.commands.map(|commands| (now, commands));
        let rate = rate.or(figures.rate);
        let mut text = String::new();
        if format == Format::Json {
            text.push_str(&figures.json(rate));
        } else {
            if lines % LINES_A_HEADER == 0 {
                text.push_str(&line(
                    &["counters", "clients", "ops/s", "commands", "memory", "peers"].map(str::to_owned),
                ));
                text.push('\n');
            }
            text.push_str(&figures.line(rate));
        }
        if let Err(error) = say(text) {
            return output_ended(&error);
        }
        lines += 1;
        if rounds.is_none_or(|rounds| lines < rounds) {
            due = pause(due, interval);
        }
    }
    Exit::Answered
}

/// Waits for the next time in step with the first. One that was missed is left out.
fn pause(due: Instant, interval: Duration) -> Instant {
    let now = Instant::now();
    let next = (due + interval).max(now);
    thread::sleep(next.duration_since(now));
    next
}

/// The text of INFO, or what the server says instead; an error where it says nothing.
fn ask(client: &mut Client) -> Result<Result<String, String>, String> {
    client.connect().map_err(|error| error.to_string())?;
    let reply = client.run(&["INFO"], &mut |_| ()).map_err(|error| error.to_string())?;
    Ok(match reply.bytes() {
        Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        None => Err(super::refusal("INFO", &reply)),
    })
}

/// What a line shows, as far as the server tells it.
#[derive(Debug, PartialEq)]
struct Figures {
    counters: Option<f64>,
    clients: Option<f64>,
    rate: Option<f64>,
    commands: Option<f64>,
    memory: Option<f64>,
    reachable: Option<f64>,
    peers: Option<f64>,
}

impl Figures {
    fn read(info: &str) -> Self {
        let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let number = |name: &str| fields.get(name).and_then(|text| text.parse::<f64>().ok());
        // Servers that have no counters have keys.
        let keys = fields.get("db0").and_then(|text| text.split(',').find_map(|part| part.strip_prefix("keys=")));
        Self {
            counters: number("counters").or(keys.and_then(|keys| keys.parse().ok())),
            clients: number("connected_clients"),
            rate: number("instantaneous_ops_per_sec"),
            commands: number("total_commands_processed"),
            memory: number("used_memory"),
            reachable: number("cluster_reachable_nodes"),
            peers: number("cluster_known_nodes").map(|nodes| (nodes - 1.0).max(0.0)),
        }
    }

    fn line(&self, rate: Option<f64>) -> String {
        let shown = |figure: Option<f64>, render: fn(f64) -> String| figure.map_or_else(|| "-".to_owned(), render);
        let whole = |figure: f64| format!("{figure:.0}");
        let peers = self.reachable.zip(self.peers).map(|(reachable, peers)| format!("{reachable:.0}/{peers:.0}"));
        line(&[
            shown(self.counters, whole),
            shown(self.clients, whole),
            shown(rate, whole),
            shown(self.commands, whole),
            shown(self.memory, rate::bytes),
            peers.unwrap_or_else(|| "-".to_owned()),
        ])
    }

    fn json(&self, rate: Option<f64>) -> String {
        let whole = |figure: Option<f64>| figure.map(|figure| figure.round() as u64);
        serde_json::json!({
            "counters": whole(self.counters),
            "clients": whole(self.clients),
            "ops_per_second": whole(rate),
            "commands": whole(self.commands),
            "memory_bytes": whole(self.memory),
            "peers_reachable": whole(self.reachable),
            "peers": whole(self.peers),
        })
        .to_string()
    }
}

fn line(columns: &[String; 6]) -> String {
    let [counters, clients, rate, commands, memory, peers] = columns;
    format!("{counters:>12} {clients:>8} {rate:>9} {commands:>14} {memory:>8} {peers:>6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_sections() {
        let info = "# Clients\r\nconnected_clients:12\r\n# Memory\r\nused_memory:96944128\r\n# Stats\r\n\
            total_commands_processed:1234567\r\ninstantaneous_ops_per_sec:500\r\n# Cluster\r\ncluster_known_nodes:3\r\n\
            cluster_reachable_nodes:1\r\n# Keyspace\r\ndb0:keys=7,expires=0,avg_ttl=0\r\n# Counters\r\ncounters:1000000\r\n";
        let figures = Figures::read(info);
        assert_eq!(figures.line(Some(99_999.5)), "     1000000       12    100000        1234567    92.5M    1/2");
        let json: serde_json::Value = serde_json::from_str(&figures.json(figures.rate)).expect("JSON");
        assert_eq!((&json["ops_per_second"], &json["peers"]), (&500.into(), &2.into()));
    }

    #[test]
    fn a_server_that_tells_little_leaves_places_empty() {
        let figures = Figures::read("db0:keys=7,expires=0\r\nconnected_clients:x\r\n");
        assert_eq!(figures.line(None), "           7        -         -              -        -      -");
        assert!(figures.json(None).contains("\"clients\":null"));
    }
}
