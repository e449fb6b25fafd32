//! Which connections CLIENT LIST and CLIENT KILL mean.

use super::access::Account;
use super::call::{Call, shown};
use super::clients::Client;
use super::error::CommandError;
use super::keyspace::parse_integer;
use super::specification::{Argument, ArgumentKind};
use crate::base::Monotonic;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The filters of CLIENT KILL.
pub(super) const FILTERS: Argument = Argument::new(
    "filters",
    ArgumentKind::Block(&[
        Argument::new("client-id", ArgumentKind::Integer).after("ID").optional(),
        CLIENT_TYPE,
        Argument::new("username", ArgumentKind::Text).after("USER").optional(),
        Argument::new("addr", ArgumentKind::Text).after("ADDR").optional(),
        Argument::new("laddr", ArgumentKind::Text).after("LADDR").optional(),
        Argument::new("yes|no", ArgumentKind::Text).after("SKIPME").optional(),
        Argument::new("maxage", ArgumentKind::Integer).after("MAXAGE").optional(),
    ]),
);

/// The kind of connections.
pub(super) const CLIENT_TYPE: Argument = Argument::new("type", ArgumentKind::Text).after("TYPE").optional();

/// What sets connections apart from others here. Nodes have a port of their own, so none is a master or a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientType {
    Normal,
    Subscriber,
    Node,
}

impl ClientType {
    pub(super) fn parse(text: &[u8]) -> Result<Self, CommandError> {
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        if is("normal") {
            Ok(Self::Normal)
        } else if is("pubsub") {
            Ok(Self::Subscriber)
        } else if ["master", "replica", "slave"].into_iter().any(is) {
            Ok(Self::Node)
        } else {
            Err(CommandError::ClientType(shown(text)))
        }
    }

    fn is_of(self, client: &Client) -> bool {
        match self {
            Self::Normal => !client.is_subscriber(),
            Self::Subscriber => client.is_subscriber(),
            Self::Node => false,
        }
    }
}

/// The connections that are meant: those to which all that was said applies.
#[derive(Debug, Default)]
pub(super) struct Filter {
    ids: Option<BTreeSet<u64>>,
    client_type: Option<ClientType>,
    address: Option<String>,
    local_address: Option<String>,
    least_age: Option<Duration>,
    account: Option<Arc<Account>>,
    skips: Option<u64>,
}

impl Filter {
    /// Of CLIENT LIST.
    pub(super) fn to_list(call: &Call<'_>) -> Result<Self, CommandError> {
        let mut filter = Self::default();
        let mut at = 2;
        while let Some(option) = call.arguments.get(at) {
            let value = call.arguments.get(at + 1).ok_or(CommandError::Syntax)?;
            if option.eq_ignore_ascii_case(b"TYPE") {
                filter.client_type = Some(ClientType::parse(value)?);
                at += 2;
            } else if option.eq_ignore_ascii_case(b"ID") {
                // All that follow are ids.
                let given = call.arguments_from(at + 1);
                let given = given.map(|id| parse_integer(id).ok_or(CommandError::ClientId));
                filter.ids = Some(given.collect::<Result<_, _>>()?);
                break;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(filter)
    }

    /// Of CLIENT KILL with filters; the connection that asks is left out unless it says otherwise.
    pub(super) fn to_kill(call: &Call<'_>) -> Result<Self, CommandError> {
        let myself = call.session.client.id();
        let mut filter = Self { skips: Some(myself), ..Self::default() };
        let mut at = 2;
        while let Some(option) = call.arguments.get(at) {
            let value = call.arguments.get(at + 1).ok_or(CommandError::Syntax)?;
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            if is("ID") {
                let id = parse_integer(value).filter(|id| *id > 0).ok_or(CommandError::ClientIdToKill)?;
                filter.ids = Some(BTreeSet::from([id]));
            } else if is("TYPE") {
                filter.client_type = Some(ClientType::parse(value)?);
            } else if is("USER") {
                let name = std::str::from_utf8(value).ok();
                let account = name.and_then(|name| call.environment.settings.access.find(name));
                filter.account = Some(account.ok_or_else(|| CommandError::NoSuchUser(shown(value)))?);
            } else if is("ADDR") {
                filter.address = Some(shown(value));
            } else if is("LADDR") {
                filter.local_address = Some(shown(value));
            } else if is("SKIPME") {
                filter.skips = match value {
                    yes if yes.eq_ignore_ascii_case(b"yes") => Some(myself),
                    no if no.eq_ignore_ascii_case(b"no") => None,
                    _ => return Err(CommandError::Syntax),
                };
            } else if is("MAXAGE") {
                let seconds = parse_integer(value).filter(|age| *age > 0).ok_or(CommandError::MaxAge)?;
                filter.least_age = Some(Duration::from_secs(seconds));
            } else {
                return Err(CommandError::Syntax);
            }
            at += 2;
        }
        Ok(filter)
    }

    /// Of CLIENT KILL as it was before there were filters: the one connection from this address.
    pub(super) fn from_address(address: &[u8]) -> Self {
        Self { address: Some(shown(address)), ..Self::default() }
    }

    pub(super) fn means(&self, client: &Client, now: Monotonic) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(&client.id()))
            && self.client_type.is_none_or(|kind| kind.is_of(client))
            && self.address.as_ref().is_none_or(|wanted| wanted == client.remote())
            && self.local_address.as_ref().is_none_or(|wanted| wanted == client.local())
            && self.least_age.is_none_or(|age| now.since(client.connected_at()) >= age)
            && self.account.as_ref().is_none_or(|account| Arc::ptr_eq(account, &client.account()))
            && self.skips != Some(client.id())
    }
}
