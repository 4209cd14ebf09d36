//! Why a request was blocked (VT-d "Fault Reason Encodings"): the one table of numbers, kinds and words.

use core::fmt;

use dma_types::FaultKind::{self, *};

/// The reason field of a fault record. An open number: a unit may report what no document names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultReason(pub u8);

impl FaultReason {
    /// The root entry of this bus is not present.
    pub const ROOT_NOT_PRESENT: Self = Self(0x01);
    /// The context entry of this device is not present.
    pub const CONTEXT_NOT_PRESENT: Self = Self(0x02);
    /// The address is above the supported width.
    pub const BEYOND_WIDTH: Self = Self(0x04);
    /// Write without write permission; a page that is not mapped, too.
    pub const NO_WRITE_PERMISSION: Self = Self(0x05);
    /// Read without read permission; a page that is not mapped, too.
    pub const NO_READ_PERMISSION: Self = Self(0x06);

    /// What it means, as a clause; `None` for a number that no document names.
    pub fn meaning(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.meaning)
    }

    /// The specification's label, such as `LGN.2`, where there is one.
    pub fn label(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.label).filter(|label| !label.is_empty())
    }

    /// What it says of the fault, in terms that fit every family of units. A number that no document names is an interrupt's
    /// where those have theirs.
    pub fn kind(self) -> FaultKind {
        let unnamed = if self.is_interrupt() { Interrupt } else { Unknown };
        self.entry().map_or(unnamed, |entry| entry.kind)
    }

    /// Tells whether it is about an interrupt request, whose record holds an index and no address.
    pub const fn is_interrupt(self) -> bool {
        matches!(self.0, 0x20..=0x2f)
    }

    fn entry(self) -> Option<&'static Reason> {
        let place = PLACES.get(usize::from(self.0))?;
        REASONS.get(usize::from(*place))
    }
}

impl fmt::Display for FaultReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => f.write_str(meaning),
            None => write!(f, "unknown reason {:#x}", self.0),
        }
    }
}

/// One row of the table.
struct Reason {
    code: u8,
    label: &'static str,
    kind: FaultKind,
    meaning: &'static str,
}

const fn reason(code: u8, label: &'static str, kind: FaultKind, meaning: &'static str) -> Reason {
    Reason { code, label, kind, meaning }
}

/// Legacy mode, interrupt remapping (no labels), scalable mode; in ascending order.
const REASONS: &[Reason] = &[
    reason(0x01, "LRT.2", NoDeviceTable, "the root entry of this bus is not present"),
    reason(0x02, "LCT.2", NoDeviceEntry, "the context entry of this device is not present"),
    reason(0x03, "LCT.4", DeviceEntryInvalid, "the context entry is programmed invalidly"),
    reason(0x04, "LGN.1", BeyondWidth, "the address is above the supported width"),
    reason(0x05, "LGN.2", NoWritePermission, "write without write permission"),
    reason(0x06, "LGN.3", NoReadPermission, "read without read permission"),
    reason(0x07, "LSL.1", PageTableUnreadable, "a page-table entry could not be fetched"),
    reason(0x08, "LRT.1", DeviceTableUnreadable, "the root entry could not be fetched"),
    reason(0x09, "LCT.1", DeviceTableUnreadable, "the context entry could not be fetched"),
    reason(0x0a, "LRT.3", DeviceTableReserved, "reserved bits are set in the root entry"),
    reason(0x0b, "LCT.3", DeviceTableReserved, "reserved bits are set in the context entry"),
    reason(0x0c, "LSL.2", PageTableReserved, "reserved bits are set in a page-table entry"),
    reason(
        0x0d,
        "LCT.5",
        TranslatedRequest,
        "the context type does not permit translation or translated requests",
    ),
    reason(0x0e, "LGN.4", IntoInterruptRange, "the translation leads into the interrupt address range"),
    reason(0x20, "", MalformedInterrupt, "reserved bits are set in the remappable interrupt request"),
    reason(0x21, "", InterruptBeyondTable, "the interrupt index is beyond the remapping table"),
    reason(0x22, "", NoInterruptEntry, "the interrupt remapping entry is not present"),
    reason(0x23, "", InterruptTableUnreadable, "the interrupt remapping entry could not be fetched"),
    reason(0x24, "", InterruptTableReserved, "reserved bits are set in the interrupt remapping entry"),
    reason(0x25, "", CompatibilityInterrupt, "an interrupt of the compatibility format was blocked"),
    reason(0x26, "", ForeignInterrupt, "the interrupt remapping entry belongs to another requester"),
    reason(0x27, "", InterruptTableUnreadable, "the posted-interrupt descriptor could not be fetched"),
    reason(0x28, "", InterruptTableReserved, "reserved bits are set in the posted-interrupt descriptor"),
    reason(0x29, "", Interrupt, "the untranslated interrupt request is invalid"),
    reason(0x30, "RTA.1", DeviceEntryInvalid, "the root table address is invalid"),
    reason(0x31, "RTA.2", ProcessRequest, "a request with PASID met the legacy table mode"),
    reason(0x32, "RTA.3", ProcessRequest, "a page request met the legacy table mode"),
    reason(0x33, "RTA.4", NoDeviceTable, "the root table mode blocks the request"),
    reason(0x38, "SRT.1", DeviceTableUnreadable, "the scalable root entry could not be fetched"),
    reason(0x39, "SRT.2", NoDeviceTable, "the scalable root entry is not present"),
    reason(0x3a, "SRT.3", DeviceTableReserved, "reserved bits are set in the scalable root entry"),
    reason(0x40, "SCT.1", DeviceTableUnreadable, "the scalable context entry could not be fetched"),
    reason(0x41, "SCT.2", NoDeviceEntry, "the scalable context entry is not present"),
    reason(0x42, "SCT.3", DeviceTableReserved, "reserved bits are set in the scalable context entry"),
    reason(0x43, "SCT.4", DeviceEntryInvalid, "the scalable context entry is programmed invalidly"),
    reason(0x44, "SCT.5", TranslatedRequest, "the context entry does not enable device TLBs"),
    reason(0x45, "SCT.6", ProcessRequest, "the context entry does not enable PASIDs"),
    reason(0x46, "SCT.7", ProcessRequest, "the PASID is larger than the context entry allows"),
    reason(0x47, "SCT.8", ProcessRequest, "the context entry does not enable page requests"),
    reason(0x48, "SCT.9", ProcessRequest, "the context entry's PASID for requests without one is invalid"),
    reason(0x50, "SPD.1", DeviceTableUnreadable, "the PASID directory entry could not be fetched"),
    reason(0x51, "SPD.2", NoProcessEntry, "the PASID directory entry is not present"),
    reason(0x52, "SPD.3", DeviceTableReserved, "reserved bits are set in the PASID directory entry"),
    reason(0x58, "SPT.1", DeviceTableUnreadable, "the PASID table entry could not be fetched"),
    reason(0x59, "SPT.2", NoProcessEntry, "the PASID table entry is not present"),
    reason(0x5a, "SPT.3", DeviceTableReserved, "reserved bits are set in the PASID table entry"),
    reason(0x5b, "SPT.4", DeviceEntryInvalid, "the PASID table entry is programmed invalidly"),
    reason(0x5c, "SPT.5", NoPrivilege, "execute requests are not enabled"),
    reason(0x5d, "SPT.6", NoPrivilege, "supervisor requests are not enabled"),
    reason(0x70, "SFL.1", PageTableUnreadable, "a first-stage entry could not be fetched"),
    reason(0x71, "SFL.2", NoPermission, "a first-stage entry is not present"),
    reason(0x72, "SFL.3", PageTableReserved, "reserved bits are set in a first-stage entry"),
    reason(0x73, "SFL.4", PageTableInvalid, "the first-stage table pointer is invalid"),
    reason(0x74, "SFL.5", BeyondWidth, "the first-stage address is beyond the width when nested"),
    reason(0x75, "SFL.6", NoPermission, "nested: the top first-stage table may not be read"),
    reason(0x76, "SFL.7", NoPermission, "nested: a first-stage table may not be read"),
    reason(0x77, "SFL.8", NoPermission, "nested: a first-stage table may not be written"),
    reason(0x78, "SSL.1", PageTableUnreadable, "a second-stage entry could not be fetched"),
    reason(0x79, "SSL.2", NoPermission, "a second-stage entry gives no permission"),
    reason(0x7a, "SSL.3", PageTableReserved, "reserved bits are set in a second-stage entry"),
    reason(0x7b, "SSL.4", PageTableInvalid, "the second-stage table pointer is invalid"),
    reason(
        0x7c,
        "SSL.5",
        PageTableInvalid,
        "accessed or dirty flags of the second stage need an update without snooping",
    ),
    reason(0x7d, "SSL.6", NoPermission, "the second stage does not permit the request"),
    reason(0x80, "SGN.1", BeyondWidth, "the address is not canonical"),
    reason(0x81, "SGN.2", NoPrivilege, "user request to a supervisor page"),
    reason(0x82, "SGN.3", NoPrivilege, "execute request without execute permission"),
    reason(0x83, "SGN.4", BeyondWidth, "the address is beyond the width of the hardware"),
    reason(0x84, "SGN.5", BeyondWidth, "the address is beyond the width of the second stage"),
    reason(0x85, "SGN.6", NoWritePermission, "write without write permission"),
    reason(0x86, "SGN.7", NoReadPermission, "read without read permission"),
    reason(0x87, "SGN.8", IntoInterruptRange, "the translation leads into the interrupt address range"),
    reason(0x88, "SGN.9", PageTableInvalid, "general fault 9 of the scalable mode"),
    reason(0x89, "SGN.10", PageTableInvalid, "general fault 10 of the scalable mode"),
    reason(
        0x90,
        "SFL.9",
        PageTableInvalid,
        "accessed or dirty flags of the first stage need an update without snooping",
    ),
    reason(
        0x91,
        "SFL.10",
        PageTableInvalid,
        "accessed or dirty flags of the first stage could not be updated",
    ),
];

/// Where each number has its row: a fault is judged in few instructions. Behind the last row for what is not named.
static PLACES: [u8; 256] = {
    let mut places = [REASONS.len() as u8; 256];
    let mut row = 0;
    while row < REASONS.len() {
        places[REASONS[row].code as usize] = row as u8;
        row += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn the_table_is_in_order_and_names_each_code_once() {
        assert!(REASONS.is_sorted_by(|a, b| a.code < b.code));
        assert_eq!(REASONS.len(), 75);
    }

    #[test]
    fn known_reasons_have_words_and_unknown_ones_a_number() {
        assert_eq!(format!("{}", FaultReason::NO_WRITE_PERMISSION), "write without write permission");
        assert_eq!(FaultReason::NO_WRITE_PERMISSION.label(), Some("LGN.2"));
        assert_eq!(FaultReason(0x26).label(), None);
        assert!(FaultReason(0x26).meaning().is_some());
        for unknown in [0x00, 0x10, 0x92, 0xff] {
            assert_eq!(FaultReason(unknown).meaning(), None);
        }
        assert_eq!(format!("{}", FaultReason(0x92)), "unknown reason 0x92");
    }

    #[test]
    fn what_is_named_has_a_kind_and_interrupts_one_of_theirs() {
        for number in 0..=u8::MAX {
            let reason = FaultReason(number);
            assert_eq!(reason.kind().is_interrupt(), reason.is_interrupt(), "{number:#x}");
            assert!(reason.meaning().is_none() || reason.kind() != Unknown, "{number:#x}");
        }
        assert_eq!(FaultReason(0x17).kind(), Unknown);
    }

    #[test]
    fn legacy_and_scalable_reasons_of_the_same_sense_are_of_one_kind() {
        let pairs = [
            (0x01, 0x39),
            (0x02, 0x41),
            (0x03, 0x43),
            (0x08, 0x38),
            (0x0a, 0x3a),
            (0x07, 0x78),
            (0x0c, 0x7a),
        ];
        for (legacy, scalable) in
            pairs.into_iter().chain([(0x05, 0x85), (0x06, 0x86), (0x0e, 0x87), (0x04, 0x83)])
        {
            assert_eq!(FaultReason(legacy).kind(), FaultReason(scalable).kind(), "{legacy:#x}");
        }
    }

    #[test]
    fn interrupt_reasons_are_told_apart() {
        let kinds = [
            (0x20, MalformedInterrupt),
            (0x21, InterruptBeyondTable),
            (0x22, NoInterruptEntry),
            (0x23, InterruptTableUnreadable),
            (0x24, InterruptTableReserved),
            (0x25, CompatibilityInterrupt),
            (0x26, ForeignInterrupt),
            (0x27, InterruptTableUnreadable),
            (0x28, InterruptTableReserved),
            (0x29, Interrupt),
            (0x2a, Interrupt),
        ];
        for (number, kind) in kinds {
            assert_eq!(FaultReason(number).kind(), kind, "{number:#x}");
        }
        assert!(FaultReason(0x20).is_interrupt() && FaultReason(0x2f).is_interrupt());
        assert!(!FaultReason(0x1f).is_interrupt() && !FaultReason(0x30).is_interrupt());
    }
}
