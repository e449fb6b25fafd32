//! Who is let in, and what they may do then: passwords, users and certificates, against servers that run.

mod passwords;
#[path = "../server_support/mod.rs"]
mod server_support;
mod tls;
mod tls_support;
mod users;
