//! ACL LOAD, SAVE and GENPASS: what takes a file or randomness.

use std::sync::Arc;

use rand::TryRng;
use rand::rngs::SysRng;

use crate::command::{self, Access, AccessRequest, Account, AuditEvent, AuditRecord, Environment, Session};
use crate::resp::Reply;

/// Whoever has the file of users. Both may wait for a disk.
pub trait UserFile: Send + Sync + 'static {
    /// Reads all users and puts them in the place of those who are there; nobody writes the file meanwhile. Answers who is
    /// gone.
    ///
    /// # Errors
    /// A line for an operator; all users are as they were.
    fn load(&self, users: &Access) -> Result<Vec<Arc<Account>>, String>;

    /// Writes all users as they are when nobody else writes any more; the file whole or not at all.
    ///
    /// # Errors
    /// A line for an operator.
    fn save(&self, users: &Access) -> Result<(), String>;
}

/// Does what was asked for, and answers it.
pub(super) async fn access(
    environment: &Environment,
    session: &Session,
    file: Arc<dyn UserFile>,
    request: AccessRequest,
) -> Reply {
    let access = &environment.settings.access;
    let note = |event| {
        let account = session.client().account();
        access.note(AuditRecord { event, user: account.name(), peer: session.client().remote(), subject: "" });
    };
    match request {
        AccessRequest::GeneratePassword { bits } => match password(bits) {
            Some(password) => Reply::Bulk(password.into_bytes()),
            None => command::answer(Err("the system has no randomness to give".to_owned())),
        },
        AccessRequest::Load => {
            let users = Arc::clone(access);
            let gone = match off_thread(move || file.load(&users)).await {
                Ok(gone) => gone,
                Err(reason) => {
                    let text = format!("{reason}. All users are as they were");
                    return command::answer(Err(text));
                }
            };
            note(AuditEvent::UsersLoaded);
            command::loaded(access, &environment.clients, &environment.subscriptions, &gone);
            command::answer(Ok(()))
        }
        AccessRequest::Save => {
            let users = Arc::clone(access);
            let saved = off_thread(move || file.save(&users)).await;
            if saved.is_ok() {
                note(AuditEvent::UsersSaved);
            }
            command::answer(saved)
        }
    }
}

/// Runs what waits for a disk where no client waits for it.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err("working with the file ended with a panic".to_owned()))
}

/// So many random bits, as hexadecimal digits.
fn password(bits: u32) -> Option<String> {
    let digits = bits.div_ceil(4) as usize;
    let mut bytes = vec![0; digits.div_ceil(2)];
    SysRng.try_fill_bytes(&mut bytes).ok()?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    Some(text)
}
