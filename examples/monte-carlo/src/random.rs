//! SplitMix64: a small generator whose numbers depend on the seed alone, on every machine.
//!
//! Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of `branch` in the run with `seed`. Both go through the mixer, so that the streams
    /// of neighbouring branches do not start next to each other on the generator's orbit.
    pub fn stream(seed: u64, branch: u32) -> Self {
        Random { state: mix(seed) ^ mix(u64::from(branch).wrapping_add(GOLDEN)) }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number in `0.0..1.0`, with all 53 bits that an `f64` holds there.
    pub fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs for seed 1234567, as in the reference implementation.
        let mut random = Random { state: 1_234_567 };
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn units_fill_the_interval_evenly() {
        let mut random = Random::stream(7, 0);
        let mut tenths = [0_u32; 10];
        for _ in 0..100_000 {
            tenths[(random.next_unit() * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|&n| (9_600..10_400).contains(&n)), "{tenths:?}");
    }

    #[test]
    fn branches_draw_different_numbers() {
        let first = |branch| Random::stream(1, branch).next_u64();
        let mut all: Vec<u64> = (0..1_024).map(first).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1_024);
    }
}
