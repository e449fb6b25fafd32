//! Counts replies in what a server sends, however it is cut into pieces.

/// What of a reply is still to come.
#[derive(Clone, Copy)]
enum Rest {
    /// All of it.
    Whole,
    /// Its first line.
    Line,
    /// The line with the length of a text, of which these are the digits so far; a text that is not there has a minus.
    Length { digits: usize, is_missing: bool },
    /// So many bytes of a text, with its end of line.
    Text(usize),
}

/// Replies of the kinds that counting and reading commands have: lines, and texts with a length.
pub(crate) struct Replies {
    rest: Rest,
    /// Replies that were errors, and how the first of them begins.
    pub(crate) errors: u64,
    pub(crate) first_error: String,
    is_first_error: bool,
}

impl Replies {
    pub(crate) fn new() -> Self {
        Self { rest: Rest::Whole, errors: 0, first_error: String::new(), is_first_error: false }
    }

    /// How many replies end in these bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> u64 {
        let mut replies = 0;
        while let Some(first) = bytes.first() {
            match self.rest {
                Rest::Whole => {
                    if *first == b'-' {
                        self.errors += 1;
                        self.is_first_error = self.errors == 1;
                    }
                    let length = Rest::Length { digits: 0, is_missing: false };
                    self.rest = if *first == b'$' { length } else { Rest::Line };
                    bytes = &bytes[1..];
                }
                Rest::Line => {
                    let end = memchr::memchr(b'\n', bytes);
                    let (line, behind) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    if self.is_first_error {
                        self.first_error.push_str(String::from_utf8_lossy(line).trim_end());
                    }
                    if end.is_some() {
                        replies += 1;
                        self.rest = Rest::Whole;
                        self.is_first_error = false;
                    }
                    bytes = behind;
                }
                Rest::Length { digits, is_missing } => {
                    self.rest = match first {
                        b'0'..=b'9' => Rest::Length { digits: digits * 10 + usize::from(first - b'0'), is_missing },
                        b'-' => Rest::Length { digits, is_missing: true },
                        b'\n' if is_missing => {
                            replies += 1;
                            Rest::Whole
                        }
                        b'\n' => Rest::Text(digits + 2),
                        _ => self.rest,
                    };
                    bytes = &bytes[1..];
                }
                Rest::Text(length) => {
                    let taken = length.min(bytes.len());
                    bytes = &bytes[taken..];
                    self.rest = Rest::Text(length - taken);
                    if taken == length {
                        replies += 1;
                        self.rest = Rest::Whole;
                    }
                }
            }
        }
        replies
    }
}
