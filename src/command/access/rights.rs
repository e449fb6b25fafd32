//! What one connection may do: its user, looked up anew when that has changed.

use super::accounts::Account;
use super::user::User;
use std::sync::Arc;

/// A connection's user, and what that one was allowed when it was last looked at.
#[derive(Debug)]
pub(in crate::command) struct Rights {
    account: Arc<Account>,
    user: Arc<User>,
    seen: u64,
}

impl Rights {
    pub(in crate::command) fn of(account: &Arc<Account>) -> Self {
        let seen = account.version();
        Self { account: Arc::clone(account), user: account.user(), seen }
    }

    pub(in crate::command) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Whether nothing has to be looked at.
    #[inline]
    pub(in crate::command) fn is_unrestricted(&self) -> bool {
        self.account.is_unrestricted()
    }

    /// The user as it is now. A load, unless it has changed.
    #[inline]
    pub(in crate::command) fn current(&mut self) -> &User {
        let version = self.account.version();
        if version != self.seen {
            // What is read after the number is not older than it.
            self.user = self.account.user();
            self.seen = version;
        }
        &self.user
    }

    /// The user, where it may not do everything.
    pub(in crate::command) fn limits(&self) -> Option<&User> {
        (!self.is_unrestricted()).then_some(&*self.user)
    }
}
