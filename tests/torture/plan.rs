//! One input: what a connection sends, in which pieces, what it is answered, and how it ends. All of it follows from a seed.

use super::model::{COUNTERS, Expected, Model, Values};
use super::poison;
use super::random::Random;
use super::requests::Request;

/// The bounds that the server is given, so small that they are cheap to pass.
pub(crate) const LIMITS: [&str; 4] = [
    "resp.max_arguments=256",
    "resp.max_bulk_bytes=4096",
    "resp.max_request_bytes=16384",
    "resp.max_inline_bytes=1024",
];
pub(crate) const MAX_ARGUMENTS: usize = 256;
pub(crate) const MAX_BULK_BYTES: usize = 4096;
pub(crate) const MAX_REQUEST_BYTES: usize = 16_384;
pub(crate) const MAX_INLINE_BYTES: usize = 1024;

/// What a connection does at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It closes its sending half, and reads until the server has closed.
    HalfClose,
    /// It only reads: the server has a reason to close.
    ServerCloses,
    /// It goes without reading, when so many bytes are sent, with a reset or without one.
    Abandon { after_bytes: usize, resets: bool },
}

/// What is known of the end.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Every reply, and what the counters are then.
    Known(Values),
    /// After the expected replies others may come; nothing is known of the counters.
    Unknown,
    /// The counters are what they were at some time.
    OneOf(Vec<Values>),
}

/// One input.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// Where each piece ends.
    pub(crate) cuts: Vec<usize>,
    /// A pause follows each piece.
    pub(crate) drips: bool,
    pub(crate) over_unix: bool,
    /// The last request closes the connection by its own address, which is not known before.
    pub(crate) ends_itself: bool,
    /// The server closes without a word.
    pub(crate) ends_unanswered: bool,
    pub(crate) expected: Vec<Expected>,
    pub(crate) ending: Ending,
    pub(crate) outcome: Outcome,
    /// Names and all that they were.
    pub(crate) names: [Vec<u8>; COUNTERS],
    pub(crate) states: Vec<Values>,
    /// How often the shared counter is counted.
    pub(crate) shared: u64,
}

const KINDS: &[&str] = &[
    "valid",
    "valid",
    "truncated",
    "truncated",
    "poisoned",
    "poisoned",
    "poisoned",
    "poisoned",
    "oversized",
    "mutated",
    "mutated",
    "random",
    "random",
    "dripped",
    "deep",
    "abandoned",
    "nested",
];

impl Plan {
    /// The input of a seed, on the counters of `place`.
    pub(crate) fn new(seed: u64, place: &str) -> Self {
        let mut random = Random::new(seed);
        let kind = random.pick(KINDS);
        let mut plan = match kind {
            "random" => Self::of_random_bytes(&mut random),
            "mutated" => Self::mutated(&mut random, place),
            "truncated" => Self::truncated(&mut random, place),
            "poisoned" | "oversized" | "nested" => Self::poisoned(&mut random, place, kind),
            "deep" => {
                let most = random.pick(&[50, 50, 100, 1000]);
                Self::valid(&mut random, place, most)
            }
            "abandoned" => Self::abandoned(&mut random, place),
            _ => Self::valid(&mut random, place, 12),
        };
        plan.kind = kind;
        plan.drips = kind == "dripped";
        plan.over_unix = !matches!(plan.ending, Ending::Abandon { .. }) && !plan.ends_itself && random.below(3) > 0;
        plan.cuts = cuts(&mut random, plan.bytes.len(), plan.drips);
        plan
    }

    fn from(model: Model, bytes: Vec<u8>) -> Self {
        Self {
            kind: "",
            bytes,
            cuts: Vec::new(),
            drips: false,
            over_unix: false,
            ends_itself: false,
            ends_unanswered: false,
            ending: Ending::HalfClose,
            outcome: Outcome::Known(model.values),
            expected: model.expected,
            names: model.names,
            states: model.states,
            shared: model.shared,
        }
    }

    /// Requests that are all answered.
    fn valid(random: &mut Random, place: &str, most: u64) -> Self {
        let (mut model, mut bytes) = conversation(random, place, most, true);
        // Some leave in other ways than by closing.
        match random.below(8) {
            0 => {
                write(&[b"QUIT".to_vec()], random, &mut bytes);
                if model.answers_all() {
                    model.expected.push(Expected::Exactly(b"+OK\r\n".to_vec()));
                } else {
                    return Self { ends_unanswered: true, ..Self::from(model, bytes) };
                }
                write(&model.words(&Request::Increment(0, 1)), random, &mut bytes);
                Self { ending: Ending::ServerCloses, ..Self::from(model, bytes) }
            }
            1 if model.answers_all() && !model.in_multi && !model.is_bound() => {
                model.expected.push(Expected::Exactly(b":1\r\n".to_vec()));
                Self { ending: Ending::ServerCloses, ends_itself: true, ..Self::from(model, bytes) }
            }
            _ => Self::from(model, bytes),
        }
    }

    /// The last request does not arrive as a whole.
    fn truncated(random: &mut Random, place: &str) -> Self {
        let (model, mut bytes) = conversation(random, place, 10, true);
        let mut rest = Vec::new();
        let request = Request::IncrementEach(vec![(0, 3), (1, 4), (2, 5)]);
        write_array(&model.words(&request), &mut rest);
        bytes.extend(&rest[..1 + random.below(rest.len() as u64 - 1) as usize]);
        Self::from(model, bytes)
    }

    /// Behind valid requests comes what is no request; nothing behind that is run.
    fn poisoned(random: &mut Random, place: &str, kind: &str) -> Self {
        let (mut model, mut bytes) = conversation(random, place, 10, true);
        let (poison, error) = match kind {
            "oversized" => poison::oversized(random),
            "nested" => poison::nested(random),
            _ => poison::malformed(random),
        };
        bytes.extend(poison);
        if model.answers_all() {
            model.expected.push(Expected::Exactly(format!("-ERR {error}\r\n").into_bytes()));
        }
        for _ in 0..random.below(4) {
            write(&model.words(&Request::Increment(0, 1)), random, &mut bytes);
        }
        let ends_unanswered = !model.answers_all();
        let ending = if ends_unanswered { Ending::HalfClose } else { Ending::ServerCloses };
        Self { ending, ends_unanswered, ..Self::from(model, bytes) }
    }

    /// Valid requests in which some bytes are others.
    fn mutated(random: &mut Random, place: &str) -> Self {
        let (_, mut bytes) = conversation(random, &format!("m{place}"), 10, false);
        for _ in 0..random.between(1, 6) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.insert(at, random.pick(b"\r\n*$:+-0123456789\"' \0\xff")),
                2 => drop(bytes.drain(at..(at + random.between(1, 8) as usize).min(bytes.len()))),
                _ => bytes[at] ^= 1 << random.below(8),
            }
            if bytes.is_empty() {
                break;
            }
        }
        Self::unknown(bytes)
    }

    fn of_random_bytes(random: &mut Random) -> Self {
        let length = random.between(1, 600);
        let any = random.below(2) == 0;
        let byte = |random: &mut Random| {
            if any { random.next() as u8 } else { random.pick(b"**$$$::+-\r\r\n\n\n0123456789 \"'xPINGping") }
        };
        Self::unknown((0..length).map(|_| byte(random)).collect())
    }

    fn unknown(bytes: Vec<u8>) -> Self {
        let model = Model::new(Default::default());
        Self { outcome: Outcome::Unknown, expected: Vec::new(), ..Self::from(model, bytes) }
    }

    /// A client that is gone before it has read all, or sent all.
    fn abandoned(random: &mut Random, place: &str) -> Self {
        let (model, bytes) = conversation(random, place, 40, false);
        let ending =
            Ending::Abandon { after_bytes: random.below(bytes.len() as u64) as usize, resets: random.below(2) == 0 };
        let outcome = Outcome::OneOf(model.states.clone());
        Self { ending, outcome, ..Self::from(model, bytes) }
    }
}

/// Where pieces end: in one, in a few, or in very many.
fn cuts(random: &mut Random, length: usize, drips: bool) -> Vec<usize> {
    let longest = match random.below(4) {
        _ if drips => 3,
        0 => 40,
        1 => 1000,
        _ => return vec![length],
    };
    let (mut cuts, mut at) = (Vec::new(), 0);
    // Very long ones would take minutes.
    let least = 1 + length as u64 / 400;
    while at < length {
        at = (at + random.between(least, least.max(longest)) as usize).min(length);
        cuts.push(at);
    }
    cuts
}

/// Up to so many requests and what they are answered with.
fn conversation(random: &mut Random, place: &str, most: u64, shared: bool) -> (Model, Vec<u8>) {
    let mut model = Model::new(std::array::from_fn(|counter| format!("{place}:{counter}").into_bytes()));
    let mut bytes = Vec::new();
    let mut send = |request: Request, model: &mut Model, random: &mut Random| {
        write(&model.words(&request), random, &mut bytes);
        model.run(&request);
    };
    send(Request::Clear, &mut model, random);
    for _ in 0..random.between(1, most) {
        for request in next(random, &model, shared) {
            send(request, &mut model, random);
        }
        if random.below(20) == 0 {
            // What is no request is passed over.
            send(Request::Blank, &mut model, random);
        }
    }
    (model, bytes)
}

fn counter(random: &mut Random) -> usize {
    random.below(COUNTERS as u64) as usize
}

/// What may come next on such a connection.
fn next(random: &mut Random, model: &Model, shared: bool) -> Vec<Request> {
    let one = |request| vec![request];
    if model.is_bound() {
        return one(match random.below(8) {
            0 => Request::Subscribe(counter(random)),
            1 => Request::SubscribePattern(counter(random)),
            2 => Request::UnsubscribeAll,
            3 => Request::UnsubscribeAllPatterns,
            4 => Request::Reset,
            5 => Request::Ping(Some(b"hi".to_vec())),
            6 => Request::Ping(None),
            _ => poison::not_while_subscribed(model),
        });
    }
    let choice = random.below(if model.in_multi { 40 } else { 60 });
    match choice {
        0..=27 => one(plain(random)),
        28..=31 => one(poison::refused(random)),
        32 => one(Request::Multi),
        33..=36 => one(Request::Exec),
        37 => one(Request::Discard),
        38 => one(Request::Reset),
        // One that stands at nothing may or may not be there.
        39 => {
            let deleted = counter(random);
            vec![Request::Set(deleted, 7), Request::Delete(deleted)]
        }
        40..=43 => one(Request::Multi),
        44 => one(Request::Hello(random.pick(&[2, 3]))),
        45 => one(Request::Subscribe(counter(random))),
        46 => one(Request::SubscribePattern(counter(random))),
        47 => one(Request::UnsubscribeAll),
        48 => one(Request::ReplyOff),
        49 => vec![Request::ReplyOff, plain(random), Request::ReplyOn],
        50 => one(Request::ReplyOn),
        51 => vec![Request::ReplySkip, plain(random)],
        52..=54 if shared => one(Request::Shared),
        55 if shared => one(poison::shown(random)),
        56..=57 => {
            let watched = counter(random);
            let another = counter(random);
            let between = random.pick(&[watched, another]);
            let by_another = if random.below(2) == 0 { vec![] } else { vec![Request::Increment(between, 1)] };
            let queued = vec![Request::Multi, plain(random), plain(random), Request::Exec];
            [vec![Request::Watch(watched)], by_another, queued].concat()
        }
        _ => one(plain(random)),
    }
}

/// A request that is run in a transaction as well.
fn plain(random: &mut Random) -> Request {
    let (first, second) = (counter(random), counter(random));
    let amount = random.below(2000) as i64 - 1000;
    match random.below(13) {
        0..=2 => Request::Increment(first, 1),
        3 => Request::Increment(first, -1),
        4 => Request::Increment(first, amount),
        5 => Request::IncrementMany(amount, vec![first, second, first]),
        6 => Request::IncrementEach(vec![(first, amount), (second, -amount)]),
        7 => Request::Get(first),
        8 => Request::GetMany(vec![first, second, first]),
        9 => Request::Set(first, amount),
        10 => Request::Get(second),
        11 => Request::Echo(poison::message(random)),
        _ => poison::failing(random),
    }
}

/// A request as clients send it, or as people do.
fn write(words: &[Vec<u8>], random: &mut Random, out: &mut Vec<u8>) {
    let length: usize = words.iter().map(|word| 4 * word.len() + 3).sum();
    if words.is_empty() {
        out.extend(random.pick(&[
            &b"\r\n"[..],
            b"\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"  \t \r\n",
            b"\0 PING\r\n",
            b"*-7\r\n",
        ]));
    } else if length < MAX_INLINE_BYTES && random.below(4) == 0 {
        poison::write_inline(words, random, out);
    } else {
        write_array(words, out);
    }
}

fn write_array(words: &[Vec<u8>], out: &mut Vec<u8>) {
    out.extend(format!("*{}\r\n", words.len()).into_bytes());
    for word in words {
        out.extend(format!("${}\r\n", word.len()).into_bytes());
        out.extend(word);
        out.extend(b"\r\n");
    }
}
