//! The subcommands of CLUSTER that let machines in, and that have certificates made anew.

use super::call::{Call, shown};
use super::error::CommandError;
use super::outcome::{IdentityRequest, Outcome};
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use std::time::Duration;

const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);
/// Far above what a token can be.
const MAX_TOKEN_BYTES: usize = 2048;

const JOINING: CommandSpecification = CommandSpecification {
    flags: &[Flag::Admin, Flag::Stale, Flag::NoScript, Flag::NoMulti],
    group: Group::Cluster,
    ..BASE
};

pub(super) const INVITE: CommandSpecification = CommandSpecification {
    name: "invite",
    summary: "Makes a token with which another machine joins the cluster",
    arity: -2,
    complexity: "O(1), answered when it is on disk",
    arguments: &[
        Argument::new("uses", ArgumentKind::Integer).after("USES").optional(),
        Argument::new("seconds", ArgumentKind::Integer).after("TTL").optional(),
        Argument::new(
            "address",
            ArgumentKind::Block(&[
                Argument::new("host", ArgumentKind::Text),
                Argument::new("port", ArgumentKind::Integer),
            ]),
        )
        .after("ADDRESS")
        .optional(),
    ],
    replies: "The token as a bulk string, to be given to CLUSTER JOIN or to discnt-server join on the other machine. It says where this node is reached (ADDRESS, or what it knows of itself), whom to believe there, and a secret that is good for USES nodes (1) and TTL seconds (3600). An error on a node whose certificates are configured, and on one that does not hold the key of the cluster's authority: that names the member that does, if one that is linked says so.",
    handler: invite,
    ..JOINING
};

pub(super) const INVITATIONS: CommandSpecification = CommandSpecification {
    name: "invitations",
    summary: "Lists the invitations of this node that can still be used",
    complexity: "O(N) for N invitations",
    replies: "A line for each: its name, uses= with how many nodes may still join with it, and expires= in seconds since 1970. The secrets are not kept.",
    handler: |_| Ok(IdentityRequest::Invitations.into()),
    ..JOINING
};

pub(super) const UNINVITE: CommandSpecification = CommandSpecification {
    name: "uninvite",
    summary: "Takes an invitation back",
    arity: 3,
    complexity: "O(N) for N invitations, answered when it is on disk",
    arguments: &[Argument::new("name", ArgumentKind::Text)],
    replies: "A sentence. Nobody joins with that token any more; who has joined stays. An error where no invitation has that name.",
    handler: uninvite,
    ..JOINING
};

pub(super) const JOIN: CommandSpecification = CommandSpecification {
    name: "join",
    summary: "Joins the cluster that a token is of",
    arity: 3,
    complexity: "O(1), answered when the node is a member or is refused",
    arguments: &[Argument::new("token", ArgumentKind::Text)],
    replies: "A sentence, once this node is a member. Its key is certified by the member that made the token, and never leaves the machine. It keeps its id and its counts, which are added to the cluster's. An error says why not: the token has expired, was used or altered, or this node is a member of a cluster already.",
    handler: join,
    ..JOINING
};

pub(super) const ROTATE: CommandSpecification = CommandSpecification {
    name: "rotate",
    summary: "Has this node's certificate, or the cluster's authority, made anew",
    arity: -2,
    complexity: "O(1), or O(N) for N members with AUTHORITY",
    arguments: &[Argument::word("authority", "AUTHORITY").optional()],
    replies: "A sentence on what was done. The node keeps its key and its id, and links stay. AUTHORITY, on a node that holds the key of the cluster's authority, puts one with a new key in its place; both are trusted for 30 days, and the members have their certificates made anew by themselves. On a node whose certificates are configured the files are read again.",
    handler: rotate,
    ..JOINING
};

fn invite(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let (mut uses, mut lifetime, mut address) = (1, DEFAULT_LIFETIME, None);
    let mut at = 2;
    while at < call.arguments.len() {
        let (word, value) = (call.argument(at), call.argument(at + 1));
        if word.eq_ignore_ascii_case(b"USES") && at + 1 < call.arguments.len() {
            uses = number(value).and_then(|uses| u32::try_from(uses).ok()).ok_or(CommandError::NotInteger)?;
        } else if word.eq_ignore_ascii_case(b"TTL") && at + 1 < call.arguments.len() {
            lifetime = Duration::from_secs(number(value).ok_or(CommandError::NotInteger)?);
        } else if word.eq_ignore_ascii_case(b"ADDRESS") && at + 2 < call.arguments.len() {
            address = Some(super::cluster::parse_address(value, call.argument(at + 2))?);
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    Ok(IdentityRequest::Invite { uses, lifetime, address }.into())
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn uninvite(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let name = shown(call.argument(2)).to_ascii_lowercase();
    match name.len() {
        4.. => Ok(IdentityRequest::Uninvite { name }.into()),
        _ => Err(CommandError::Syntax),
    }
}

fn join(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let token = std::str::from_utf8(call.argument(2)).ok().filter(|token| token.len() <= MAX_TOKEN_BYTES);
    let token = token.ok_or(CommandError::Syntax)?.to_owned();
    Ok(IdentityRequest::Join { token: token.into() }.into())
}

fn rotate(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    match (call.arguments.get(2), call.arguments.len()) {
        (None, _) => Ok(IdentityRequest::Rotate.into()),
        (Some(word), 3) if word.eq_ignore_ascii_case(b"AUTHORITY") => Ok(IdentityRequest::RotateAuthority.into()),
        _ => Err(CommandError::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Pending;
    use super::super::testing::Bench;
    use super::*;

    fn request(line: &str) -> IdentityRequest {
        match Bench::new().pending(line) {
            Pending::Identity(request) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn an_invitation_is_for_one_node_and_an_hour_unless_more_is_asked_for() {
        let made =
            |uses, seconds, address| IdentityRequest::Invite { uses, lifetime: Duration::from_secs(seconds), address };
        assert_eq!(request("cluster invite"), made(1, 3600, None));
        assert_eq!(request("CLUSTER INVITE ttl 60 USES 3"), made(3, 60, None));
        let address = Some(("node1.example".to_owned(), 5262));
        assert_eq!(request("cluster invite address node1.example 5262 uses 2"), made(2, 3600, address));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let mut bench = Bench::new();
        for line in ["cluster invite uses", "cluster invite address a", "cluster invite what 1", "cluster rotate key"] {
            assert!(bench.run(line).starts_with("-ERR syntax error"), "{line}");
        }
        for line in ["cluster invite uses x", "cluster invite ttl -1", "cluster invite uses 99999999999"] {
            assert!(bench.run(line).starts_with("-ERR value is not an integer"), "{line}: {}", bench.run(line));
        }
        assert!(bench.run("cluster invite address a 0").starts_with("-ERR Invalid node address"));
        assert!(bench.run("cluster uninvite abc").starts_with("-ERR syntax"), "it would be too many at once");
        assert!(bench.run(&format!("cluster join {}", "a".repeat(3000))).starts_with("-ERR syntax"));
    }

    #[test]
    fn a_token_does_not_show_where_a_request_is_printed() {
        let joins = request("cluster join discnt1-secret");
        assert!(!format!("{joins:?}").contains("secret"), "{joins:?}");
        assert_eq!(request("cluster rotate"), IdentityRequest::Rotate);
        assert_eq!(request("cluster rotate authority"), IdentityRequest::RotateAuthority);
        assert_eq!(request("cluster uninvite 03AB"), IdentityRequest::Uninvite { name: "03ab".to_owned() });
    }
}
