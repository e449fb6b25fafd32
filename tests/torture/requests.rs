//! Requests whose answers are known, as words.

use super::model::Model;

/// A request whose answer is known.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Increment(usize, i64),
    IncrementMany(i64, Vec<usize>),
    IncrementEach(Vec<(usize, i64)>),
    Get(usize),
    GetMany(Vec<usize>),
    Set(usize, i64),
    Delete(usize),
    Ping(Option<Vec<u8>>),
    Echo(Vec<u8>),
    /// Words that are refused as they come, and the error.
    Refused(Vec<Vec<u8>>, String),
    /// Words that fail when they are run, and the error.
    Failing(Vec<Vec<u8>>, String),
    /// Words whose reply is not looked at.
    Shown(Vec<&'static str>),
    Multi,
    Exec,
    Discard,
    Watch(usize),
    Hello(u8),
    Subscribe(usize),
    SubscribePattern(usize),
    UnsubscribeAll,
    UnsubscribeAllPatterns,
    ReplyOff,
    ReplyOn,
    ReplySkip,
    Reset,
    /// One more of a counter that all connections share.
    Shared,
    /// Nothing, which is answered with nothing.
    Blank,
    /// The counters as they are to be at the beginning.
    Clear,
}

impl Model {
    /// The words of a request.
    pub(crate) fn words(&self, request: &Request) -> Vec<Vec<u8>> {
        let name = |counter: &usize| self.names[*counter].clone();
        let text = |text: &str| text.as_bytes().to_vec();
        let number = |number: &i64| number.to_string().into_bytes();
        let plain = |line: &str| line.split(' ').map(text).collect::<Vec<_>>();
        match request {
            Request::Increment(counter, 1) => vec![text("INCR"), name(counter)],
            Request::Increment(counter, -1) => vec![text("DECR"), name(counter)],
            Request::Increment(counter, by) => vec![text("INCRBY"), name(counter), number(by)],
            Request::IncrementMany(by, counters) => {
                [text("MINCRBY"), number(by)].into_iter().chain(counters.iter().map(name)).collect()
            }
            Request::IncrementEach(pairs) => {
                let pairs = pairs.iter().flat_map(|(counter, by)| [name(counter), number(by)]);
                std::iter::once(text("MINCRBYEACH")).chain(pairs).collect()
            }
            Request::Get(counter) => vec![text("GET"), name(counter)],
            Request::GetMany(counters) => std::iter::once(text("MGET")).chain(counters.iter().map(name)).collect(),
            Request::Set(counter, value) => vec![text("SET"), name(counter), number(value)],
            Request::Delete(counter) => vec![text("DEL"), name(counter)],
            Request::Ping(message) => std::iter::once(text("PING")).chain(message.clone()).collect(),
            Request::Echo(message) => vec![text("ECHO"), message.clone()],
            Request::Refused(words, _) | Request::Failing(words, _) => words.clone(),
            Request::Shown(words) => words.iter().copied().map(text).collect(),
            Request::Multi => plain("MULTI"),
            Request::Exec => plain("EXEC"),
            Request::Discard => plain("DISCARD"),
            Request::Watch(counter) => vec![text("WATCH"), name(counter)],
            Request::Hello(version) => plain(&format!("HELLO {version}")),
            Request::Subscribe(counter) => vec![text("SUBSCRIBE"), name(counter)],
            Request::SubscribePattern(counter) => vec![text("PSUBSCRIBE"), self.pattern(*counter)],
            Request::UnsubscribeAll => plain("UNSUBSCRIBE"),
            Request::UnsubscribeAllPatterns => plain("PUNSUBSCRIBE"),
            Request::ReplyOff => plain("CLIENT REPLY OFF"),
            Request::ReplyOn => plain("CLIENT REPLY ON"),
            Request::ReplySkip => plain("CLIENT REPLY SKIP"),
            Request::Reset => plain("RESET"),
            Request::Blank => Vec::new(),
            Request::Shared => plain("INCR shared"),
            Request::Clear => std::iter::once(text("DEL")).chain(self.names.iter().cloned()).collect(),
        }
    }
}
