//! What a request reaches for: which of its arguments are counters or channels, and what is done with them.

/// Which arguments are names of counters: the first, the last (-1 is the very last) and the step between them; all 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPositions {
    /// The index of the first.
    pub first: i32,
    /// The index of the last.
    pub last: i32,
    /// The distance from one to the next.
    pub step: i32,
}

impl KeyPositions {
    /// No names of counters.
    pub const NONE: Self = Self::new(0, 0, 0);
    /// The first argument alone.
    pub const FIRST: Self = Self::new(1, 1, 1);
    /// All arguments.
    pub const ALL: Self = Self::new(1, -1, 1);

    /// Positions from `first` to `last`.
    pub const fn new(first: i32, last: i32, step: i32) -> Self {
        Self { first, last, step }
    }

    /// The indices in a request of so many arguments.
    pub(in crate::command) fn indices(self, arguments: usize) -> impl Iterator<Item = usize> {
        let count = i32::try_from(arguments).unwrap_or(i32::MAX);
        let last = if self.last < 0 { count + self.last } else { self.last.min(count - 1) };
        // The first is 0 where there are none.
        let end = if self.first > 0 { last } else { -1 };
        (self.first..=end).step_by(self.step.max(1) as usize).map(|at| at as usize)
    }
}

/// What is done with a counter: it is read, it is changed, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAccess(u8);

impl KeyAccess {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// It is read.
    pub const READ: Self = Self(1);
    /// It is changed, and the answer does not tell what it was.
    pub const WRITE: Self = Self(2);
    /// It is changed, and the answer tells what of.
    pub const BOTH: Self = Self(3);

    /// Whether all of the other is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is done with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelUse {
    /// There is none.
    None,
    /// The client is told of the counter of this name.
    Name,
    /// The client is told of all counters whose names match.
    Pattern,
    /// Something is sent there.
    Publish,
}
