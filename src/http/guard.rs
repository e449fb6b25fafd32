//! Looks at each request before it is answered: whether whoever asks may, and by what it was let in.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::access::Standing;
use super::answers::refusal;
use super::{Gate, Source};
use crate::command::{PasswordHash, TokenVerdict};

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// By what somebody was let in, for answers that go on: they end once it would not be let in any more.
#[derive(Clone)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    source: Arc<Source>,
    token: Option<PasswordHash>,
}

impl Pass {
    /// Whether it is worth something still.
    pub(super) fn holds(&self) -> bool {
        match self.gate.standing() {
            Standing::Token(token) => self.token.as_ref().is_some_and(|own| own.is_same(&token)),
            Standing::Certificates => true,
            Standing::Open => self.gate.counters_are_open(&self.source.environment().settings.access),
        }
    }
}

/// Lets requests pass that may, and answers the others.
pub(super) async fn guard(
    State((gate, source)): State<(Arc<Gate>, Arc<Source>)>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let token = match judge(&gate, &source, &request) {
        Ok(token) => token,
        // The page itself has nothing of this node in it: it asks for the token.
        Err(Refused::Unknown | Refused::TooOften { .. }) if is_page(request.uri().path()) => None,
        // Nor is a node taken for dead, and killed, because somebody else guesses from where it is asked.
        Err(Refused::TooOften { .. }) if request.uri().path() == "/livez" => None,
        Err(refused) => return refused.answer(),
    };
    request.extensions_mut().insert(Pass { gate, source, token });
    next.run(request).await
}

/// The token by which a request is let in, if it takes one.
fn judge(gate: &Gate, source: &Source, request: &Request) -> Result<Option<PasswordHash>, Refused> {
    let (headers, access) = (request.headers(), &source.environment().settings.access);
    if is_of_another_site(headers) {
        return Err(Refused::OtherSite);
    }
    match gate.standing() {
        Standing::Token(token) => {
            let said = PasswordHash::of(&said(headers).ok_or(Refused::Unknown)?);
            let peer = request.extensions().get::<Peer>().map(|Peer(peer)| *peer);
            match access.judge_token(peer, said.is_same(&token), source.now()) {
                TokenVerdict::Right => Ok(Some(token)),
                TokenVerdict::Wrong => Err(Refused::Unknown),
                TokenVerdict::TooOften { seconds } => Err(Refused::TooOften { seconds }),
            }
        }
        Standing::Certificates => Ok(None),
        // A page of another site that has its name point here would otherwise read all of this with the browser of
        // whoever visits it.
        Standing::Open if !names_this_machine(headers, request.uri()) => Err(Refused::OtherName),
        Standing::Open if tells_of_counters(request.uri().path()) && !gate.counters_are_open(access) => {
            Err(Refused::TokenNeeded)
        }
        Standing::Open => Ok(None),
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Unknown,
    TooOften { seconds: u64 },
    TokenNeeded,
    OtherName,
    OtherSite,
}

impl Refused {
    fn answer(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::Unknown => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "the token is missing or wrong; it goes into a header: Authorization: Bearer TOKEN",
            ),
            Self::TooOften { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_wrong_tokens",
                "too many wrong tokens came from your address; try again later, as Retry-After says",
            ),
            Self::TokenNeeded => (
                StatusCode::FORBIDDEN,
                "token_needed",
                "not everybody may read all counters of this node, so they are only told over HTTP to who has a token: set \
                 [http] token_file",
            ),
            Self::OtherName => (
                StatusCode::FORBIDDEN,
                "unknown_host",
                "without a token only requests to an IP address or localhost are answered; see [http] token_file",
            ),
            Self::OtherSite => {
                (StatusCode::FORBIDDEN, "other_site", "pages of other sites are not answered; only links to here are")
            }
        };
        let mut response = refusal(status, code, message);
        if let Self::TooOften { seconds } = self {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if self == Self::Unknown {
            // Not "Basic", though that is taken: browsers would ask before the page can.
            let asked = HeaderValue::from_static("Bearer realm=\"discnt\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, asked);
        }
        response
    }
}

/// What was said as the token: as a bearer, or as the password of any user.
fn said(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let after = |scheme: &str| {
        let (word, rest) = value.split_at_checked(scheme.len())?;
        word.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
    };
    if let Some(token) = after("bearer ") {
        return Some(token.to_vec());
    }
    let pair = STANDARD.decode(after("basic ")?).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[at + 1..].to_vec())
}

/// Whether a browser says that a page of another site asks, and not somebody who has followed a link.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let is = |name: &str, words: &[&str]| headers.get(name).is_some_and(|value| words.iter().any(|word| value == word));
    is("sec-fetch-site", &["cross-site", "same-site"])
        && !(is("sec-fetch-mode", &["navigate"]) && is("sec-fetch-dest", &["document"]))
}

/// Whether the name by which this was asked is an address, or that of the machine itself, wherever it is said.
fn names_this_machine(headers: &HeaderMap, uri: &Uri) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let is_right = |host: &HeaderValue| host.to_str().is_ok_and(is_this_machine);
    hosts.next().is_none_or(is_right)
        && hosts.next().is_none()
        && uri.authority().is_none_or(|authority| is_this_machine(authority.as_str()))
}

fn is_this_machine(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || host.parse::<SocketAddr>().is_ok()
        || [name, inner.unwrap_or(host)].iter().any(|name| name.parse::<IpAddr>().is_ok())
}

fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/page/")
}

/// What tells of counters: those who may not read all of them as clients do not get them here without a token.
fn tells_of_counters(path: &str) -> bool {
    path.starts_with("/api/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        let mut all = HeaderMap::new();
        for (name, value) in pairs.iter().map(header) {
            all.append(name, value);
        }
        all
    }

    #[test]
    fn a_token_is_taken_as_bearer_or_as_password() {
        let basic = format!("Basic {}", STANDARD.encode("anybody:s3cret"));
        for right in ["Bearer s3cret", "bearer  s3cret ", &basic] {
            assert_eq!(said(&headers(&[("authorization", right)])).as_deref(), Some(&b"s3cret"[..]), "{right}");
        }
        let (no_pair, no_text) = (format!("Basic {}", STANDARD.encode("s3cret")), "Basic %%%".to_owned());
        for none in ["Bearer", "s3cret", &no_pair, &no_text] {
            assert_eq!(said(&headers(&[("authorization", none)])), None, "{none}");
        }
        assert_eq!(said(&HeaderMap::new()), None);
    }

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        let uri = Uri::from_static("/metrics");
        let names = |name: &str| names_this_machine(&headers(&[("host", name)]), &uri);
        for name in ["127.0.0.1:15262", "localhost", "LocalHost:1", "[::1]:15262", "[::1]", "::1", "10.0.0.1"] {
            assert!(names(name), "{name}");
        }
        for name in
            ["evil.example:15262", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::1]evil", "[evil]:80"]
        {
            assert!(!names(name), "{name}");
        }
        assert!(!names_this_machine(&headers(&[("host", "localhost"), ("host", "localhost")]), &uri));
        let absolute = Uri::from_static("http://evil.example/metrics");
        assert!(!names_this_machine(&headers(&[("host", "localhost")]), &absolute));
        assert!(names_this_machine(&HeaderMap::new(), &uri));
    }

    #[test]
    fn links_of_other_sites_are_followed_and_their_pages_are_not_answered() {
        let fetch = |site, mode, dest| {
            is_of_another_site(&headers(&[
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ]))
        };
        assert!(fetch("cross-site", "no-cors", "image") && fetch("same-site", "cors", "empty"));
        assert!(fetch("cross-site", "navigate", "iframe"));
        assert!(!fetch("cross-site", "navigate", "document"));
        assert!(!fetch("same-origin", "cors", "empty") && !fetch("none", "navigate", "document"));
        assert!(!is_of_another_site(&HeaderMap::new()));
    }
}
