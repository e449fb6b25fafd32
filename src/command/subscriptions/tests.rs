use super::*;
use crate::base::{Amount, Incarnation, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex};
use crate::command::{Client, ClientAddress, Clients};
use crate::counter::{self, Table, TableSettings};
use crate::resp::Protocol;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn table() -> Table {
    Table::new(TableSettings {
        config: counter::Config::default(),
        lease: Duration::from_secs(3),
        replica: ReplicaId { node: NodeId::new([7; 20]), incarnation: Incarnation(1) },
        replica_index: ReplicaIndex(0),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    })
}

fn at(millis: u64) -> Monotonic {
    Monotonic::from_nanos(1_000_000 * millis)
}

fn client() -> Arc<Client> {
    Clients::default().register(ClientAddress::default(), crate::command::Access::default().default_account(), at(0))
}

fn add(table: &Table, name: &str) {
    let name = Name::new(name.as_bytes()).expect("a name");
    table.increment(name, Amount::ONE, at(0)).expect("in range");
}

/// Runs the publisher every 20 ms from one time to another; when each message came.
fn heard(publisher: &mut Publisher, table: &Table, listening: &Listening, millis: std::ops::Range<u64>) -> Vec<u64> {
    let mut times = Vec::new();
    for now in millis.step_by(20) {
        add(table, "a1");
        while publisher.turn(table, at(now)) {}
        let mut out = Vec::new();
        listening.take_messages(Protocol::Resp3, usize::MAX, &mut out).expect("not too slow");
        let messages = String::from_utf8_lossy(&out).matches("message\r\n").count();
        times.extend(std::iter::repeat_n(now, messages));
    }
    times
}

#[test]
fn a_counter_that_always_changes_is_told_of_once_a_second() {
    let (table, subscriptions) = (table(), Arc::<Subscriptions>::default());
    let mut publisher = Publisher::new(Arc::clone(&subscriptions), at(0));
    let listening = subscriptions.listen(&client());
    for by_pattern in [false, true] {
        let start = if by_pattern { 100_000 } else { 0 };
        if by_pattern {
            listening.unsubscribe(&[b"a1"]);
            listening.subscribe_to_patterns(&[b"a*"], &table).expect("within the limits");
        } else {
            listening.subscribe(&[b"a1"], DEFAULT_INTERVAL, at(0)).expect("within the limits");
        }
        let times = heard(&mut publisher, &table, &listening, start..start + 10_000);
        assert!((9..=10).contains(&times.len()), "{times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1000), "{times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 2020), "{times:?}");
    }
}

#[test]
fn nothing_is_left_of_subscriptions_that_ended() {
    let (table, subscriptions) = (table(), Arc::<Subscriptions>::default());
    let mut publisher = Publisher::new(Arc::clone(&subscriptions), at(0));
    let clients = Clients::default();
    for client in 0..3 {
        let listening = subscriptions.listen(&clients.register(
            ClientAddress::default(),
            crate::command::Access::default().default_account(),
            at(0),
        ));
        for _ in 0..100 {
            listening.subscribe(&[b"a", b"b"], MOST_INTERVAL, at(0)).expect("within the limits");
            listening.subscribe_to_patterns(&[b"a*", b"*"], &table).expect("within the limits");
            while publisher.turn(&table, at(0)) {}
            if client > 0 {
                listening.unsubscribe(&[b"a", b"b"]);
                listening.unsubscribe_from_patterns(&[b"a*", b"*"]);
            }
        }
        assert_eq!(subscriptions.state.lock().timers.len(), if client == 0 { 2 } else { 0 });
    }
    assert_eq!((subscriptions.clients(), subscriptions.names(), subscriptions.patterns()), (0, 0, 0));
    assert!(subscriptions.state.lock().timers.is_empty());
    assert!(publisher.is_cleaning());
    for now in (0..3000).step_by(20) {
        while publisher.turn(&table, at(now)) {}
    }
    assert!(!publisher.is_cleaning());
}

proptest! {
    /// Whoever hears all messages knows what every counter stands at, and hears of nothing after the end.
    #[test]
    fn whoever_listens_knows_what_counters_stand_at(
        steps in proptest::collection::vec((0_u8..5, 0_u8..4), 1..120),
    ) {
        let (table, subscriptions) = (table(), Arc::<Subscriptions>::default());
        let mut publisher = Publisher::new(Arc::clone(&subscriptions), at(0));
        let listening = subscriptions.listen(&client());
        let (mut now, mut names, mut patterns) = (0, BTreeSet::new(), false);
        let mut changed_since = BTreeSet::new();
        let (mut by_name, mut by_pattern) = (BTreeMap::new(), BTreeMap::new());
        for (action, counter) in steps {
            let name = format!("a{counter}");
            match action {
                0 | 1 => {
                    add(&table, &name);
                    changed_since.insert(name);
                }
                2 if names.insert(name.clone()) => {
                    listening.subscribe(&[name.as_bytes()], DEFAULT_INTERVAL, at(now)).expect("within the limits");
                }
                2 => {
                    names.remove(&name);
                    listening.unsubscribe(&[name.as_bytes()]);
                }
                3 => {
                    patterns = !patterns;
                    if patterns {
                        changed_since.clear();
                        listening.subscribe_to_patterns(&[b"*"], &table).expect("within the limits");
                    } else {
                        listening.unsubscribe_from_patterns(&[b"*"]);
                    }
                }
                _ => {
                    // Two rounds, as the shards are looked at one after the other.
                    for _ in 0..110 {
                        now += 20;
                        while publisher.turn(&table, at(now)) {}
                    }
                    let mut out = Vec::new();
                    listening.take_messages(Protocol::Resp2, usize::MAX, &mut out).expect("not too slow");
                    let text = String::from_utf8_lossy(&out).into_owned();
                    let words: Vec<&str> = text.split("\r\n").collect();
                    for (at, word) in words.iter().enumerate() {
                        // Of a pattern, whose message has one word more.
                        let known = match *word {
                            "message" => (&mut by_name, at + 2),
                            "pmessage" => (&mut by_pattern, at + 4),
                            _ => continue,
                        };
                        let (known, at) = known;
                        prop_assert!(patterns || *word == "message", "{}", text);
                        prop_assert!(names.contains(words[at]) || *word == "pmessage", "{}", text);
                        known.insert(words[at].to_owned(), words[at + 2].to_owned());
                    }
                    for counter in 0..4 {
                        let name = format!("a{counter}");
                        let value = table.read(Name::new(name.as_bytes()).expect("a name"), at(now));
                        let value = value.map(|value| value.to_string());
                        if names.contains(&name) {
                            prop_assert_eq!(by_name.get(&name), value.as_ref());
                        }
                        if patterns && changed_since.contains(&name) {
                            prop_assert_eq!(by_pattern.get(&name), value.as_ref());
                        }
                    }
                    changed_since.clear();
                }
            }
        }
    }
}
