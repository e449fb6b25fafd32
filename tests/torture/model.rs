//! What a server has to answer to one connection, and what its counters then are.

use std::collections::BTreeSet;

use super::requests::Request;

/// Counters of one connection.
pub(crate) const COUNTERS: usize = 4;

/// What each of them stands at; none is one that does not exist.
pub(crate) type Values = [Option<i64>; COUNTERS];

/// One reply.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    Exactly(Vec<u8>),
    /// Any number.
    Integer,
    /// Any reply that is none of an error.
    Anything,
}

/// Replies that a connection wants.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Replies {
    On,
    Off,
    /// But for so many.
    Skip(u8),
}

/// One connection's state, as the documentation says it is.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) names: [Vec<u8>; COUNTERS],
    pub(crate) values: Values,
    /// All that they were, in order.
    pub(crate) states: Vec<Values>,
    pub(crate) expected: Vec<Expected>,
    pub(crate) shared: u64,
    pub(crate) resp3: bool,
    pub(crate) in_multi: bool,
    queued: Vec<Request>,
    is_refused: bool,
    watched: Vec<(usize, Option<i64>)>,
    pub(crate) subscribed: BTreeSet<usize>,
    pub(crate) patterns: BTreeSet<usize>,
    replies: Replies,
}

impl Model {
    pub(crate) fn new(names: [Vec<u8>; COUNTERS]) -> Self {
        Self {
            names,
            values: [None; COUNTERS],
            states: vec![[None; COUNTERS]],
            expected: Vec::new(),
            shared: 0,
            resp3: false,
            in_multi: false,
            queued: Vec::new(),
            is_refused: false,
            watched: Vec::new(),
            subscribed: BTreeSet::new(),
            patterns: BTreeSet::new(),
            replies: Replies::On,
        }
    }

    /// Whether only messages and what has to do with them are allowed.
    pub(crate) fn is_bound(&self) -> bool {
        !self.resp3 && (!self.subscribed.is_empty() || !self.patterns.is_empty())
    }

    /// Whether every request is answered.
    pub(crate) fn answers_all(&self) -> bool {
        self.replies == Replies::On
    }

    /// The pattern that takes in this counter alone, or so.
    pub(crate) fn pattern(&self, counter: usize) -> Vec<u8> {
        let name = &self.names[counter];
        [&name[..name.len() - 1], b"?"].concat()
    }

    /// The request is run: what it is answered with is expected.
    pub(crate) fn run(&mut self, request: &Request) {
        let at_once =
            matches!(request, Request::Multi | Request::Exec | Request::Discard | Request::Reset | Request::Blank);
        if self.in_multi && !at_once {
            if let Request::Refused(_, error) = request {
                self.is_refused = true;
                self.queued.clear();
                return self.reply(error_line(error));
            }
            if !self.is_refused {
                self.queued.push(request.clone());
            }
            return self.reply(b"+QUEUED\r\n".to_vec());
        }
        match request {
            Request::Exec if !self.in_multi => self.reply(error_line("ERR EXEC without MULTI")),
            Request::Discard if !self.in_multi => self.reply(error_line("ERR DISCARD without MULTI")),
            Request::Multi if self.in_multi => self.reply(error_line("ERR MULTI calls can not be nested")),
            Request::Exec => {
                let reply = self.exec();
                self.reply(reply);
            }
            Request::Multi => {
                self.in_multi = true;
                self.reply(b"+OK\r\n".to_vec());
            }
            Request::Discard => {
                self.leave_multi();
                self.watched.clear();
                self.reply(b"+OK\r\n".to_vec());
            }
            Request::Hello(version) => {
                self.resp3 = *version == 3;
                self.emit(Expected::Anything);
            }
            Request::Blank => {}
            Request::Shown(_) => self.emit(Expected::Anything),
            Request::Shared => {
                self.shared += 1;
                self.emit(Expected::Integer);
            }
            Request::Clear => {
                self.values = [None; COUNTERS];
                self.note();
                self.emit(Expected::Integer);
            }
            Request::Reset => self.reset(),
            Request::Subscribe(_) | Request::SubscribePattern(_) => self.subscribe(request),
            Request::UnsubscribeAll => {
                let ended = std::mem::take(&mut self.subscribed).into_iter().map(|it| self.names[it].clone()).collect();
                self.unsubscribed("unsubscribe", ended);
            }
            Request::UnsubscribeAllPatterns => {
                let ended = std::mem::take(&mut self.patterns).into_iter().map(|it| self.pattern(it)).collect();
                self.unsubscribed("punsubscribe", ended);
            }
            Request::ReplyOn => {
                self.replies = Replies::On;
                self.reply(b"+OK\r\n".to_vec());
            }
            Request::ReplyOff => self.replies = Replies::Off,
            Request::ReplySkip if self.replies == Replies::Off => {}
            Request::ReplySkip => self.replies = Replies::Skip(1),
            plain => {
                let reply = self.answer(plain);
                self.reply(reply);
            }
        }
    }

    fn note(&mut self) {
        if self.states.last() != Some(&self.values) {
            self.states.push(self.values);
        }
    }

    fn reply(&mut self, bytes: Vec<u8>) {
        self.emit(Expected::Exactly(bytes));
    }

    fn emit(&mut self, expected: Expected) {
        match self.replies {
            Replies::On => self.expected.push(expected),
            Replies::Off | Replies::Skip(0) => {}
            Replies::Skip(1) => self.replies = Replies::On,
            Replies::Skip(left) => self.replies = Replies::Skip(left - 1),
        }
    }

    /// What requests that are not answered are told of all the same; they count as a reply that is left out.
    fn push(&mut self, frames: Vec<Vec<u8>>) {
        self.expected.extend(frames.into_iter().map(Expected::Exactly));
        if let Replies::Skip(_) = self.replies {
            self.replies = Replies::On;
        }
    }

    fn reset(&mut self) {
        self.resp3 = false;
        self.leave_multi();
        self.watched.clear();
        self.subscribed.clear();
        self.patterns.clear();
        self.replies = Replies::On;
        self.reply(b"+RESET\r\n".to_vec());
    }

    fn leave_multi(&mut self) {
        (self.in_multi, self.is_refused) = (false, false);
        self.queued.clear();
    }

    fn exec(&mut self) -> Vec<u8> {
        let (queued, is_refused) = (std::mem::take(&mut self.queued), self.is_refused);
        self.leave_multi();
        let watched = std::mem::take(&mut self.watched);
        if is_refused {
            return b"-EXECABORT Transaction discarded because of previous errors.\r\n".to_vec();
        }
        if watched.iter().any(|(counter, value)| self.values[*counter] != *value) {
            return if self.resp3 { b"_\r\n".to_vec() } else { b"*-1\r\n".to_vec() };
        }
        let mut reply = format!("*{}\r\n", queued.len()).into_bytes();
        for request in &queued {
            reply.extend(self.answer(request));
        }
        reply
    }

    fn subscribe(&mut self, request: &Request) {
        let (kind, topic) = match request {
            Request::Subscribe(counter) => {
                self.subscribed.insert(*counter);
                ("subscribe", self.names[*counter].clone())
            }
            Request::SubscribePattern(counter) => {
                // All of one connection's patterns are the same text.
                self.patterns.insert(0);
                ("psubscribe", self.pattern(*counter))
            }
            _ => return,
        };
        let frame = self.confirmation(kind, Some(&topic), self.subscribed.len() + self.patterns.len());
        self.push(vec![frame]);
    }

    fn unsubscribed(&mut self, kind: &str, ended: Vec<Vec<u8>>) {
        let others = self.subscribed.len() + self.patterns.len();
        let frames = if ended.is_empty() {
            vec![self.confirmation(kind, None, others)]
        } else {
            let left = |at: usize| ended.len() - 1 - at + others;
            ended.iter().enumerate().map(|(at, topic)| self.confirmation(kind, Some(topic), left(at))).collect()
        };
        self.push(frames);
    }

    fn confirmation(&self, kind: &str, topic: Option<&[u8]>, count: usize) -> Vec<u8> {
        let mut frame =
            format!("{}3\r\n${}\r\n{kind}\r\n", if self.resp3 { '>' } else { '*' }, kind.len()).into_bytes();
        match topic {
            Some(topic) => bulk(topic, &mut frame),
            None if self.resp3 => frame.extend(b"_\r\n"),
            None => frame.extend(b"$-1\r\n"),
        }
        frame.extend(format!(":{count}\r\n").into_bytes());
        frame
    }

    /// The reply to what only concerns counters, or nothing.
    fn answer(&mut self, request: &Request) -> Vec<u8> {
        let mut reply = Vec::new();
        match request {
            Request::Increment(counter, by) => reply = integer(self.add(*counter, *by)),
            Request::IncrementMany(by, counters) => {
                reply = format!("*{}\r\n", counters.len()).into_bytes();
                counters.iter().for_each(|counter| reply.extend(integer(self.add(*counter, *by))));
            }
            Request::IncrementEach(pairs) => {
                reply = format!("*{}\r\n", pairs.len()).into_bytes();
                pairs.iter().for_each(|(counter, by)| reply.extend(integer(self.add(*counter, *by))));
            }
            Request::Get(counter) => bulk(self.text(*counter).as_bytes(), &mut reply),
            Request::GetMany(counters) => {
                reply = format!("*{}\r\n", counters.len()).into_bytes();
                counters.iter().for_each(|counter| bulk(self.text(*counter).as_bytes(), &mut reply));
            }
            Request::Set(counter, value) => {
                self.values[*counter] = Some(*value);
                self.note();
                reply = b"+OK\r\n".to_vec();
            }
            Request::Delete(counter) => {
                reply = integer(self.values[*counter].take().map_or(0, |_| 1));
                self.note();
            }
            Request::Ping(message) => match message {
                _ if self.is_bound() => {
                    reply = b"*2\r\n$4\r\npong\r\n".to_vec();
                    bulk(message.as_deref().unwrap_or_default(), &mut reply);
                }
                None => reply = b"+PONG\r\n".to_vec(),
                Some(message) => bulk(message, &mut reply),
            },
            Request::Echo(message) => bulk(message, &mut reply),
            Request::Refused(_, error) | Request::Failing(_, error) => reply = error_line(error),
            Request::Watch(counter) => {
                self.watched.push((*counter, self.values[*counter]));
                reply = b"+OK\r\n".to_vec();
            }
            other => panic!("{other:?} is no plain request"),
        }
        reply
    }

    fn add(&mut self, counter: usize, by: i64) -> i64 {
        let value = self.values[counter].unwrap_or(0) + by;
        self.values[counter] = Some(value);
        // A message may tell what a counter stands at between two steps of a request.
        self.note();
        value
    }

    fn text(&self, counter: usize) -> String {
        self.values[counter].unwrap_or(0).to_string()
    }
}

fn integer(value: i64) -> Vec<u8> {
    format!(":{value}\r\n").into_bytes()
}

fn error_line(error: &str) -> Vec<u8> {
    format!("-{error}\r\n").into_bytes()
}

fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("${}\r\n", bytes.len()).into_bytes());
    out.extend(bytes);
    out.extend(b"\r\n");
}
