//! Random numbers that are the same in every run.
#![allow(dead_code, reason = "not every bench needs all of it")]

/// xorshift64*, seeded.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0xD1B5_4A32_D192_ED03) | 1)
    }

    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// Above 0 and below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Nanoseconds to the next arrival of a Poisson process.
    pub(crate) fn gap(&mut self, rate: f64) -> u64 {
        (-self.uniform().ln() / rate * 1e9) as u64
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound.max(1)
    }
}
