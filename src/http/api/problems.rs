//! What is wrong, the worst first, and what to do about it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::super::shown::Shown;
use super::summary::days_left;
use crate::base::Moment;
use crate::command::{Environment, Stage};
use crate::node::{ClusterView, MemberView};

/// A certificate that ends sooner is told of; one that ends within the second time is pressing.
const ENDS_SOON_DAYS: u64 = 14;
const ENDS_NOW_DAYS: u64 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Error,
    Warning,
}

/// Something that is wrong.
#[derive(Debug)]
struct Problem {
    weight: Weight,
    code: &'static str,
    /// What it is about, where there may be several of a kind.
    subject: String,
    what: String,
    what_to_do: &'static str,
}

/// All that is wrong now. Since when is known as far as this was asked all the time, which it is each second.
pub(in crate::http) fn problems(shown: &Shown) -> Vec<Value> {
    let (environment, now) = (shown.source.environment(), shown.source.now());
    let mut found = found(environment, now);
    found.sort_by_key(|problem| problem.weight);
    let mut troubles = shown.troubles.lock();
    let keys: Vec<String> = found.iter().map(|problem| format!("{} {}", problem.code, problem.subject)).collect();
    troubles.retain(|key, _| keys.contains(key));
    let told = found.iter().zip(keys).map(|(problem, key)| {
        let since_ms = *troubles.entry(key).or_insert(now.wall.0);
        json!({
            "severity": match problem.weight { Weight::Error => "error", Weight::Warning => "warning" },
            "code": problem.code,
            "what": problem.what,
            "what_to_do": problem.what_to_do,
            "since_ms": since_ms,
        })
    });
    told.collect()
}

fn found(environment: &Environment, now: Moment) -> Vec<Problem> {
    let view = environment.cluster.view();
    let mut found = of_the_start(environment);
    found.extend(of_the_disk(environment, now));
    found.extend(view.members.iter().filter(|member| !member.myself).filter_map(of_a_member));
    found.extend(of_the_cluster(environment, &view, now));
    found
}

fn of_the_start(environment: &Environment) -> Vec<Problem> {
    let problem = |code, what: &str, what_to_do| {
        let (subject, what) = (String::new(), what.to_owned());
        vec![Problem { weight: Weight::Warning, code, subject, what, what_to_do }]
    };
    match environment.persistence.stage() {
        Stage::Serving => Vec::new(),
        Stage::Loading => problem(
            "loading",
            "The counters are being read from disk.",
            "Wait: clients are told LOADING until that is done.",
        ),
        Stage::Rejoining => problem(
            "rejoining",
            "This node asks the others what they have heard of it.",
            "Wait; start the members that are away, if there are any.",
        ),
    }
}

fn of_the_disk(environment: &Environment, now: Moment) -> Option<Problem> {
    let figures = &environment.persistence;
    let why = figures.failure().unwrap_or_else(|| "a write that was begun has not come back".to_owned());
    let subject = String::new();
    if figures.refuses_changes() {
        return Some(Problem {
            weight: Weight::Error,
            code: "refusing_writes",
            subject,
            what: format!("Changes are refused, as nothing can be written to disk: {why}."),
            what_to_do: "Make room on the disk of the data directory, or mend it; changes are taken again by themselves.",
        });
    }
    let pending = figures.pending_for(now.monotonic).unwrap_or_default();
    figures.is_failing().then(|| Problem {
        weight: Weight::Error,
        code: "commit_failing",
        subject,
        what: format!("For {} s nothing could be written to disk: {why}.", pending.as_secs()),
        what_to_do: "Make room on the disk of the data directory, or mend it, before changes are refused.",
    })
}

fn of_a_member(member: &MemberView) -> Option<Problem> {
    let name = member.labels.name.clone().unwrap_or_else(|| member.id.to_string()[..8].to_owned());
    let place = format!("{name} ({}:{})", member.host, member.mesh_port);
    let (weight, code, what, what_to_do) = if member.is_incompatible {
        let what = format!("{place} speaks no version of the protocol that this node does.");
        (Weight::Error, "incompatible", what, "Upgrade the older of the two.")
    } else if member.failed {
        let what = format!("{place} failed: nobody has heard of it.");
        let what_to_do = "Start it, or mend its network; CLUSTER FORGET it if it is gone for good. Its counts stay.";
        (Weight::Error, "node_failed", what, what_to_do)
    } else if member.suspected {
        let what = format!("{place} does not answer.");
        (Weight::Warning, "node_suspected", what, "Wait some seconds: it comes back, or counts as failed.")
    } else if super::nodes::state(member) == "unlinked" {
        let what = format!("This node has no link with {place}; it is dialled again and again.");
        (Weight::Warning, "node_unlinked", what, "See whether UDP gets through to its mesh port, both ways.")
    } else {
        return None;
    };
    Some(Problem { weight, code, subject: member.id.to_string(), what, what_to_do })
}

fn of_the_cluster(environment: &Environment, view: &ClusterView, now: Moment) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |weight, code, subject: &str, what, what_to_do| {
        found.push(Problem { weight, code, subject: subject.to_owned(), what, what_to_do });
    };
    if view.catching_up {
        let what = "Other nodes have told more than is here by now: what is read here may be old.".to_owned();
        add(Weight::Warning, "catching_up", "", what, "Wait until it has caught up.");
    }
    let cluster = &environment.cluster;
    for (which, ends) in [("node", &cluster.certificate_ends), ("authority", &cluster.authorities_end)] {
        if let Some((weight, what)) = ending(which, ends, now) {
            let what_to_do = "Renew it: see CLUSTER CERTIFICATES, and docs/JOINING.md.";
            add(weight, "certificate_ends", which, what, what_to_do);
        }
    }
    let beyond = environment.table.counters_beyond_precision(now.monotonic);
    if beyond > 0 {
        let what = format!("{beyond} counters cannot keep the precision that was asked for.");
        let what_to_do = "Ask for a coarser PRECISION, or give the links more room.";
        add(Weight::Warning, "beyond_precision", "", what, what_to_do);
    }
    let most = environment.settings.max_clients.current();
    if environment.clients.len() as u64 >= most {
        let what = format!("As many clients are connected as may be ({most}); more are refused.");
        add(
            Weight::Error,
            "too_many_clients",
            "",
            what,
            "Raise resp.max_clients, or look for clients that do not close.",
        );
    }
    found
}

fn ending(which: &str, ends: &AtomicU64, now: Moment) -> Option<(Weight, String)> {
    let days = days_left(ends, now).filter(|days| *days < ENDS_SOON_DAYS)?;
    let whose = if which == "node" { "This node's certificate" } else { "The last authority that this node trusts" };
    let weight = if days < ENDS_NOW_DAYS { Weight::Error } else { Weight::Warning };
    let has_ended = ends.load(Ordering::Relaxed) <= now.wall.0 / 1_000;
    Some((weight, if has_ended { format!("{whose} has ended.") } else { format!("{whose} ends in {days} days.") }))
}
