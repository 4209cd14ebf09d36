//! A blocked request as a VT-d unit sees it ("Intel VT for Directed I/O specific DMAr Error Section").

use crate::field::Field;

const VERSION: Field<u8> = Field::at(0);
const REVISION: Field<u8> = Field::at(1);
const OEM_ID: Field<[u8; 6]> = Field::at(2);
const CAPABILITIES: Field<u64> = Field::at(8);
const EXTENDED_CAPABILITIES: Field<u64> = Field::at(16);
const GLOBAL_COMMAND: Field<u32> = Field::at(24);
const GLOBAL_STATUS: Field<u32> = Field::at(28);
const FAULT_STATUS: Field<u32> = Field::at(32);
const FAULT_RECORD: Field<[u64; 2]> = Field::at(48);
const ROOT_ENTRY: Field<[u64; 2]> = Field::at(64);
const CONTEXT_ENTRY: Field<[u64; 2]> = Field::at(80);

/// The entry of a level of the page tables, 1 to 6; the highest level stands first.
const fn page_entry(level: usize) -> Field<u64> {
    Field::at(96 + (VtdDmar::LEVELS - level) * 8)
}

/// The unit's registers, and the entries that the walk for the request met. Pairs are lower and upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VtdDmar {
    /// The version register: major in bits 7:4, minor in bits 3:0.
    pub version: u8,
    /// Revision of the firmware's DMAR table.
    pub revision: u8,
    /// OEM id of the firmware's DMAR table.
    pub oem_id: [u8; 6],
    /// The capability register.
    pub capabilities: u64,
    /// The extended capability register.
    pub extended_capabilities: u64,
    /// What the global command register was last told.
    pub global_command: u32,
    /// The global status register.
    pub global_status: u32,
    /// The fault status register.
    pub fault_status: u32,
    /// The fault record.
    pub fault_record: [u64; 2],
    /// The root entry of the requester's bus.
    pub root_entry: [u64; 2],
    /// The requester's context entry.
    pub context_entry: [u64; 2],
    /// The page-table entries for the address, that of level 1 first; zero where the walk did not get.
    pub entries: [u64; Self::LEVELS],
}

impl VtdDmar {
    /// Bytes of a section.
    pub const BYTES: usize = 144;

    /// A section that says nothing.
    pub const NOTHING: Self = Self {
        version: 0,
        revision: 0,
        oem_id: [0; 6],
        capabilities: 0,
        extended_capabilities: 0,
        global_command: 0,
        global_status: 0,
        fault_status: 0,
        fault_record: [0; 2],
        root_entry: [0; 2],
        context_entry: [0; 2],
        entries: [0; Self::LEVELS],
    };

    /// Levels of page tables that a section has room for.
    pub const LEVELS: usize = 6;

    pub(crate) fn write(&self, to: &mut [u8]) {
        VERSION.set(to, self.version);
        REVISION.set(to, self.revision);
        OEM_ID.set(to, self.oem_id);
        CAPABILITIES.set(to, self.capabilities);
        EXTENDED_CAPABILITIES.set(to, self.extended_capabilities);
        GLOBAL_COMMAND.set(to, self.global_command);
        GLOBAL_STATUS.set(to, self.global_status);
        FAULT_STATUS.set(to, self.fault_status);
        FAULT_RECORD.set(to, self.fault_record);
        ROOT_ENTRY.set(to, self.root_entry);
        CONTEXT_ENTRY.set(to, self.context_entry);
        for (level, entry) in (1..).zip(self.entries) {
            page_entry(level).set(to, entry);
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::BYTES)?;
        let mut entries = [0; Self::LEVELS];
        for (level, entry) in (1..).zip(&mut entries) {
            *entry = page_entry(level).get(bytes)?;
        }
        Some(Self {
            version: VERSION.get(bytes)?,
            revision: REVISION.get(bytes)?,
            oem_id: OEM_ID.get(bytes)?,
            capabilities: CAPABILITIES.get(bytes)?,
            extended_capabilities: EXTENDED_CAPABILITIES.get(bytes)?,
            global_command: GLOBAL_COMMAND.get(bytes)?,
            global_status: GLOBAL_STATUS.get(bytes)?,
            fault_status: FAULT_STATUS.get(bytes)?,
            fault_record: FAULT_RECORD.get(bytes)?,
            root_entry: ROOT_ENTRY.get(bytes)?,
            context_entry: CONTEXT_ENTRY.get(bytes)?,
            entries,
        })
    }
}
