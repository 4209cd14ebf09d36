//! Where the high-precision event timer lies, ACPI "HPET Description Table" (IA-PC HPET).

use dma_types::PhysAddr;

/// Bytes up to the end of the address.
const LEN: usize = 52;
/// Where the generic address stands, and in it its address space and the address itself.
const ADDRESS_SPACE: usize = 40;
const ADDRESS: usize = 44;
/// Address space: memory.
const MEMORY: u8 = 0;

/// Where a HPET table says that the registers lie; `None` if it names no memory. Nothing of it is checked.
pub fn hpet_registers(table: &[u8]) -> Option<PhysAddr> {
    let table = table.get(..LEN)?;
    if *table.get(ADDRESS_SPACE)? != MEMORY {
        return None;
    }
    Some(PhysAddr::new(u64::from_le_bytes(*table.get(ADDRESS..)?.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_where_it_is_in_memory() {
        let mut table = [0; 56];
        table[ADDRESS..LEN].copy_from_slice(&0xfed0_0000_u64.to_le_bytes());
        assert_eq!(hpet_registers(&table), Some(PhysAddr::new(0xfed0_0000)));
        assert_eq!(hpet_registers(&table[..LEN - 1]), None);
        table[ADDRESS_SPACE] = 1;
        assert_eq!(hpet_registers(&table), None);
    }
}
