//! CRC-32 (IEEE 802.3): finds what a wire or a disk changed by accident.

/// The checksum of what has been put in so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc(u32);

impl Crc {
    /// The checksum of nothing.
    pub(crate) fn new() -> Self {
        Crc(!0)
    }

    /// Puts bytes in.
    pub(crate) fn put(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            self.0 ^= u32::from(byte);
            for _ in 0..8 {
                self.0 = (self.0 >> 1) ^ (0xEDB8_8320 & (self.0 & 1).wrapping_neg());
            }
        }
        self
    }

    /// Puts text in, with its length first: two texts never run into one another.
    pub(crate) fn put_text(self, text: &str) -> Self {
        self.put(&(text.len() as u64).to_le_bytes()).put(text.as_bytes())
    }

    /// The checksum.
    pub(crate) fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_the_published_one() {
        assert_eq!(Crc::new().put(b"123456789").finish(), 0xCBF4_3926);
    }

    #[test]
    fn texts_do_not_run_into_one_another() {
        let of = |a, b| Crc::new().put_text(a).put_text(b).finish();
        assert_ne!(of("ab", "c"), of("a", "bc"));
    }
}
