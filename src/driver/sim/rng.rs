//! Chance, from a seed: a run can be repeated exactly, on every machine and by every version of every library.

use crate::dsp::voice::Random;
use std::time::Duration;

/// One stream of [`Random`] numbers.
#[derive(Clone, Debug)]
pub struct Rng(Random);

impl Rng {
    /// `stream` tells apart the uses of one seed: what the noise does never moves what a person does.
    pub fn new(seed: u64, stream: u64) -> Rng {
        // through one draw each: neighbouring seeds and streams must not give shifted copies of one sequence
        Rng(Random::new(Random::new(seed).bits() ^ Random::new(!stream).bits()))
    }

    pub fn next(&mut self) -> u64 {
        self.0.bits()
    }

    /// A whole number from `lo` to `hi`, both included.
    pub fn between(&mut self, lo: u64, hi: u64) -> u64 {
        if hi <= lo {
            return lo;
        }
        lo + (self.next() >> 11) % (hi - lo + 1)
    }

    pub fn ms(&mut self, lo: u64, hi: u64) -> Duration {
        Duration::from_millis(self.between(lo, hi))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_its_streams_differ() {
        let draw = |seed, stream| {
            let mut r = Rng::new(seed, stream);
            (0..8).map(|_| r.next()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let mut r = Rng::new(1, 0);
        let all: Vec<u64> = (0..500).map(|_| r.between(20, 29)).collect();
        assert!(all.iter().all(|n| (20..=29).contains(n)));
        assert!((20..=29).all(|n| all.contains(&n)));
        assert_eq!(r.between(5, 5), 5);
    }
}
