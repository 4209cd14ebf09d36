//! A walk from table memory alone, written from the document and not from the tables' code: what a request reaches when
//! nothing is remembered.

use dma_types::{Access, Iova, PhysAddr, SourceId};

/// Words of memory as the unit reads them; `None` where there is none.
pub trait WalkMemory {
    /// Reads the word at a multiple of 8.
    fn read(&self, at: PhysAddr) -> Option<u64>;
}

/// What the control and base registers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkStart {
    /// The device table base register.
    pub table: u64,
    /// The deepest page table that the unit walks.
    pub deepest: u8,
}

/// Where a request arrives, and for how much of the address space that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The byte of memory.
    pub phys: PhysAddr,
    /// Power of two of bytes that one entry maps.
    pub order: u32,
    /// It may be read.
    pub reads: bool,
    /// It may be written.
    pub writes: bool,
}

/// Why a request does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The device entry is refused by its own word, without an event.
    Closed,
    /// The device entry is malformed, or lies beyond the table.
    IllegalEntry,
    /// Something could not be read.
    Unreadable(PhysAddr),
    /// A page table entry has reserved bits set, or leads nowhere.
    Reserved,
    /// Nothing is mapped there.
    NotMapped,
    /// The page is mapped, but not for this access.
    NoPermission,
}

/// The four words of a requester's device entry.
///
/// # Errors
/// It lies beyond the table, or could not be read.
pub fn device_entry(
    memory: &impl WalkMemory,
    start: &WalkStart,
    source: SourceId,
) -> Result<[u64; 4], Blocked> {
    let base = start.table >> 12 << 12 & ((1 << 52) - 1);
    let bytes = ((start.table & 0x1ff) + 1) * 4096;
    let offset = u64::from(source.bits()) * 32;
    if offset + 32 > bytes {
        return Err(Blocked::IllegalEntry);
    }
    let mut words = [0; 4];
    for (word, number) in words.iter_mut().zip(0_u64..) {
        let at = PhysAddr::new(base + offset + number * 8);
        *word = memory.read(at).ok_or(Blocked::Unreadable(at))?;
    }
    Ok(words)
}

/// Follows a device entry to the memory behind an address.
///
/// # Errors
/// As [`Blocked`] says.
pub fn follow(
    memory: &impl WalkMemory,
    start: &WalkStart,
    entry: [u64; 4],
    iova: Iova,
    access: Access,
) -> Result<Found, Blocked> {
    let [first, second, ..] = entry;
    let address = iova.as_u64();
    let through = Found { phys: PhysAddr::new(address), order: 12, reads: true, writes: true };
    if first & 1 == 0 {
        return Ok(through);
    }
    // Bits 6:2 and 63 of the first word, 42 of the second.
    if first & (0x7c | 1 << 63) != 0 || second & 1 << 42 != 0 {
        return Err(Blocked::IllegalEntry);
    }
    if first & 2 == 0 {
        return Err(Blocked::Closed);
    }
    let mut reads = first & 1 << 61 != 0;
    let mut writes = first & 1 << 62 != 0;
    let mode = (first >> 9 & 7) as u32;
    if mode > u32::from(start.deepest) {
        return Err(Blocked::IllegalEntry);
    }
    if mode == 0 {
        return permit(Found { reads, writes, ..through }, access);
    }
    let width = (12 + 9 * mode).min(64);
    if width < 64 && address >> width != 0 {
        return Err(Blocked::NotMapped);
    }
    let mut table = first & 0x000f_ffff_ffff_f000;
    let mut level = mode;
    loop {
        let shift = 12 + 9 * (level - 1);
        let at = PhysAddr::new(table + (address >> shift & 0x1ff) * 8);
        let entry = memory.read(at).ok_or(Blocked::Unreadable(at))?;
        if entry & 1 == 0 {
            return Err(Blocked::NotMapped);
        }
        if entry & (1 << 63 | 0x7f << 52) != 0 {
            return Err(Blocked::Reserved);
        }
        reads &= entry & 1 << 61 != 0;
        writes &= entry & 1 << 62 != 0;
        let next = (entry >> 9 & 7) as u32;
        let pointer = entry & 0x000f_ffff_ffff_f000;
        let order = match next {
            0 => shift,
            // The lowest 0 of the address from bit 12 on tells the size.
            7 => (pointer >> 12).trailing_ones() + 13,
            next if next >= level => return Err(Blocked::Reserved),
            next => {
                // Levels that are skipped must have indices of 0.
                let skipped = (address & ((1 << shift) - 1)) >> (12 + 9 * next);
                if skipped != 0 {
                    return Err(Blocked::NotMapped);
                }
                (table, level) = (pointer, next);
                continue;
            }
        };
        let offset = address & ((1 << order) - 1);
        let phys = PhysAddr::new(pointer >> order << order | offset);
        return permit(Found { phys, order, reads, writes }, access);
    }
}

/// A request from its device entry to memory.
///
/// # Errors
/// As [`Blocked`] says.
pub fn walk(
    memory: &impl WalkMemory,
    start: &WalkStart,
    source: SourceId,
    iova: Iova,
    access: Access,
) -> Result<Found, Blocked> {
    follow(memory, start, device_entry(memory, start, source)?, iova, access)
}

/// Checks a request against what was found.
///
/// # Errors
/// It is not permitted.
pub fn permit(found: Found, access: Access) -> Result<Found, Blocked> {
    let permitted = match access {
        Access::Read => found.reads,
        Access::Write => found.writes,
        _ => found.reads && found.writes,
    };
    if permitted { Ok(found) } else { Err(Blocked::NoPermission) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Words(BTreeMap<u64, u64>);

    impl WalkMemory for Words {
        fn read(&self, at: PhysAddr) -> Option<u64> {
            self.0.get(&at.as_u64()).copied()
        }
    }

    const START: WalkStart = WalkStart { table: 0x10_0000, deepest: 6 };
    const SOURCE: SourceId = SourceId::from_bits(3);

    /// Memory with a device entry of requester 3 and some words.
    fn machine(first: u64, words: &[(u64, u64)]) -> Words {
        let entry = [(0x10_0060, first), (0x10_0068, 5), (0x10_0070, 0), (0x10_0078, 0)];
        Words(entry.iter().chain(words).copied().collect())
    }

    fn reach(machine: &Words, iova: u64, access: Access) -> Result<u64, Blocked> {
        walk(machine, &START, SOURCE, Iova::new(iova), access).map(|found| found.phys.as_u64())
    }

    #[test]
    fn a_device_entry_that_is_not_valid_lets_everything_pass() {
        assert_eq!(reach(&machine(0, &[]), 0x1234, Access::Write), Ok(0x1234));
        assert_eq!(reach(&machine(1, &[]), 0x1234, Access::Read), Err(Blocked::Closed));
        assert_eq!(reach(&machine(5, &[]), 0x1234, Access::Read), Err(Blocked::IllegalEntry));
        let far = SourceId::from_bits(0x80);
        assert_eq!(
            walk(&machine(0, &[]), &START, far, Iova::new(0), Access::Read),
            Err(Blocked::IllegalEntry)
        );
    }

    #[test]
    fn without_tables_the_entry_itself_permits() {
        assert_eq!(reach(&machine(1 << 61 | 3, &[]), 0x5000, Access::Read), Ok(0x5000));
        assert_eq!(reach(&machine(1 << 61 | 3, &[]), 0x5000, Access::Write), Err(Blocked::NoPermission));
    }

    #[test]
    fn every_level_has_to_permit() {
        let both = 3 << 61;
        let root = both | 2 << 9 | 3 | 0x20_0000;
        let tables = [(0x20_0008, both | 1 << 9 | 1 | 0x30_0000), (0x30_0028, 1 << 61 | 1 | 0x7000)];
        let machine = machine(root, &tables);
        assert_eq!(reach(&machine, 0x20_5abc, Access::Read), Ok(0x7abc));
        assert_eq!(reach(&machine, 0x20_5abc, Access::Write), Err(Blocked::NoPermission));
        assert_eq!(reach(&machine, 0x1_0000_0000, Access::Read), Err(Blocked::NotMapped));
        assert!(matches!(reach(&machine, 0x20_6000, Access::Read), Err(Blocked::Unreadable(_))));
    }

    #[test]
    fn a_page_may_be_as_large_as_its_address_says() {
        let both = 3 << 61;
        // 64 KiB: bits 14:12 are 1, bit 15 is 0.
        let large = (0x30_0000, both | 7 << 9 | 1 | 0x8000_7000);
        let machine = machine(both | 1 << 9 | 3 | 0x30_0000, &[large]);
        assert_eq!(reach(&machine, 0x123, Access::Read), Ok(0x8000_0123));
        let found = walk(&machine, &START, SOURCE, Iova::new(0), Access::Read).unwrap();
        assert_eq!(found.order, 16);
    }
}
