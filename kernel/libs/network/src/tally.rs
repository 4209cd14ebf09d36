//! How much went by, and what.

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, Digest, Table};

/// A table of 1 KiB: larger ones are faster, and cost the kernel more than they are worth to it.
static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// Bytes counted and their CRC-32 (the one of Ethernet and gzip).
#[derive(Clone)]
pub struct Tally {
    bytes: u64,
    checksum: Digest<'static, u32, Table<1>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { bytes: 0, checksum: CRC.digest() }
    }
}

impl Tally {
    /// Counts further bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.checksum.update(bytes);
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Their CRC-32.
    pub fn crc32(&self) -> u32 {
        self.checksum.clone().finalize()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `N crc32=0x…`
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} crc32={:#010x}", self.bytes, self.crc32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_checksum_is_the_usual_one() {
        let mut tally = Tally::default();
        assert_eq!(tally.to_string(), "0 crc32=0x00000000");
        tally.add(b"1234");
        tally.add(b"56789");
        assert_eq!(tally.to_string(), "9 crc32=0xcbf43926");
    }
}
