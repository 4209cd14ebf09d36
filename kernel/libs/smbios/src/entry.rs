//! Where the table is: SMBIOS "Table Specification", "Accessing SMBIOS Information".

use dma_types::PhysAddr;

/// The entry point begins at a multiple of this.
const STEP: usize = 16;

/// The longest table that is read; real ones are a tenth of it.
const MOST: u32 = 1 << 16;

/// Where the table of structures is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// Its first byte.
    pub table: PhysAddr,
    /// The most bytes that it has.
    pub length: u32,
}

impl EntryPoint {
    /// Looks for an entry point whose checksum is right, of either form, at multiples of 16 bytes.
    pub fn find(memory: &[u8]) -> Option<Self> {
        let (steps, _) = memory.as_chunks::<STEP>();
        let begins =
            |step: &[u8; STEP]| step.first_chunk() == Some(b"_SM_") || step.first_chunk() == Some(b"_SM3");
        let places = steps.iter().enumerate().filter(|(_, step)| begins(step));
        places.into_iter().find_map(|(index, _)| Self::read(memory.get(index * STEP..)?))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"_SM3_") {
            Self::checked(bytes, *bytes.get(6)?, 24)?;
            let length = u32::from_le_bytes(*bytes.get(12..)?.first_chunk()?);
            let table = u64::from_le_bytes(*bytes.get(16..)?.first_chunk()?);
            return Some(Self { table: PhysAddr::new(table), length: length.min(MOST) });
        }
        // Some firmware of version 2.1 gives 30, one less than there are.
        Self::checked(bytes, *bytes.get(5)?, 30)?;
        let length = u16::from_le_bytes(*bytes.get(22..)?.first_chunk()?);
        let table = u32::from_le_bytes(*bytes.get(24..)?.first_chunk()?);
        Some(Self { table: PhysAddr::new(table.into()), length: length.into() })
    }

    /// Demands a length and a checksum that are right.
    fn checked(bytes: &[u8], length: u8, least: u8) -> Option<()> {
        let all = bytes.get(..usize::from(length))?;
        let sum = all.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        (length >= least && sum == 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Makes the sum of all bytes zero by the one at `at`.
    fn adding_up(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[at] = bytes[at].wrapping_sub(sum);
        bytes
    }

    fn old() -> Vec<u8> {
        let mut bytes = b"_SM_\0\x1f\x02\x08".to_vec();
        bytes.resize(31, 0);
        bytes[16..21].copy_from_slice(b"_DMI_");
        bytes[22..24].copy_from_slice(&0x123_u16.to_le_bytes());
        bytes[24..28].copy_from_slice(&0xf_0000_u32.to_le_bytes());
        adding_up(bytes, 4)
    }

    fn new() -> Vec<u8> {
        let mut bytes = b"_SM3_\0\x18\x03".to_vec();
        bytes.resize(24, 0);
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        bytes[16..24].copy_from_slice(&0x1_0000_0000_u64.to_le_bytes());
        adding_up(bytes, 5)
    }

    #[test]
    fn both_forms_are_found_where_they_may_begin() {
        let found = |entry: &[u8], at: usize| {
            let mut memory = vec![0; at];
            memory.extend_from_slice(entry);
            memory.resize(memory.len().next_multiple_of(STEP) + STEP, 0);
            EntryPoint::find(&memory)
        };
        let table = EntryPoint { table: PhysAddr::new(0xf_0000), length: 0x123 };
        assert_eq!(found(&old(), 32), Some(table));
        assert_eq!(found(&old(), 8), None);
        let above = EntryPoint { table: PhysAddr::new(0x1_0000_0000), length: MOST };
        assert_eq!(found(&new(), 16), Some(above));
        let mut wrong = old();
        wrong[30] ^= 1;
        assert_eq!(found(&wrong, 0), None);
        // One that is wrong does not hide the next.
        wrong.resize(48, 0);
        wrong.extend(new());
        assert_eq!(found(&wrong, 0), Some(above));
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_no_trouble(mut bytes in prop::collection::vec(any::<u8>(), 0..96), new in any::<bool>()) {
            let mark: &[u8] = if new { b"_SM3_" } else { b"_SM_" };
            let length = mark.len().min(bytes.len());
            bytes[..length].copy_from_slice(&mark[..length]);
            EntryPoint::find(&bytes);
        }
    }
}
