//! What the environment says of the server and the password.

use std::ffi::OsString;

/// Where a password is looked for, the first that is there and not empty.
const PASSWORDS: [&str; 3] = ["DISCNT_AUTH", "DISCNT_CLI_AUTH", "REDISCLI_AUTH"];
/// The variable with the server's address.
pub(super) const URL: &str = "DISCNT_URL";

/// Defaults for what the command line leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// The server's address, not looked at yet.
    pub(super) url: Option<OsString>,
    /// The password.
    pub(super) password: Option<String>,
    /// The variable whose password cannot be taken, as it is not UTF-8.
    pub(super) unreadable: Option<&'static str>,
}

impl Environment {
    /// Reads the variables with `variable`. Empty ones count as not set.
    pub(super) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let given = |name: &str| variable(name).filter(|text| !text.is_empty());
        let password = PASSWORDS.iter().find_map(|name| Some((*name, given(name)?)));
        let (password, unreadable) = match password.map(|(name, text)| (name, text.into_string())) {
            Some((_, Ok(text))) => (Some(text), None),
            Some((name, Err(_))) => (None, Some(name)),
            None => (None, None),
        };
        Self { url: given(URL), password, unreadable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_password_that_is_not_empty_counts() {
        let read = |variables: &[(&str, &str)]| {
            let find =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, text)| OsString::from(text));
            Environment::read(find)
        };
        assert_eq!(read(&[]), Environment::default());
        let all = [("REDISCLI_AUTH", "c"), ("DISCNT_CLI_AUTH", "b"), ("DISCNT_AUTH", "a")];
        for (count, expected) in [(1, "c"), (2, "b"), (3, "a")] {
            assert_eq!(read(&all[..count]).password.as_deref(), Some(expected));
        }
        let empty = read(&[("DISCNT_AUTH", ""), ("REDISCLI_AUTH", "c"), ("DISCNT_URL", "")]);
        assert_eq!((empty.password.as_deref(), empty.url), (Some("c"), None));
        assert_eq!(read(&[("DISCNT_URL", "discnt://h")]).url, Some("discnt://h".into()));
    }
}
