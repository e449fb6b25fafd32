//! An owner that keeps its promises, or panics.

use super::*;

/// An owner that announces at once, and what its peers read.
pub(super) struct Owner {
    pub(super) predictor: Predictor,
    pub(super) total: Total,
    pub(super) band: Band,
    pub(super) timer: Monotonic,
    pub(super) now: Monotonic,
    pub(super) announcements: u32,
    pub(super) done: bool,
}

impl Owner {
    pub(super) fn new(precision: Amount) -> Self {
        Self::holding(Total::ZERO, precision)
    }

    fn holding(total: Total, precision: Amount) -> Self {
        Self {
            predictor: Predictor::new(Forecast::exact(total, Monotonic::ZERO), START),
            total,
            band: Band::share_of(precision, 1),
            timer: START.after(SETTLE),
            now: START,
            announcements: 0,
            done: false,
        }
    }

    fn is_outside(&self, at: Monotonic) -> bool {
        self.predictor.believed().is_outside(self.total, self.band, at)
    }

    /// Lets time pass; whenever a timer fires, the peers must have been within the band up to then.
    pub(super) fn wait(&mut self, by: Duration) {
        let until = self.now.after(by);
        while self.timer <= until && !self.done {
            let before = Monotonic::from_nanos(self.timer.as_nanos() - 1);
            assert!(before < self.now || !self.is_outside(before), "the timer came late");
            self.now = self.timer.max(self.now);
            self.look();
        }
        self.now = until;
        assert!(!self.is_outside(until), "nobody looked in time");
    }

    pub(super) fn look(&mut self) {
        match self.predictor.look(self.total, self.band, SETTLE, self.now) {
            Look::Later(at) => {
                assert!(at > self.now, "a look must not ask for itself");
                self.timer = at;
            }
            Look::Announce => self.announce(),
            Look::Settle => {
                self.predictor.announce_exact(self.total, self.now);
                self.announcements += 1;
                self.finish();
            }
            Look::Idle => self.finish(),
        }
    }

    fn finish(&mut self) {
        assert_eq!(self.predictor.believed().total, self.total);
        assert!(self.predictor.believed().is_exact());
        self.done = true;
        self.timer = Monotonic::NEVER;
    }

    fn announce(&mut self) {
        let forecast = self.predictor.announce(self.total, self.band, SETTLE, self.now);
        self.announcements += 1;
        assert!(forecast.rate.is_finite());
        assert_eq!(forecast, *self.predictor.believed());
        assert_eq!(forecast.at(self.now), self.total);
        self.timer = self.predictor.next_look(self.total, self.band, SETTLE, self.now);
    }

    pub(super) fn add(&mut self, by: Amount) {
        let Ok(total) = self.total.checked_add(by) else {
            return;
        };
        if self.done {
            self.predictor = Predictor::new(*self.predictor.believed(), self.now);
            self.timer = self.now.after(SETTLE);
            self.done = false;
        }
        self.total = total;
        let due = self.predictor.after_increment(self.total, self.band, self.now);
        assert!(due || !self.is_outside(self.now), "an exit was not noticed");
        if due {
            self.look();
        }
        assert!(!self.is_outside(self.now));
    }

    pub(super) fn stream(&mut self, by: Amount, gap: Duration, count: u32) {
        for _ in 0..count {
            self.wait(gap);
            self.add(by);
        }
    }
}
