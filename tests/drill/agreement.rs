//! From healing to the same answer everywhere.

use std::thread;
use std::time::{Duration, Instant};

use crate::load::parse_values;
use crate::nodes::Nodes;
use crate::plan::NODES;
use crate::server_support::Client;

/// The promise.
pub(crate) const TARGET: Duration = Duration::from_secs(3);
/// When it is a failure, on however busy a machine.
const LIMIT: Duration = Duration::from_secs(15);
/// All answers must stay the same for this long: longer than anything that is still on its way waits.
const STABLE: Duration = Duration::from_millis(2500);
const PAUSE: Duration = Duration::from_millis(10);

/// What all nodes answer in the end.
pub(crate) struct Agreement {
    pub(crate) values: Vec<i64>,
    /// From healing to the first time that all answered this.
    pub(crate) after: Duration,
    /// From healing until every node was linked with all others.
    pub(crate) linked_after: Duration,
}

/// Waits until all nodes answer the same, and go on doing so.
pub(crate) fn agree(nodes: &Nodes, names: &str, healed: Instant) -> Agreement {
    let request = format!("MGET {names}");
    let mut clients: Vec<Option<Client>> = (0..NODES).map(|_| None).collect();
    let mut agreed: Option<(Vec<i64>, Instant)> = None;
    let mut linked_after = None;
    loop {
        let answers: Vec<Result<String, String>> =
            (0..NODES).map(|node| ask(nodes, node, &mut clients[node], &request)).collect();
        if linked_after.is_none() && clients.iter_mut().all(|client| client.as_mut().is_some_and(is_linked)) {
            linked_after = Some(healed.elapsed());
        }
        let now = Instant::now();
        let same = answers[0].clone().ok().filter(|first| answers.iter().all(|answer| answer.as_ref() == Ok(first)));
        let first = same.and_then(|reply| parse_values(&reply).ok());
        match (first, &agreed) {
            (Some(values), Some((before, since))) if values == *before => {
                if let Some(linked_after) = linked_after.filter(|_| now - *since > STABLE) {
                    return Agreement { values, after: *since - healed, linked_after };
                }
            }
            (Some(values), _) => agreed = Some((values, now)),
            (None, _) => agreed = None,
        }
        assert!(healed.elapsed() < LIMIT, "{}", difference(&answers, names));
        thread::sleep(PAUSE);
    }
}

/// Whether a node is linked with all others, and takes none of them for failed.
fn is_linked(client: &mut Client) -> bool {
    let listed = client.try_hello().unwrap_or_default();
    listed.len() == NODES && listed.iter().all(|node| node.priority == 1)
}

fn ask(nodes: &Nodes, node: usize, client: &mut Option<Client>, request: &str) -> Result<String, String> {
    if client.is_none() {
        *client = Some(nodes.client(node, TARGET)?);
    }
    let reply = client.as_mut().map_or_else(|| Err(String::new()), |client| client.try_ask(request));
    if reply.is_err() {
        *client = None;
    }
    reply
}

/// What the nodes answer for each counter of which they do not say the same.
fn difference(answers: &[Result<String, String>], names: &str) -> String {
    let mut text = format!("no agreement {} s after healing:\n", LIMIT.as_secs());
    let rows: Vec<Vec<&str>> = answers
        .iter()
        .map(|answer| match answer {
            Ok(reply) => reply.trim_matches(['[', ']']).split(' ').collect(),
            Err(error) => vec![error.as_str(); names.split(' ').count()],
        })
        .collect();
    for (counter, name) in names.split(' ').enumerate() {
        let values: Vec<&str> = rows.iter().map(|row| row[counter]).collect();
        if values.iter().any(|value| *value != values[0]) {
            text += &format!("{name}: {}\n", values.join(" "));
        }
    }
    text
}
