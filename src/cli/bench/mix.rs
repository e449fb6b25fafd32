//! What is sent.

use clap::ValueEnum;

use super::names::{Dice, Names};
use crate::cli::protocol::write_request;

/// How many names one MGET has.
const NAMES_A_REQUEST: usize = 10;

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mix {
    /// INCR of any name
    Incr,
    /// GET of any name
    Get,
    /// SET of any name
    Set,
    /// MGET of ten names
    Mget,
    /// Nine GET to one INCR, of any name
    Mixed,
    /// INCR of one name, the same for all clients
    Hot,
    /// INCR of the name that was used longest ago
    Cold,
}

impl Mix {
    /// As it is called on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Incr => "incr",
            Self::Get => "get",
            Self::Set => "set",
            Self::Mget => "mget",
            Self::Mixed => "mixed",
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }

    /// Whether it needs names that are there.
    pub(super) fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Mget | Self::Mixed)
    }

    /// Whether it uses one name only.
    pub(super) fn is_one_name(self) -> bool {
        self == Self::Hot
    }
}

/// Writes the requests of one client.
pub(super) struct Requests<'a> {
    mix: Mix,
    names: &'a Names,
    dice: Dice,
    name: Vec<u8>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(mix: Mix, names: &'a Names, seed: u64) -> Self {
        Self { mix, names, dice: Dice::new(seed), name: Vec::new() }
    }

    /// Appends the request with this number, of all that all clients send.
    pub(super) fn write(&mut self, number: u64, out: &mut Vec<u8>) {
        match self.mix {
            Mix::Incr => self.write_one(b"INCR", None, out),
            Mix::Get => self.write_one(b"GET", None, out),
            Mix::Mixed if self.dice.below(10) > 0 => self.write_one(b"GET", None, out),
            Mix::Mixed => self.write_one(b"INCR", None, out),
            Mix::Hot => self.write_one(b"INCR", Some(0), out),
            Mix::Cold => self.write_one(b"INCR", Some(number % self.names.count()), out),
            Mix::Set => {
                self.any_name();
                let value = number.to_string();
                write_request(&[&b"SET"[..], &self.name, value.as_bytes()], out);
            }
            Mix::Mget => {
                let mut words = vec![b"MGET".to_vec()];
                words.extend((0..NAMES_A_REQUEST).map(|_| {
                    self.any_name();
                    self.name.clone()
                }));
                write_request(&words, out);
            }
        }
    }

    fn write_one(&mut self, command: &[u8], number: Option<u64>, out: &mut Vec<u8>) {
        match number {
            Some(number) => self.names.write(number, &mut self.name),
            None => self.any_name(),
        }
        write_request(&[command, &self.name], out);
    }

    fn any_name(&mut self) {
        let number = self.dice.below(self.names.count());
        self.names.write(number, &mut self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(mix: Mix, count: u64) -> Vec<String> {
        let names = Names::new("b:", 4);
        let mut requests = Requests::new(mix, &names, 1);
        let line = |number| {
            let mut out = Vec::new();
            requests.write(number, &mut out);
            let text = String::from_utf8(out).expect("UTF-8");
            let words: Vec<&str> = text.split("\r\n").filter(|word| !word.starts_with(['*', '$'])).collect();
            words.join(" ").trim_end().to_owned()
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn each_mix_sends_what_it_says() {
        assert!(sent(Mix::Incr, 50).iter().all(|line| line.starts_with("INCR b:")));
        assert!(sent(Mix::Get, 50).iter().all(|line| line.starts_with("GET b:")));
        assert_eq!(sent(Mix::Hot, 2), ["INCR b:0", "INCR b:0"]);
        assert_eq!(sent(Mix::Cold, 5), ["INCR b:0", "INCR b:1", "INCR b:2", "INCR b:3", "INCR b:0"]);
        assert!(sent(Mix::Set, 3)[2].ends_with(" 2"));
        assert_eq!(sent(Mix::Mget, 1)[0].split(' ').count(), 1 + NAMES_A_REQUEST);
        let mixed = sent(Mix::Mixed, 10_000);
        let reads = mixed.iter().filter(|line| line.starts_with("GET")).count();
        assert!((8_800..9_200).contains(&reads), "{reads}");
    }
}
