//! A fault as a UEFI error record, for tools that read those.

use core::sync::atomic::{AtomicU64, Ordering};

use ::cper::{
    AccessType, Architecture, DmaFault, DmarGeneric, Flags, GenericReason, Guid, Header, Severity, VtdDmar,
};
use report::Action;
use vtd::spec::command::{GlobalCommand, GlobalStatus};
use vtd::spec::fault_reason::FaultReason;
use vtd::spec::fault_record::FaultRecord;
use vtd::tables::RequestWalk;

use super::drain::Captured;
use super::recent::FaultNote;
use crate::iommu::Unit;

/// Names this kernel as a writer of records.
const CREATOR: Guid =
    Guid::new(0x8a1d_64e2, 0x5f0c, 0x4b7a, [0x9e, 0x21, 0x6c, 0x3f, 0xd0, 0x5b, 0x77, 0x14]);

/// Where an ACPI table has its revision and its OEM id (ACPI "System Description Table Header").
const TABLE_REVISION: usize = 8;
const TABLE_OEM_ID: usize = 10;

/// Revision and OEM id of the table in use: byte 0, and bytes 1 to 6.
static TABLE: AtomicU64 = AtomicU64::new(0);

/// Notes which firmware's table the units were taken from.
pub fn note_table(bytes: &[u8]) {
    let revision = bytes.get(TABLE_REVISION).copied().unwrap_or(0);
    let oem_id = bytes.get(TABLE_OEM_ID..).and_then(<[u8]>::first_chunk::<6>).copied().unwrap_or_default();
    let [a, b, c, d, e, f] = oem_id;
    TABLE.store(u64::from_le_bytes([revision, a, b, c, d, e, f, 0]), Ordering::Relaxed);
}

/// What a unit and its tables hold about a fault now.
pub(super) fn evidence(captured: &Captured, unit: &Unit, walk: Option<&RequestWalk>) -> VtdDmar {
    let [revision, oem_id @ .., _] = TABLE.load(Ordering::Relaxed).to_le_bytes();
    let (low, high) = captured.record.halves();
    let status = unit.status().unwrap_or(GlobalStatus::empty());
    let (version, capabilities, extended_capabilities) = unit.facts.map_or((0, 0, 0), |facts| {
        let (major, minor) = facts.version;
        ((major << 4 | minor) as u8, facts.capabilities.0, facts.extended.0)
    });
    let mut entries = [0; VtdDmar::LEVELS];
    for step in walk.iter().flat_map(|walk| walk.steps()) {
        if let Some(place) = entries.get_mut(usize::from(step.level).wrapping_sub(1)) {
            *place = step.entry.bits();
        }
    }
    VtdDmar {
        version,
        revision,
        oem_id,
        capabilities,
        extended_capabilities,
        // What the command register was last told, as far as it still holds.
        global_command: GlobalCommand::keeping(status).bits(),
        global_status: status.bits(),
        fault_status: captured.status.bits(),
        fault_record: [low, high],
        root_entry: walk.and_then(|walk| walk.root).map_or([0; 2], |root| [root.low(), root.high()]),
        context_entry: walk.and_then(|walk| walk.context).map_or([0; 2], |entry| [entry.low(), entry.high()]),
        entries,
    }
}

/// The record about a fault.
pub fn error_record(fault: &FaultNote) -> DmaFault {
    let [low, high] = fault.unit.fault_record;
    DmaFault {
        header: Header {
            severity: match fault.action {
                Action::Bugcheck => Severity::FATAL,
                Action::Contained | Action::Logged | Action::Expected => Severity::RECOVERABLE,
            },
            creator: CREATOR,
            notification: Guid::DMAR_NOTIFICATION,
            id: fault.number,
            flags: if fault.action == Action::Expected { Flags::SIMULATED } else { Flags::NONE },
        },
        generic: DmarGeneric {
            requester: fault.requester,
            reason: GenericReason::of(FaultReason(fault.reason.0).kind()),
            access: AccessType::of(fault.access),
            address_type: FaultRecord::from_halves(low, high).address_type().0,
            architecture: Architecture::VTD,
            address: fault.address.unwrap_or_default().as_u64(),
        },
        vtd: fault.unit,
    }
}
