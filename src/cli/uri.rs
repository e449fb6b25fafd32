//! `discnt://`, `redis://` and `unix://` addresses.

use std::path::PathBuf;
use std::str::FromStr;

/// What an address says of a server; all that it leaves out is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uri {
    /// Whether it is `discnts://` or `rediss://`.
    pub(super) tls: bool,
    /// The user, with `%XX` decoded.
    pub(super) user: Option<String>,
    /// The password, with `%XX` decoded.
    pub(super) password: Option<String>,
    /// The host, an IPv6 address without its brackets.
    pub(super) host: Option<String>,
    /// The port.
    pub(super) port: Option<u16>,
    /// The unix socket, of `unix://`; there is no host and no port then.
    pub(super) socket: Option<PathBuf>,
    /// The number of the database, of which only Redis has more than one.
    pub(super) database: Option<u32>,
}

/// Why a text is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UriError {
    /// Another scheme, or none.
    #[error("an address begins with discnt://, redis:// or unix://, or with discnts:// or rediss:// for TLS")]
    Scheme,
    /// No path behind `unix://`.
    #[error("the path of a unix socket is missing: unix:///run/discnt/discnt.sock")]
    Path,
    /// The port is not a number up to 65535.
    #[error("'{0}' is not a port")]
    Port(String),
    /// An IPv6 address without its second bracket.
    #[error("an IPv6 address stands in brackets: redis://[::1]:5262")]
    Brackets,
    /// A `%` that is not followed by two hex digits, or what they make is not UTF-8.
    #[error("'%' begins two hex digits of a UTF-8 text; write %25 for '%' itself")]
    Percent,
    /// Not the number of a database.
    #[error("'/{0}' is not the number of a database")]
    Database(String),
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once("://").ok_or(UriError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "discnt" | "redis" => false,
            "discnts" | "rediss" => true,
            "unix" => return unix(rest),
            _ => return Err(UriError::Scheme),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let database = Some(path).filter(|path| !path.is_empty());
        let database = database.map(|number| number.parse().map_err(|_| UriError::Database(number.to_owned())));
        // The last @: a password may have been written with one of its own.
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) = split_place(place)?;
        let mut uri = Self {
            tls,
            host: (!host.is_empty()).then(|| host.to_owned()),
            port: port.map(|port| port.parse().map_err(|_| UriError::Port(port.to_owned()))).transpose()?,
            database: database.transpose()?,
            ..Self::default()
        };
        uri.log_in(login)?;
        Ok(uri)
    }
}

impl Uri {
    fn log_in(&mut self, login: Option<&str>) -> Result<(), UriError> {
        if let Some(login) = login {
            // A single word is a password, as redis-cli takes it.
            let (user, password) = login.split_once(':').unwrap_or(("", login));
            self.user = Some(decode(user)?).filter(|user| !user.is_empty());
            self.password = Some(decode(password)?);
        }
        Ok(())
    }
}

/// What stands behind `unix://`: a path, after who logs in.
fn unix(rest: &str) -> Result<Uri, UriError> {
    // Before the first slash: a path may have any sign in it, and a password of an address none.
    let at = rest.find('/').ok_or(UriError::Path)?;
    let (before, path) = rest.split_at(at);
    let login = match before.strip_suffix('@') {
        None if before.is_empty() => None,
        None => return Err(UriError::Path),
        Some(login) => Some(login),
    };
    if path == "/" {
        return Err(UriError::Path);
    }
    let mut uri = Uri { socket: Some(decode(path)?.into()), ..Uri::default() };
    uri.log_in(login)?;
    Ok(uri)
}

fn split_place(place: &str) -> Result<(&str, Option<&str>), UriError> {
    let Some(rest) = place.strip_prefix('[') else {
        return match place.split_once(':') {
            Some((_, port)) if port.contains(':') => Err(UriError::Brackets),
            Some((host, port)) => Ok((host, Some(port))),
            None => Ok((place, None)),
        };
    };
    let (host, after) = rest.split_once(']').ok_or(UriError::Brackets)?;
    match after.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if after.is_empty() => Ok((host, None)),
        None => Err(UriError::Brackets),
    }
}

fn decode(text: &str) -> Result<String, UriError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or(UriError::Percent)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(UriError::Percent);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| UriError::Percent)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| UriError::Percent)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| UriError::Percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(tls: bool, user: &str, password: &str, host: &str, port: u16) -> Uri {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Uri {
            tls,
            user: given(user),
            password: given(password),
            host: given(host),
            port: Some(port).filter(|port| *port != 0),
            ..Uri::default()
        }
    }

    #[test]
    fn every_part_may_be_left_out() {
        for (text, expected) in [
            ("redis://", uri(false, "", "", "", 0)),
            ("redis://h", uri(false, "", "", "h", 0)),
            ("REDISS://h:1/", uri(true, "", "", "h", 1)),
            ("redis://h:1/12", Uri { database: Some(12), ..uri(false, "", "", "h", 1) }),
            ("redis://p@h", uri(false, "", "p", "h", 0)),
            ("redis://:p@h", uri(false, "", "p", "h", 0)),
            ("redis://u:p%3A%2f@x@h:1", uri(false, "u", "p:/@x", "h", 1)),
            ("redis://u:p@[::1]:1", uri(false, "u", "p", "::1", 1)),
            ("redis://[::1]", uri(false, "", "", "::1", 0)),
            ("discnt://u:p@h:1", uri(false, "u", "p", "h", 1)),
            ("discnts://h", uri(true, "", "", "h", 0)),
            ("unix:///run/a.sock", Uri { socket: Some("/run/a.sock".into()), ..Uri::default() }),
            ("unix://u:p@/a%20b", Uri { socket: Some("/a b".into()), ..uri(false, "u", "p", "", 0) }),
        ] {
            assert_eq!(text.parse::<Uri>().as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, expected) in [
            ("h:1", UriError::Scheme),
            ("http://h", UriError::Scheme),
            ("unix://", UriError::Path),
            ("unix:///", UriError::Path),
            ("unix://a.sock", UriError::Path),
            ("unix://run/a.sock", UriError::Path),
            ("redis://h:x", UriError::Port("x".into())),
            ("redis://h:70000", UriError::Port("70000".into())),
            ("redis://::1:5262", UriError::Brackets),
            ("redis://[::1", UriError::Brackets),
            ("redis://[::1]5262", UriError::Brackets),
            ("redis://h/x", UriError::Database("x".into())),
            ("redis://h/-1", UriError::Database("-1".into())),
            ("redis://u:%4@h", UriError::Percent),
            ("redis://u:%+4@h", UriError::Percent),
            ("redis://u:%ff@h", UriError::Percent),
        ] {
            assert_eq!(text.parse::<Uri>(), Err(expected), "{text}");
        }
    }
}
