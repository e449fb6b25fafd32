//! One request on its way through a handler.

use super::environment::{Environment, ReplyShape};
use super::error::CommandError;
use super::session::Session;
use super::specification::CommandSpecification;
use crate::base::{Amount, Moment, Name};
use crate::resp::{Arguments, Reply};

/// What a handler is given.
pub(super) struct Call<'a> {
    pub(super) environment: &'a Environment,
    pub(super) session: &'a mut Session,
    pub(super) arguments: Arguments<'a>,
    pub(super) now: Moment,
    /// The command that this is a subcommand of, if it is one.
    pub(super) container: Option<&'static CommandSpecification>,
}

impl<'a> Call<'a> {
    /// The argument at `index`; arity was checked, so a missing one is empty only for handlers that do not look.
    pub(super) fn argument(&self, index: usize) -> &'a [u8] {
        self.arguments.get(index).unwrap_or_default()
    }

    /// The arguments from `index` on.
    pub(super) fn arguments_from(&self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let arguments = self.arguments;
        (index..arguments.len()).map(move |at| arguments.get(at).unwrap_or_default())
    }

    /// The argument at `index` as the name of a counter.
    pub(super) fn name(&self, index: usize) -> Result<Name<'a>, CommandError> {
        Ok(Name::new(self.argument(index))?)
    }

    /// The arguments from `index` on as names, all of them checked before any is used.
    pub(super) fn names_from(
        &self,
        index: usize,
    ) -> Result<impl Iterator<Item = Name<'a>> + Clone + use<'a>, CommandError> {
        let names = self.arguments_from(index).map(Name::new);
        for name in names.clone() {
            name?;
        }
        Ok(names.flatten())
    }

    /// The argument at `index` as an amount.
    pub(super) fn amount(&self, index: usize) -> Result<Amount, CommandError> {
        Ok(Amount::parse(self.argument(index))?)
    }

    /// How the INCR family answers an amount.
    pub(super) fn number(&self, amount: Amount) -> Reply {
        match (self.environment.settings.shape, amount.to_i64()) {
            (ReplyShape::Redis, Some(whole)) => Reply::Integer(whole),
            _ => Reply::Amount(amount),
        }
    }

    /// The value of a counter as of now, counting whether it existed.
    pub(super) fn read(&self, name: Name<'_>) -> Option<Amount> {
        let value = self.environment.table.read(name, self.now.monotonic);
        let statistics = &self.environment.statistics;
        statistics.count_read(self.session.lane(), value.is_some());
        value
    }
}

/// The reply that most changes are answered with.
pub(super) const OK: Reply = Reply::Simple("OK");

/// A bulk string.
pub(super) fn bulk(text: impl Into<Vec<u8>>) -> Reply {
    Reply::Bulk(text.into())
}

/// What a client sent, fit to be shown in an error: at most 128 bytes, nothing that a terminal would act on.
pub(super) fn shown(argument: &[u8]) -> String {
    let cut = &argument[..argument.len().min(128)];
    String::from_utf8_lossy(cut).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
