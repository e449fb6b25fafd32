//! How the prompt behaves: what `:set` says there, and the file that is read before the first line.

use std::env;
use std::path::PathBuf;

use super::colour::ColourChoice;
use super::display::Format;
use super::quote::split;

const FILE: &str = ".discnt_clirc";

/// What `:set` takes, as `help` shows it.
pub(super) const SYNTAX: &str = "hints|nohints|color|nocolor|typed|raw|json";

/// One thing that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preference {
    /// Whether arguments are hinted at.
    Hints(bool),
    /// Whether there are colours.
    Colours(ColourChoice),
    /// How replies are shown.
    Format(Format),
}

/// What stands behind `:set`.
///
/// # Errors
/// What is wrong, for the user.
pub(super) fn parse<A: AsRef<[u8]>>(words: &[A]) -> Result<Preference, String> {
    let expected = || format!(":set takes one of {}", SYNTAX.replace('|', ", "));
    let [word] = words else {
        return Err(expected());
    };
    match word.as_ref().to_ascii_lowercase().as_slice() {
        b"hints" => Ok(Preference::Hints(true)),
        b"nohints" => Ok(Preference::Hints(false)),
        b"color" => Ok(Preference::Colours(ColourChoice::Always)),
        b"nocolor" => Ok(Preference::Colours(ColourChoice::Never)),
        b"typed" => Ok(Preference::Format(Format::Typed)),
        b"raw" => Ok(Preference::Format(Format::Raw)),
        b"json" => Ok(Preference::Format(Format::Json)),
        _ => Err(expected()),
    }
}

/// The lines of the file: what they set, and what is wrong with the others. Empty lines and those that begin with # say
/// nothing.
pub(super) fn read(text: &str) -> (Vec<Preference>, Vec<String>) {
    let (mut set, mut wrong) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words = split(line.as_bytes()).unwrap_or_default();
        let preference = match words.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(b":set") => parse(rest),
            _ => Err(format!("':set ...' is expected, not '{line}'")),
        };
        match preference {
            Ok(preference) => set.push(preference),
            Err(reason) => wrong.push(format!("line {}: {reason}", at + 1)),
        }
    }
    (set, wrong)
}

/// Where the file would be.
pub(super) fn file() -> Option<PathBuf> {
    let path = match env::var_os("DISCNT_CLI_RCFILE") {
        Some(path) => PathBuf::from(path),
        None => env::home_dir()?.join(FILE),
    };
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_words() {
        assert_eq!(parse(&["hints"]), Ok(Preference::Hints(true)));
        assert_eq!(parse(&["NoHints"]), Ok(Preference::Hints(false)));
        assert_eq!(parse(&["json"]), Ok(Preference::Format(Format::Json)));
        assert_eq!(parse(&["nocolor"]), Ok(Preference::Colours(ColourChoice::Never)));
        for words in [vec![], vec!["colours"], vec!["hints", "raw"]] {
            assert!(parse(&words).expect_err("refused").contains("hints, nohints"), "{words:?}");
        }
        for word in SYNTAX.split('|') {
            assert!(parse(&[word]).is_ok(), "{word}");
        }
    }

    #[test]
    fn the_file_has_one_on_each_line() {
        let (set, wrong) = read("# how I like it\n\n  :set nohints\n:SET raw\n");
        assert_eq!((set.len(), wrong), (2, Vec::new()));
        let (set, wrong) = read("set hints\n:set hints\n:set everything\n:set 'open\n");
        assert_eq!(set, [Preference::Hints(true)]);
        assert_eq!(wrong.len(), 3);
        assert!(wrong[0].starts_with("line 1: ':set ...' is expected"), "{wrong:?}");
        assert!(wrong[1].starts_with("line 3: :set takes"), "{wrong:?}");
    }
}
