//! What a unit is and can do (VT-d "Version Register", "Capability Register", "Extended Capability
//! Register").

use core::fmt;

use dma_types::PageSize;
use mmio_regs::register_value;

use super::second_stage::TableLevels;

/// Takes `width` bits of `bits` from bit `low`.
const fn field(bits: u64, low: u32, width: u32) -> u64 {
    (bits >> low) & ((1 << width) - 1)
}

/// The architecture version a unit claims; says little on emulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

impl Version {
    /// The major number of the architecture version, bits 7:4.
    pub const fn major(self) -> u32 {
        (self.0 >> 4) & 0xf
    }

    /// The minor number of the architecture version, bits 3:0.
    pub const fn minor(self) -> u32 {
        self.0 & 0xf
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

/// What a unit can do (VT-d "Capability Register").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// ND: how many domain ids the unit tells apart.
    pub const fn domains(self) -> u32 {
        // 2^(4 + 2 ND); ND 7 is reserved and read as 6, because an id has 16 bits.
        let code = field(self.0, 0, 3);
        if code >= 6 { 1 << 16 } else { 1 << (4 + 2 * code) }
    }

    /// AFL: faults can go to a log in memory instead of the records.
    pub const fn advanced_fault_logging(self) -> bool {
        field(self.0, 3, 1) != 0
    }

    /// RWBF: changes of the tables must be followed by a flush of the chipset's write buffer.
    pub const fn write_buffer_flush_required(self) -> bool {
        field(self.0, 4, 1) != 0
    }

    /// PLMR or PHMR: the unit has protected memory regions.
    pub const fn protected_memory_regions(self) -> bool {
        field(self.0, 5, 2) != 0
    }

    /// CM: entries that are not present may be cached too, so mapping needs an invalidation.
    pub const fn caching_mode(self) -> bool {
        field(self.0, 7, 1) != 0
    }

    /// SAGAW: the table depths that the unit walks.
    pub const fn table_levels(self) -> SupportedLevels {
        SupportedLevels(field(self.0, 8, 5) as u8)
    }

    /// MGAW: bits of the widest address a device may use.
    pub const fn address_width(self) -> u8 {
        field(self.0, 16, 6) as u8 + 1
    }

    /// ZLR: reads of zero length pass on write-only pages.
    pub const fn zero_length_read(self) -> bool {
        field(self.0, 22, 1) != 0
    }

    /// FRO: bytes from the window's start to the first fault record.
    pub const fn fault_record_offset(self) -> usize {
        field(self.0, 24, 10) as usize * 16
    }

    /// SLLPS: the large pages that second-stage entries may cover.
    pub const fn large_pages(self) -> SupportedPageSizes {
        SupportedPageSizes(field(self.0, 34, 4) as u8)
    }

    /// PSI: single pages can be invalidated.
    pub const fn page_selective_invalidation(self) -> bool {
        field(self.0, 39, 1) != 0
    }

    /// NFR: number of fault records, 1 to 256.
    pub const fn fault_records(self) -> usize {
        field(self.0, 40, 8) as usize + 1
    }

    /// MAMV: the largest power of two of pages that one page invalidation covers.
    pub const fn max_address_mask(self) -> u8 {
        field(self.0, 48, 6) as u8
    }

    /// DWD: an invalidation can wait for writes under way.
    pub const fn drains_writes(self) -> bool {
        field(self.0, 54, 1) != 0
    }

    /// DRD: an invalidation can wait for reads under way.
    pub const fn drains_reads(self) -> bool {
        field(self.0, 55, 1) != 0
    }

    /// ESRTPS: a new root table pointer empties the caches by itself, and may be of another table mode while
    /// translation is on.
    pub const fn changes_table_mode(self) -> bool {
        field(self.0, 63, 1) != 0
    }
}

register_value!(fields Version: u32);
register_value!(fields Capabilities: u64);
register_value!(fields ExtendedCapabilities: u64);

/// VT-d "Extended Capability Register".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedCapabilities(pub u64);

impl ExtendedCapabilities {
    /// C: the unit's reads of the tables see the processor's caches.
    pub const fn coherent_walks(self) -> bool {
        field(self.0, 0, 1) != 0
    }

    /// QI: there is an invalidation queue.
    pub const fn queued_invalidation(self) -> bool {
        field(self.0, 1, 1) != 0
    }

    /// DT: device TLBs are supported.
    pub const fn device_tlb(self) -> bool {
        field(self.0, 2, 1) != 0
    }

    /// IR: interrupts can be remapped.
    pub const fn interrupt_remapping(self) -> bool {
        field(self.0, 3, 1) != 0
    }

    /// EIM: 32-bit interrupt destinations; the upper address registers exist.
    pub const fn extended_interrupt_mode(self) -> bool {
        field(self.0, 4, 1) != 0
    }

    /// PT: context entries may let a device pass untranslated.
    pub const fn pass_through(self) -> bool {
        field(self.0, 6, 1) != 0
    }

    /// SC: leaf entries may force snooping (SNP).
    pub const fn snoop_control(self) -> bool {
        field(self.0, 7, 1) != 0
    }

    /// IRO: bytes from the window's start to the IOTLB registers.
    pub const fn iotlb_offset(self) -> usize {
        field(self.0, 8, 10) as usize * 16
    }

    /// MHMV: the largest power of two of interrupt entries that one invalidation covers.
    pub const fn max_handle_mask(self) -> u8 {
        field(self.0, 20, 4) as u8
    }

    /// SMTS: scalable mode is supported.
    pub const fn scalable_mode(self) -> bool {
        field(self.0, 43, 1) != 0
    }
}

/// The table depths that a unit walks, as the SAGAW field has them: bit n stands for n + 2 levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedLevels(u8);

impl SupportedLevels {
    /// Takes the field's bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The field as it stands in the register.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Tells whether tables of this depth are walked.
    pub const fn supports(self, levels: TableLevels) -> bool {
        self.0 & 1 << levels.address_width_code() != 0
    }

    /// The depth to use: four levels, else three (both are walked quicker), else five.
    pub fn preferred(self) -> Option<TableLevels> {
        [TableLevels::Four, TableLevels::Three, TableLevels::Five]
            .into_iter()
            .find(|&levels| self.supports(levels))
    }
}

/// The large pages that second-stage entries may cover, as the SLLPS field has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedPageSizes(u8);

impl SupportedPageSizes {
    /// Takes the field's bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The field as it stands in the register.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Tells whether one entry may cover this much; 4 KiB always may.
    pub const fn supports(self, size: PageSize) -> bool {
        match size {
            PageSize::Size4K => true,
            PageSize::Size2M => self.0 & 1 != 0,
            PageSize::Size1G => self.0 & 2 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_unit_decodes() {
        // QEMU's unit with its default properties.
        let capabilities = Capabilities(0x00d2_008c_222f_0606);
        assert_eq!(capabilities.domains(), 1 << 16);
        assert_eq!(capabilities.table_levels().bits(), 0b0_0110);
        assert_eq!(capabilities.table_levels().preferred(), Some(TableLevels::Four));
        assert_eq!(capabilities.address_width(), 48);
        assert_eq!(capabilities.fault_record_offset(), 0x220);
        assert_eq!(capabilities.fault_records(), 1);
        assert_eq!(capabilities.max_address_mask(), 18);
        assert!(capabilities.large_pages().supports(PageSize::Size2M));
        assert!(capabilities.large_pages().supports(PageSize::Size1G));
        assert!(capabilities.page_selective_invalidation());
        assert!(capabilities.drains_reads() && capabilities.drains_writes());
        assert!(!capabilities.caching_mode() && !capabilities.zero_length_read());
        assert!(!capabilities.write_buffer_flush_required() && !capabilities.protected_memory_regions());
        assert!(!capabilities.advanced_fault_logging());

        let extended = ExtendedCapabilities(0x00f0_0f4a);
        assert_eq!(extended.iotlb_offset(), 0xf0);
        assert!(extended.queued_invalidation() && extended.interrupt_remapping());
        assert!(extended.pass_through());
        assert_eq!(extended.max_handle_mask(), 15);
        assert!(!extended.coherent_walks() && !extended.device_tlb() && !extended.snoop_control());
        assert!(!extended.extended_interrupt_mode() && !extended.scalable_mode());
    }

    #[test]
    fn depth_follows_the_field() {
        let preferred = |bits| SupportedLevels::from_bits(bits).preferred();
        assert_eq!(preferred(0b0_0010), Some(TableLevels::Three));
        assert_eq!(preferred(0b0_1110), Some(TableLevels::Four));
        assert_eq!(preferred(0b0_1000), Some(TableLevels::Five));
        assert_eq!(preferred(0b1_0001), None);
    }

    #[test]
    fn the_number_of_domains_never_exceeds_the_ids() {
        assert_eq!(Capabilities(0).domains(), 16);
        assert_eq!(Capabilities(4).domains(), 4096);
        assert_eq!(Capabilities(7).domains(), 65536);
    }

    #[test]
    fn versions_read_as_they_are_written() {
        assert_eq!(std::format!("{}", Version(0x15)), "1.5");
    }
}
