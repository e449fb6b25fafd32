//! What an auditor wants to know: who was refused, and who changed what. Never with a secret.

use std::fmt;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    /// Somebody gave a wrong password, or the name of a user that there is not or that is off.
    LoginRefused,
    /// A client showed no certificate where one is required, or one that is not good enough.
    CertificateRefused,
    /// An address has failed so often that it has to wait.
    LoginThrottled,
    /// A user asked for what it is not allowed.
    RequestDenied,
    /// More was refused than is written down.
    RefusalsLeftOut,
    /// A user was made or changed.
    UserChanged,
    /// A user was deleted.
    UserDeleted,
    /// All users were read from the file.
    UsersLoaded,
    /// All users were written to the file.
    UsersSaved,
    /// Settings were changed.
    ConfigChanged,
    /// The configuration file was rewritten.
    ConfigRewritten,
    /// A node was met.
    MemberJoined,
    /// A node was forgotten.
    MemberForgotten,
    /// A node was forgotten, and its key is kept out for good.
    MemberBanned,
    /// This node has left its cluster.
    ClusterReset,
}

impl AuditEvent {
    /// The word for it, which never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoginRefused => "login_refused",
            Self::CertificateRefused => "client_certificate_refused",
            Self::LoginThrottled => "login_throttled",
            Self::RequestDenied => "request_denied",
            Self::RefusalsLeftOut => "refusals_left_out",
            Self::UserChanged => "user_changed",
            Self::UserDeleted => "user_deleted",
            Self::UsersLoaded => "users_loaded",
            Self::UsersSaved => "users_saved",
            Self::ConfigChanged => "config_changed",
            Self::ConfigRewritten => "config_rewritten",
            Self::MemberJoined => "member_joined",
            Self::MemberForgotten => "member_forgotten",
            Self::MemberBanned => "member_banned",
            Self::ClusterReset => "cluster_reset",
        }
    }

    /// Whether somebody was refused something.
    pub const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::LoginRefused
                | Self::CertificateRefused
                | Self::LoginThrottled
                | Self::RequestDenied
                | Self::RefusalsLeftOut
        )
    }
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRecord<'a> {
    /// What.
    pub event: AuditEvent,
    /// Who did it: the user of the connection, or the name that was given at a login.
    pub user: &'a str,
    /// The other end of the connection.
    pub peer: &'a str,
    /// What it was done to: a user, settings, a node, a command.
    pub subject: &'a str,
}

/// Whoever writes it down. Called where requests are run, so it must not wait.
pub trait Auditor: fmt::Debug + Send + Sync {
    /// This happened.
    fn note(&self, record: AuditRecord<'_>);
}

/// Writes nothing down.
#[derive(Debug)]
pub(super) struct NoAuditor;

impl Auditor for NoAuditor {
    fn note(&self, _: AuditRecord<'_>) {}
}
