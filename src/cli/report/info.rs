//! INFO and CLUSTER INFO in groups: first what is wrong, then the sections with aligned values, and tables of what has
//! several figures to a name.

use super::table::{Align, Table};
use crate::cli::colour::Paint;

const SENT: &str = "_sent";
const RECEIVED: &str = "_received";
/// Certificates that end within so many days are told of.
const WARNED_DAYS: u64 = 30;
const MESSAGES: &str = "cluster_stats_messages_";

/// One section of the reply. CLUSTER INFO has one only, without a name.
#[derive(Default)]
struct Section<'a> {
    name: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

/// Figures of several kinds to each name: `name:key=value,key=value`.
struct Figures<'a> {
    keys: Vec<&'a str>,
    rows: Vec<(&'a str, Vec<&'a str>)>,
}

/// The groups, or nothing where a line is not as it should be.
pub(super) fn render(text: &str, paint: Paint) -> Option<String> {
    let sections = parse(text)?;
    let mut parts = Vec::new();
    let troubles = troubles(&sections);
    if !troubles.is_empty() {
        let lines: Vec<String> = troubles.iter().map(|trouble| format!("! {trouble}\n")).collect();
        parts.push(paint.bad(&lines.concat()));
    }
    for section in &sections {
        let body = body(section, paint);
        match section.name {
            "" => parts.push(body),
            name => parts.push(paint.heading(name) + "\n" + &indented(&body)),
        }
    }
    Some(parts.join("\n")).filter(|text| !text.is_empty())
}

fn parse(text: &str) -> Option<Vec<Section<'_>>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            sections.push(Section { name, ..Section::default() });
            continue;
        }
        if sections.is_empty() {
            sections.push(Section::default());
        }
        sections.last_mut()?.pairs.push(line.split_once(':')?);
    }
    Some(sections)
}

/// What is wrong, by the fields that say so.
fn troubles(sections: &[Section<'_>]) -> Vec<String> {
    let pairs = || sections.iter().flat_map(|section| &section.pairs);
    let value = |key: &str| pairs().find(|(name, _)| *name == key).map_or("", |(_, value)| *value);
    let is_on = |key: &str| !matches!(value(key), "" | "0");
    let mut found = Vec::new();
    if is_on("loading") {
        found.push("the node is still loading what it has on disk".to_owned());
    }
    if is_on("cluster_catching_up") {
        let (received, estimated) =
            (value("cluster_catch_up_items_received"), value("cluster_catch_up_items_estimated"));
        found.push(match estimated {
            "" | "0" => "the node is catching up with its cluster".to_owned(),
            _ => format!("the node is catching up with its cluster: {received} of about {estimated} items received"),
        });
    } else if !matches!(value("cluster_state"), "" | "ok") {
        let (known, reachable) = (value("cluster_known_nodes"), value("cluster_reachable_nodes"));
        let others = known.parse::<u64>().unwrap_or(0).saturating_sub(1);
        found.push(match others {
            0 => "the cluster is not well".to_owned(),
            others => format!("the cluster is not well: {reachable} of {others} other nodes reachable"),
        });
    }
    if is_on("refusing_writes") {
        found.push(format!("changes are refused, as the disk takes nothing: {}", value("commit_failure")));
    } else if is_on("commits_failing_seconds") {
        let seconds = value("commits_failing_seconds");
        found.push(format!("the disk has taken nothing for {seconds} s: {}", value("commit_failure")));
    }
    if is_on("store_renewals") {
        let (times, damage) = (value("store_renewals"), value("store_damage"));
        found.push(format!("damage was found on disk, and the store written anew from memory {times}x: {damage}"));
    }
    for (key, what) in [
        ("rdb_last_bgsave_status", "the last save to disk failed"),
        ("aof_last_write_status", "the last write to disk failed"),
        ("master_link_status", "there is no link to the master"),
    ] {
        if !matches!(value(key), "" | "ok" | "up") {
            found.push(format!("{what} ({key}:{})", value(key)));
        }
    }
    for (key, whose) in [
        ("mesh_certificate_days_left", "this node's certificate"),
        ("mesh_authority_days_left", "the cluster's authority"),
    ] {
        if let Some(days) = value(key).parse::<u64>().ok().filter(|days| *days <= WARNED_DAYS) {
            found.push(format!("{whose} ends in {days} days: see `discnt-cli certs rotate --help`"));
        }
    }
    for (name, figures) in pairs().filter(|(name, _)| name.starts_with("peer")) {
        let figure = |key: &str| figures.split(',').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == key);
        if let Some((_, state)) = figure("state").filter(|(_, state)| *state != "up") {
            let (host, port) =
                (figure("host").map_or("", |(_, host)| host), figure("port").map_or("", |(_, port)| port));
            found.push(format!("{name} at {host}:{port} is {state}"));
        }
    }
    found
}

fn body(section: &Section<'_>, paint: Paint) -> String {
    let (messages, pairs): (Vec<_>, Vec<_>) = section.pairs.iter().partition(|(key, _)| is_message(key));
    let mut tables: Vec<Figures<'_>> = Vec::new();
    let mut plain = Vec::new();
    for (name, value) in pairs {
        match figures(value) {
            None => plain.push((name, value)),
            Some((keys, values)) => match tables.iter_mut().find(|table| table.keys == keys) {
                Some(table) => table.rows.push((name, values)),
                None => tables.push(Figures { keys, rows: vec![(name, values)] }),
            },
        }
    }
    let width = plain.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    let lines = plain.iter().map(|(key, value)| format!("{key:<width$}  {value}").trim_end().to_owned() + "\n");
    let mut blocks: Vec<String> = Vec::from_iter(Some(lines.collect::<String>()).filter(|text| !text.is_empty()));
    blocks.extend(tables.iter().map(|figures| figures_table(figures, paint)));
    blocks.extend(messages_table(&messages, paint));
    blocks.join("\n")
}

fn is_message(key: &str) -> bool {
    key.starts_with(MESSAGES) && (key.ends_with(SENT) || key.ends_with(RECEIVED))
}

/// Keys and values of `key=value,key=value`.
fn figures(text: &str) -> Option<(Vec<&str>, Vec<&str>)> {
    let pairs: Option<Vec<(&str, &str)>> = text.split(',').map(|pair| pair.split_once('=')).collect();
    Some(pairs?.into_iter().unzip())
}

fn figures_table(figures: &Figures<'_>, paint: Paint) -> String {
    let first = [("", Align::Left)].into_iter();
    let align = |column: usize| {
        let is_number = |row: &(&str, Vec<&str>)| row.1[column].parse::<f64>().is_ok();
        if figures.rows.iter().all(is_number) { Align::Right } else { Align::Left }
    };
    let columns = figures.keys.iter().enumerate().map(|(column, key)| (*key, align(column)));
    let mut table = Table::new(first.chain(columns));
    let is_nothing = |values: &[&str]| values.iter().all(|value| *value == "0");
    let mut left_out = 0;
    for (name, values) in &figures.rows {
        if figures.rows.len() > 1 && is_nothing(values) {
            left_out += 1;
            continue;
        }
        table.row([*name].iter().chain(values).map(|cell| (*cell).to_owned()).collect());
    }
    table_with_rest(&table, left_out, figures.rows.len(), paint)
}

/// What went between nodes, the kinds below each other.
fn messages_table(messages: &[(&str, &str)], paint: Paint) -> Option<String> {
    let value = |kind: &str, direction: &str| {
        let key = format!("{MESSAGES}{kind}{direction}");
        messages
            .iter()
            .find(|(name, _)| *name == key || *name == key.replace("__", "_"))
            .map_or("", |(_, value)| *value)
    };
    let mut kinds: Vec<&str> = Vec::new();
    for (name, _) in messages {
        let rest = &name[MESSAGES.len() - 1..];
        let kind = rest.strip_suffix(SENT).or_else(|| rest.strip_suffix(RECEIVED))?;
        let kind = kind.trim_start_matches('_');
        if !kind.is_empty() && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let mut table = Table::new([("messages", Align::Left), ("sent", Align::Right), ("received", Align::Right)]);
    let mut left_out = 0;
    for kind in &kinds {
        let (sent, received) = (value(kind, SENT), value(kind, RECEIVED));
        if matches!((sent, received), ("" | "0", "" | "0")) {
            left_out += 1;
        } else {
            table.row(vec![kind.replace('_', " "), sent.to_owned(), received.to_owned()]);
        }
    }
    let (sent, received) = (value("", SENT), value("", RECEIVED));
    if sent.is_empty() && received.is_empty() && kinds.is_empty() {
        return None;
    }
    table.row(vec!["all".to_owned(), sent.to_owned(), received.to_owned()]);
    Some(table_with_rest(&table, left_out, kinds.len() + 1, paint))
}

fn table_with_rest(table: &Table, left_out: usize, of: usize, paint: Paint) -> String {
    let rest = match left_out {
        0 => return table.render(paint),
        all if all == of => return paint.faint(&format!("({all} rows of zeros; --raw shows them)")) + "\n",
        some => format!("({some} more with zeros only; --raw shows them)"),
    };
    table.render(paint) + &paint.faint(&rest) + "\n"
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        render(text, Paint::Plain).expect("groups")
    }

    #[test]
    fn sections_are_headings_over_aligned_values() {
        let text = "# Server\nport:7811\nuptime_in_seconds:3\n\n# Keyspace\ndb0:keys=1,expires=0\n\n# Errorstats\n";
        let expected = "\
Server
  port               7811
  uptime_in_seconds  3

Keyspace
       keys  expires
  db0     1        0

Errorstats
";
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn figures_of_one_shape_are_one_table_without_its_zeros() {
        let text = "# Mesh\nlinks:1\nkind_a:sent=10,received=2\nkind_b:sent=0,received=0\nkind_c:sent=3,received=400\n";
        let expected = "\
Mesh
  links  1

          sent  received
  kind_a    10         2
  kind_c     3       400
  (1 more with zeros only; --raw shows them)
";
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn messages_stand_below_each_other() {
        let text = "cluster_state:ok\n\
            cluster_stats_messages_names_wanted_sent:2\ncluster_stats_messages_pull_sent:0\n\
            cluster_stats_messages_sent:2\n\
            cluster_stats_messages_names_wanted_received:4\ncluster_stats_messages_pull_received:0\n\
            cluster_stats_messages_received:5\n";
        let expected = "\
cluster_state  ok

messages      sent  received
names wanted     2         4
all              2         5
(1 more with zeros only; --raw shows them)
";
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn what_is_wrong_comes_first() {
        let bad = "cluster_state:fail\ncluster_known_nodes:3\ncluster_reachable_nodes:1\n";
        assert!(
            shown(bad).starts_with("! the cluster is not well: 1 of 2 other nodes reachable\n\n"),
            "{}",
            shown(bad)
        );
        for (line, words) in [
            ("loading:1", "still loading"),
            (
                "cluster_catching_up:1\ncluster_catch_up_items_received:5\ncluster_catch_up_items_estimated:9",
                "5 of about 9",
            ),
            (
                "refusing_writes:1\ncommit_failure:No space left",
                "changes are refused, as the disk takes nothing: No space",
            ),
            ("commits_failing_seconds:7\ncommit_failure:", "taken nothing for 7 s"),
            ("store_renewals:1\nstore_damage:redo-0: gone", "the store written anew from memory 1x: redo-0: gone"),
            ("rdb_last_bgsave_status:err", "the last save to disk failed (rdb_last_bgsave_status:err)"),
            ("mesh_certificate_days_left:30", "this node's certificate ends in 30 days"),
            ("peer0:id=1,host=h,port=7,state=down,rtt_usec=0", "peer0 at h:7 is down"),
        ] {
            let text = shown(line);
            assert!(text.starts_with("! ") && text.contains(words), "{text}");
        }
        let well = "loading:0\nrefusing_writes:0\nrdb_last_bgsave_status:ok\npeer0:id=1,state=up\ncluster_state:ok\nmesh_certificate_days_left:31\n";
        assert!(!shown(well).contains('!'), "{}", shown(well));
        assert!(render(bad, Paint::Ansi).expect("groups").starts_with("\x1b[31m! "));
    }

    #[test]
    fn what_is_something_else_is_left_as_it_is() {
        for text in ["", "nonsense"] {
            assert_eq!(render(text, Paint::Plain), None);
        }
    }
}
