//! The health of a controller's medium (Base "SMART / Health Information").

use core::fmt;

use super::bytes::{counter_at, u8_at, u16_at};

/// Bytes of the log page.
pub const SMART_BYTES: usize = 512;

bitflags::bitflags! {
    /// What is wrong, if anything. Unknown bits are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Warnings: u8 {
        /// The spare blocks are below their threshold.
        const SPARE = 1 << 0;
        /// The temperature is out of its range.
        const TEMPERATURE = 1 << 1;
        /// The medium has become unreliable.
        const RELIABILITY = 1 << 2;
        /// The medium can only be read.
        const READ_ONLY = 1 << 3;
        /// What keeps the cache over a power loss has failed.
        const BACKUP = 1 << 4;
        /// The persistent memory region cannot be relied on.
        const PERSISTENT_MEMORY = 1 << 5;
        const _ = !0;
    }
}

/// The log page. Its display is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmartLog {
    /// What is wrong.
    pub warnings: Warnings,
    /// Temperature in kelvins.
    pub kelvins: u16,
    /// Spare blocks left, in percent.
    pub spare: u8,
    /// Life used up as the vendor estimates it, in percent; may pass 100.
    pub used: u8,
    /// Read from it, in units of 512,000 bytes.
    pub units_read: u64,
    /// Written to it, in units of 512,000 bytes.
    pub units_written: u64,
    /// Times it was switched on.
    pub power_cycles: u64,
    /// Hours it was on.
    pub power_on_hours: u64,
    /// Times it lost power without notice.
    pub unsafe_shutdowns: u64,
    /// Errors of the medium that could not be corrected.
    pub media_errors: u64,
}

impl SmartLog {
    /// Reads the log page.
    pub fn parse(data: &[u8]) -> Self {
        Self {
            warnings: Warnings::from_bits_retain(u8_at(data, 0)),
            kelvins: u16_at(data, 1),
            spare: u8_at(data, 3),
            used: u8_at(data, 5),
            units_read: counter_at(data, 32),
            units_written: counter_at(data, 48),
            power_cycles: counter_at(data, 112),
            power_on_hours: counter_at(data, 128),
            unsafe_shutdowns: counter_at(data, 144),
            media_errors: counter_at(data, 160),
        }
    }

    /// The temperature in degrees Celsius.
    pub fn celsius(&self) -> i32 {
        i32::from(self.kelvins) - 273
    }
}

impl fmt::Display for SmartLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.warnings.bits() {
            0 => f.write_str("healthy")?,
            bits => write!(f, "WARNING {bits:#x}")?,
        }
        write!(
            f,
            ", {} C, spare {} %, used {} %, {} h on, {} power cycles ({} unsafe), {} media errors, \
             {} MB read, {} MB written",
            self.celsius(),
            self.spare,
            self.used,
            self.power_on_hours,
            self.power_cycles,
            self.unsafe_shutdowns,
            self.media_errors,
            megabytes(self.units_read),
            megabytes(self.units_written)
        )
    }
}

/// Units of 512,000 bytes in units of a million.
const fn megabytes(units: u64) -> u64 {
    units / 2 + units / 1000 * 12 + units % 1000 * 12 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    #[test]
    fn a_log_is_read_and_shown_in_a_line() {
        let mut data = [0; SMART_BYTES];
        data[1..6].copy_from_slice(&[0x43, 0x01, 100, 10, 3]);
        for (offset, value) in [(32, 2000_u64), (48, 1), (112, 5), (128, 70), (144, 2), (160, 0)] {
            data[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        }
        let log = SmartLog::parse(&data);
        assert_eq!((log.celsius(), log.units_read), (50, 2000));
        assert_eq!(
            format!("{log}"),
            "healthy, 50 C, spare 100 %, used 3 %, 70 h on, 5 power cycles (2 unsafe), 0 media errors, \
             1024 MB read, 0 MB written"
        );
        data[0] = 0x84;
        let warned = SmartLog::parse(&data);
        assert!(warned.warnings.contains(Warnings::RELIABILITY));
        assert!(format!("{warned}").starts_with("WARNING 0x84, "));
    }

    proptest! {
        #[test]
        fn no_data_panics(data in prop::collection::vec(any::<u8>(), 0..SMART_BYTES + 1)) {
            assert!(!format!("{}", SmartLog::parse(&data)).is_empty());
        }
    }
}
