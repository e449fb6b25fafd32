//! CLUSTER NODES as a table, nodes that are not well first.

use super::table::{Align, Table};
use crate::cli::colour::Paint;

/// No id is shown shorter than this.
const SHORTEST_ID: usize = 8;

/// One line of the reply.
struct Node<'a> {
    id: &'a str,
    address: &'a str,
    name: &'a str,
    mesh_port: &'a str,
    flags: Vec<&'a str>,
    /// When it was last heard, in Unix milliseconds; 0 for never.
    heard: u64,
    epoch: &'a str,
    is_linked: bool,
    /// What comes as `key=value`.
    extras: Vec<(&'a str, &'a str)>,
    /// What else follows: the hash slots of Redis.
    slots: Vec<&'a str>,
}

/// The table, or nothing where a line is not as it should be.
pub(super) fn render(text: &str, now_millis: u64, paint: Paint) -> Option<String> {
    let mut nodes: Vec<Node<'_>> = text.lines().map(parse).collect::<Option<_>>()?;
    if nodes.is_empty() {
        return None;
    }
    nodes.sort_by_key(|node| (!node.is_troubled(), !node.is_self(), node.address.to_owned()));
    let digits = id_length(&nodes);
    Some(format!("{}\n{}", summary(&nodes, digits, now_millis, paint), table(&nodes, digits, now_millis, paint)))
}

fn parse(line: &str) -> Option<Node<'_>> {
    let mut words = line.split_whitespace();
    let mut next = || words.next();
    let (id, place, flags) = (next()?, next()?, next()?);
    let (_master, _ping, heard, epoch, link) = (next()?, next()?, next()?, next()?, next()?);
    let rest: Vec<&str> = words.collect();
    let is_linked = match link {
        "connected" => true,
        "disconnected" => false,
        _ => return None,
    };
    let (place, name) = place.split_once(',').unwrap_or((place, ""));
    let (address, mesh_port) = place.split_once('@').unwrap_or((place, ""));
    let (extras, slots): (Vec<&str>, Vec<&str>) = rest.into_iter().partition(|word| word.contains('='));
    Some(Node {
        id,
        address,
        name,
        mesh_port,
        flags: flags.split(',').filter(|flag| *flag != "noflags").collect(),
        heard: heard.parse().ok()?,
        epoch,
        is_linked,
        extras: extras.iter().filter_map(|word| word.split_once('=')).collect(),
        slots,
    })
}

impl Node<'_> {
    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    fn is_self(&self) -> bool {
        self.has("myself")
    }

    fn is_troubled(&self) -> bool {
        ["fail", "fail?", "handshake", "noaddr"].iter().any(|flag| self.has(flag))
            || !(self.is_linked || self.is_self())
    }

    /// In a word or two.
    fn state(&self) -> &'static str {
        match self {
            _ if self.has("fail") => "failed",
            _ if self.has("fail?") => "suspected",
            _ if self.has("handshake") => "joining",
            _ if self.has("noaddr") => "no address",
            _ if self.is_self() => "this node",
            _ if self.is_linked => "up",
            _ => "not linked",
        }
    }

    /// As the rest of a sentence that begins with the node.
    fn trouble(&self) -> &'static str {
        match self.state() {
            "failed" => "has failed",
            "suspected" => "does not answer and may have failed",
            "joining" => "is joining",
            "no address" => "has no known address",
            _ => "has no link to this node",
        }
    }

    fn heard(&self, now_millis: u64) -> String {
        match self.heard {
            _ if self.is_self() => String::new(),
            0 => "never".to_owned(),
            then => age(now_millis.saturating_sub(then)),
        }
    }

    fn extra(&self, key: &str) -> Option<&str> {
        self.extras.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}

fn summary(nodes: &[Node<'_>], digits: usize, now_millis: u64, paint: Paint) -> String {
    let troubled: Vec<&Node<'_>> = nodes.iter().filter(|node| node.is_troubled()).collect();
    if troubled.is_empty() {
        let text = match nodes.len() {
            1 => "1 node, which knows no other".to_owned(),
            count => format!("{count} nodes, all linked"),
        };
        return paint.good(&text) + "\n";
    }
    let mut text = format!("{} of {} nodes not well:\n", troubled.len(), nodes.len());
    for node in troubled {
        let heard = match node.heard(now_millis).as_str() {
            "" => String::new(),
            "never" => ", never heard".to_owned(),
            age => format!(", last heard {age}"),
        };
        text += &format!("  {} at {} {}{heard}\n", &node.id[..digits.min(node.id.len())], node.address, node.trouble());
    }
    paint.bad(&text)
}

fn table(nodes: &[Node<'_>], digits: usize, now_millis: u64, paint: Paint) -> String {
    let of_redis = nodes.iter().any(|node| node.has("master") || node.has("slave"));
    let same_ports =
        nodes.iter().all(|node| node.address.rsplit_once(':').is_some_and(|(_, port)| port == node.mesh_port));
    let mut keys: Vec<&str> = nodes.iter().flat_map(|node| node.extras.iter().map(|(key, _)| *key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| *key != "rtt");
    let fixed = [
        ("ID", Align::Left),
        ("ADDRESS", Align::Left),
        ("NAME", Align::Left),
        ("MESH PORT", Align::Right),
        ("STATE", Align::Left),
        ("ROLE", Align::Left),
        ("LINK", Align::Left),
        ("ROUND TRIP", Align::Right),
        ("HEARD", Align::Right),
        (if of_redis { "EPOCH" } else { "INCARNATION" }, Align::Right),
        ("SLOTS", Align::Left),
    ];
    let columns = fixed.map(|(name, align)| (name.to_owned(), align)).into_iter();
    let mut table = Table::new(columns.chain(keys.iter().map(|key| (key.to_uppercase(), Align::Right))));
    for node in nodes {
        let role = ["master", "slave"].into_iter().find(|flag| node.has(flag)).unwrap_or("");
        let link = match (node.is_self(), node.is_linked) {
            (true, _) => "",
            (false, true) => "connected",
            (false, false) => "disconnected",
        };
        let mut cells = vec![
            node.id[..digits.min(node.id.len())].to_owned(),
            node.address.to_owned(),
            node.name.to_owned(),
            if same_ports { String::new() } else { node.mesh_port.to_owned() },
            node.state().to_owned(),
            role.to_owned(),
            link.to_owned(),
            node.extra("rtt").map(round_trip).unwrap_or_default(),
            node.heard(now_millis),
            node.epoch.to_owned(),
            node.slots.join(" "),
        ];
        cells.extend(keys.iter().map(|key| node.extra(key).unwrap_or("").to_owned()));
        if node.is_troubled() { table.bad_row(cells) } else { table.row(cells) }
    }
    table.render(paint)
}

/// As many digits as tell all ids apart.
fn id_length(nodes: &[Node<'_>]) -> usize {
    let longest = nodes.iter().map(|node| node.id.len()).max().unwrap_or(0);
    let differ = |digits: usize| {
        let mut ids: Vec<&str> = nodes.iter().map(|node| node.id.get(..digits).unwrap_or(node.id)).collect();
        ids.sort_unstable();
        ids.windows(2).all(|pair| pair[0] != pair[1])
    };
    (SHORTEST_ID..longest).find(|digits| differ(*digits)).unwrap_or(longest)
}

fn round_trip(micros: &str) -> String {
    match micros.parse::<u64>() {
        Ok(micros) if micros < 1000 => format!("{micros} us"),
        Ok(micros) => format!("{:.1} ms", micros as f64 / 1000.0),
        Err(_) => micros.to_owned(),
    }
}

fn age(millis: u64) -> String {
    match millis / 1000 {
        0..2 => "now".to_owned(),
        seconds @ 2..120 => format!("{seconds} s ago"),
        seconds @ 120..7200 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "6290bbc41304485b090a4e2684cddc23a3543779 10.0.0.1:7711@7711 myself - 0 0 3 connected";
    const UP: &str =
        "676f14598f8c7a36143e6a1cd3e5432a9f42a3ca 10.0.0.2:7711@7711 noflags - 0 999500 1 connected rtt=1009";
    const GONE: &str = "91aa14598f8c7a36143e6a1cd3e5432a9f42a3ca 10.0.0.3:7711@7711 fail - 0 940000 2 disconnected";

    fn shown(lines: &[&str]) -> String {
        render(&lines.join("\n"), 1_000_000, Paint::Plain).expect("a table")
    }

    #[test]
    fn nodes_that_are_well_are_a_table() {
        let expected = "\
2 nodes, all linked

ID        ADDRESS        STATE      LINK       ROUND TRIP  HEARD  INCARNATION
6290bbc4  10.0.0.1:7711  this node                                          3
676f1459  10.0.0.2:7711  up         connected      1.0 ms    now            1
";
        assert_eq!(shown(&[OWN, UP]), expected);
        assert!(shown(&[OWN]).starts_with("1 node, which knows no other\n"));
    }

    #[test]
    fn what_is_wrong_comes_first() {
        let text = shown(&[OWN, UP, GONE]);
        let begin = "1 of 3 nodes not well:\n  91aa1459 at 10.0.0.3:7711 has failed, last heard 60 s ago\n\nID ";
        assert!(text.starts_with(begin), "{text}");
        let rows: Vec<&str> = text.lines().skip(4).map(|line| &line[..8]).collect();
        assert_eq!(rows, ["91aa1459", "6290bbc4", "676f1459"]);
        for (flags, words) in [
            ("fail? - 0 0 0 disconnected", "does not answer and may have failed, never heard"),
            ("handshake,noaddr - 0 0 0 disconnected", "is joining"),
            ("noflags - 0 1000 0 disconnected", "has no link to this node, last heard 16 min ago"),
        ] {
            let text = shown(&[OWN, &format!("91aa14598f8c :7711@7711 {flags}")]);
            assert!(text.contains(words), "{text}");
        }
        let coloured = render(&[OWN, GONE].join("\n"), 0, Paint::Ansi).expect("a table");
        assert!(coloured.starts_with("\x1b[31m1 of 2"), "{coloured}");
    }

    #[test]
    fn ids_are_as_long_as_tells_them_apart() {
        let text =
            shown(&["aaaaaaaaaa00 h:1@1 myself - 0 0 0 connected", "aaaaaaaaaa11 h:2@2 noflags - 0 0 0 connected"]);
        assert!(text.contains("\naaaaaaaaaa0  h:1"), "{text}");
    }

    #[test]
    fn redis_has_roles_and_slots() {
        let text = shown(&[
            "aaaaaaaaaaaa h:1@10001,name-1 myself,master - 0 0 1 connected 0-5460 [93->-bbbb]",
            "bbbbbbbbbbbb h:2@10002,name-2 slave aaaaaaaaaaaa 0 999000 1 connected",
        ]);
        for word in ["MESH PORT", "ROLE", "EPOCH", "NAME", "name-2", "0-5460 [93->-bbbb]", "slave"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn what_is_something_else_is_left_as_it_is() {
        for text in ["", "nonsense", "a b c - 0 0 0 perhaps", "# Server\nversion:1"] {
            assert_eq!(render(text, 0, Paint::Plain), None, "{text}");
        }
    }
}
