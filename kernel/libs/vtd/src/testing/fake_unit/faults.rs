//! Fault records, their status, and the fault interrupt (VT-d "Primary Fault Logging", "Fault Events").

use std::vec;
use std::vec::Vec;

use dma_types::{Access, Iova, MsiMessage, SourceId};

use crate::spec::fault_event::{FaultEventControl, FaultStatus};
use crate::spec::fault_reason::FaultReason;
use crate::spec::fault_record::FaultRecord;

use super::config::{FakeConfig, Offer};

const VALID: u64 = 1 << 63;

/// The fault half of a fake unit.
#[derive(Debug)]
pub(super) struct Faults {
    records: Vec<(u64, u64)>,
    next: usize,
    merge: Offer,
    /// The write-1-to-clear bits that stand.
    standing: FaultStatus,
    control: FaultEventControl,
    pub(super) message: MsiMessage,
    pub(super) sent: Vec<MsiMessage>,
    pub(super) lost: usize,
}

impl Faults {
    pub(super) fn new(config: &FakeConfig) -> Self {
        Self {
            records: vec![(0, 0); config.records],
            next: config.next_record % config.records,
            merge: config.merge_faults,
            standing: FaultStatus::empty(),
            control: FaultEventControl::MASK,
            message: MsiMessage { address: 0, data: 0 },
            sent: Vec::new(),
            lost: 0,
        }
    }

    /// Records a request for memory that was blocked.
    pub(super) fn record(&mut self, reason: FaultReason, source: SourceId, page: Iova, access: Access) {
        let kind = match access {
            Access::Write => 0,
            Access::Atomic => 1 << 62 | 1 << 28,
            _ => 1 << 62,
        };
        self.keep(reason, source, (page.page().as_u64(), kind));
    }

    /// Records an interrupt request that was blocked: an index stands for the address, and neither kind of access.
    pub(super) fn record_interrupt(&mut self, reason: FaultReason, source: SourceId, index: u16) {
        self.keep(reason, source, (u64::from(index) << 48, 0));
    }

    /// Records a fault as far as there is room, and tells.
    fn keep(&mut self, reason: FaultReason, source: SourceId, (low, kind): (u64, u64)) {
        let same = |record: &(u64, u64)| record.1 & VALID != 0 && record.1 as u16 == source.bits();
        let merged = self.merge.is_yes() && self.records.iter().any(same);
        if merged || self.standing.contains(FaultStatus::OVERFLOW) {
            self.lost += 1;
        } else if self.records[self.next].1 & VALID != 0 {
            self.lost += 1;
            self.stand(FaultStatus::OVERFLOW);
        } else {
            let high = VALID | kind | u64::from(reason.0) << 32 | u64::from(source.bits());
            let quiet = self.status().is_empty();
            self.records[self.next] = (low, high);
            self.next = (self.next + 1) % self.records.len();
            self.tell(quiet);
        }
    }

    /// Sets a write-1-to-clear bit, and tells.
    pub(super) fn stand(&mut self, condition: FaultStatus) {
        let quiet = self.status().is_empty();
        self.standing |= condition;
        self.tell(quiet);
    }

    /// Raises the interrupt condition, if nothing stood before.
    fn tell(&mut self, quiet: bool) {
        if !quiet {
            return;
        }
        if self.control.contains(FaultEventControl::MASK) {
            self.control |= FaultEventControl::PENDING;
        } else {
            self.sent.push(self.message);
        }
    }

    /// The conditions that stand, without the record index.
    fn status(&self) -> FaultStatus {
        let waiting = self.records.iter().any(|record| record.1 & VALID != 0);
        self.standing | if waiting { FaultStatus::PENDING } else { FaultStatus::empty() }
    }

    /// FSTS as read: the index is that of the oldest waiting record.
    pub(super) fn read_status(&self) -> u32 {
        let count = self.records.len();
        let oldest = (0..count)
            .map(|step| (self.next + step) % count)
            .find(|&index| self.records[index].1 & VALID != 0)
            .unwrap_or(self.next);
        self.status().bits() | u32::try_from(oldest).expect("at most 256") << 8
    }

    /// FSTS as written: 1 clears, PPF follows the records alone.
    pub(super) fn write_status(&mut self, bits: u32) {
        self.standing -= FaultStatus::from_bits_retain(bits);
        self.settle();
    }

    pub(super) fn stands(&self, condition: FaultStatus) -> bool {
        self.standing.intersects(condition)
    }

    /// An interrupt that is held back is forgotten once everything is serviced.
    fn settle(&mut self) {
        if self.status().is_empty() {
            self.control -= FaultEventControl::PENDING;
        }
    }

    pub(super) fn control(&self) -> u32 {
        self.control.bits()
    }

    /// FECTL as written: IP is read-only; unmasking sends what was held back.
    pub(super) fn write_control(&mut self, bits: u32) {
        let mask = FaultEventControl::from_bits_retain(bits) & FaultEventControl::MASK;
        let pending = self.control & FaultEventControl::PENDING;
        self.control = mask | pending;
        if mask.is_empty() && !pending.is_empty() {
            self.control = mask;
            self.sent.push(self.message);
        }
    }

    /// A record as it stands.
    pub(super) fn halves(&self, index: usize) -> (u64, u64) {
        self.records[index]
    }

    /// Writes to the last doubleword of a record.
    pub(super) fn write_record(&mut self, index: usize, bits: u32) {
        assert_eq!(bits, 1 << 31, "only F of a fault record is written, with 1");
        self.records[index].1 &= !VALID;
        self.settle();
    }

    /// The records that wait, in the order of the ring.
    pub(super) fn waiting(&self) -> Vec<FaultRecord> {
        let records = self.records.iter().map(|&(low, high)| FaultRecord::from_halves(low, high));
        records.filter(|record| record.is_valid()).collect()
    }
}
