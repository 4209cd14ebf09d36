//! Interrupt requests of devices: through the cache of entries, then through the table (VT-d "Interrupt Remapping").
//!
//! As strict as the specification, where real units and emulators are not: every sender is checked, messages of the
//! compatibility format are blocked, and only the right invalidation empties the cache.

use std::collections::BTreeMap;
use std::vec::Vec;

use dma_types::{INTERRUPT_RANGE, InterruptIndex, MsiMessage, PhysAddr, SourceId};
use iommu::interrupts::IndexBlock;

use crate::spec::command::GlobalStatus;
use crate::spec::fault_reason::FaultReason;
use crate::spec::interrupt_entry::{DestinationMode, InterruptEntry, SourceValidation};
use crate::spec::interrupt_request::InterruptRequest;
use crate::spec::interrupt_table::InterruptTableAddress;

use super::halves::Halves;
use super::{FakeUnit, State};

/// Bits that a remapped entry leaves 0: the lower half, what is more in xAPIC mode, and the upper half.
const RESERVED: (u64, u64, u64) = (0xff00_7000, 0xffff_00ff_0000_0000, !0xf_ffff);
/// The same for an entry that posts interrupts: both halves.
const RESERVED_POSTED: (u64, u64) = (0x3f_ff00_30fc, 0xfff0_0000);
/// Words of a posted-interrupt descriptor, and the bits that each leaves 0 (VT-d "Posted Interrupt Descriptor").
const DESCRIPTOR_RESERVED: [u64; 8] = [0, 0, 0, 0, 0xff00_fffc, u64::MAX, u64::MAX, u64::MAX];
/// Delivery modes that stand for nothing.
const NO_DELIVERY: [u8; 2] = [0b011, 0b110];
/// Bits of the function number that each value of SQ leaves uncompared.
const UNCOMPARED: [u16; 4] = [0, 0b100, 0b110, 0b111];

/// What an interrupt request became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It raised this vector there, as its entry says.
    Remapped {
        /// The vector.
        vector: u8,
        /// The processor's id.
        destination: u32,
    },
    /// It was kept in memory, for a processor to find.
    Posted,
    /// Nobody looked it up: vector and processor are what its bits happen to say.
    Plain {
        /// The vector.
        vector: u8,
        /// The processor's id.
        destination: u32,
    },
}

/// The interrupt half of a fake unit.
#[derive(Debug)]
pub(super) struct Interrupts {
    pub(super) register: InterruptTableAddress,
    /// The table in force.
    pub(super) table: InterruptTableAddress,
    /// Entries as they were when they were read.
    cache: BTreeMap<InterruptIndex, InterruptEntry>,
    /// Devices that send a message at each store to memory and before each write to a register.
    eager: Vec<(SourceId, MsiMessage)>,
    /// What their messages became.
    delivered: Vec<Delivery>,
    halves: Halves,
}

impl Default for Interrupts {
    fn default() -> Self {
        Self {
            register: InterruptTableAddress(0),
            table: InterruptTableAddress(0),
            cache: BTreeMap::new(),
            eager: Vec::new(),
            delivered: Vec::new(),
            halves: Halves::default(),
        }
    }
}

impl Interrupts {
    pub(super) fn forget_all(&mut self) {
        self.cache.clear();
        self.halves.forget();
    }

    pub(super) fn forget(&mut self, block: IndexBlock) {
        block.indices().for_each(|index| {
            self.cache.remove(&index);
        });
        self.halves.forget();
    }
}

impl FakeUnit {
    /// A message of a device: what it became, or why it was blocked. Faults are recorded, as far as the entry lets them.
    ///
    /// # Errors
    /// The message raised nothing.
    pub fn interrupt(&self, sender: SourceId, message: MsiMessage) -> Result<Delivery, FaultReason> {
        let mut state = self.state.borrow_mut();
        state.deliver(sender, message).map_err(|refused| {
            if refused.recorded {
                state.faults.record_interrupt(refused.reason, sender, refused.index);
            }
            refused.reason
        })
    }

    /// Has a device send a message at each store to memory and before each write to a register from now on: whatever
    /// stands in the table at such a moment, the unit may remember, and of an entry a half from each moment. Its faults
    /// are not recorded.
    pub fn let_send_meanwhile(&self, sender: SourceId, message: MsiMessage) {
        self.state.borrow_mut().interrupts.eager.push((sender, message));
        self.watch_memory();
    }

    /// What became of messages that were sent meanwhile and not blocked, without repetition.
    pub fn delivered_meanwhile(&self) -> Vec<Delivery> {
        self.state.borrow().interrupts.delivered.clone()
    }
}

/// A message that raised nothing.
struct Refused {
    reason: FaultReason,
    /// What the record says of the index.
    index: u16,
    recorded: bool,
}

impl State {
    /// Messages of the devices that do not wait.
    pub(super) fn send_meanwhile(&mut self) {
        for (sender, message) in self.interrupts.eager.clone() {
            self.fetch_interrupt_halves(sender, message);
            let Ok(delivery) = self.deliver(sender, message) else { continue };
            if !self.interrupts.delivered.contains(&delivery) {
                self.interrupts.delivered.push(delivery);
            }
        }
    }

    fn fetch_interrupt_halves(&mut self, sender: SourceId, message: MsiMessage) {
        let index = InterruptRequest::from_message(message).index();
        let on = self.status.contains(GlobalStatus::INTERRUPT_REMAPPING);
        if !on || index >= self.interrupts.table.entries() {
            return;
        }
        let at = self.interrupt_entry_at(index);
        if let Some(entry) = self.read_interrupt_entry(index) {
            self.interrupts.halves.fetch(sender, at, (entry.low(), entry.high()));
        }
    }

    fn deliver(&mut self, sender: SourceId, message: MsiMessage) -> Result<Delivery, Refused> {
        assert!(INTERRUPT_RANGE.contains(&message.address), "no interrupt request: {message:x?}");
        let request = InterruptRequest::from_message(message);
        let plain = Delivery::Plain {
            vector: message.data as u8,
            destination: u32::from((message.address >> 12) as u8),
        };
        if !self.status.contains(GlobalStatus::INTERRUPT_REMAPPING) {
            return Ok(plain);
        }
        let mode = self.interrupts.table.mode();
        if !request.is_remappable() {
            let pass = self.status.contains(GlobalStatus::COMPATIBILITY_INTERRUPTS);
            return if pass && mode == DestinationMode::XApic { Ok(plain) } else { Err(refused(0x25, 0)) };
        }
        let index = request.index();
        // The record has 16 bits for it.
        let recorded = index as u16;
        if request.has_reserved_bits() {
            return Err(refused(0x20, recorded));
        }
        if index >= self.interrupts.table.entries() {
            return Err(refused(0x21, recorded));
        }
        let entry = self.interrupt_entry(recorded).ok_or(refused(0x23, recorded))?;
        let qualified =
            |reason| Refused { recorded: !entry.suppresses_faults(), ..refused(reason, recorded) };
        if !entry.is_present() {
            return Err(qualified(0x22));
        }
        if self.has_reserved_bits(entry, mode) {
            return Err(qualified(0x24));
        }
        if !passes(entry, sender) {
            return Err(qualified(0x26));
        }
        if entry.is_posted() {
            return self.post(entry).map_err(|reason| refused(reason, recorded));
        }
        Ok(Delivery::Remapped { vector: entry.vector(), destination: entry.destination(mode).0 })
    }

    fn interrupt_entry_at(&self, index: u32) -> PhysAddr {
        PhysAddr::new(self.interrupts.table.table().as_u64() + u64::from(index) * InterruptEntry::BYTES)
    }

    fn read_interrupt_entry(&self, index: u32) -> Option<InterruptEntry> {
        let at = self.interrupt_entry_at(index);
        let word = |at| self.memory.device_read(at, self.view());
        Some(InterruptEntry::from_words(word(at)?, word(PhysAddr::new(at.as_u64() + 8))?))
    }

    /// An entry, remembered or read; what is present is remembered, with caching mode the rest too.
    fn interrupt_entry(&mut self, index: u16) -> Option<InterruptEntry> {
        if let Some(cached) = self.interrupts.cache.get(&InterruptIndex(index)) {
            return Some(*cached);
        }
        let entry = self.read_interrupt_entry(u32::from(index))?;
        if entry.is_present() || self.config.caching_mode.is_yes() {
            self.interrupts.cache.insert(InterruptIndex(index), entry);
        }
        Some(entry)
    }

    fn has_reserved_bits(&self, entry: InterruptEntry, mode: DestinationMode) -> bool {
        let no_check = entry.validation().0 > SourceValidation::BUSES.0;
        if entry.is_posted() {
            let (low, high) = RESERVED_POSTED;
            let offered = self.config.posted_interrupts.is_yes();
            return !offered || no_check || entry.low() & low != 0 || entry.high() & high != 0;
        }
        let (low, more, high) = RESERVED;
        let low = if mode == DestinationMode::XApic { low | more } else { low };
        no_check
            || entry.low() & low != 0
            || entry.high() & high != 0
            || NO_DELIVERY.contains(&entry.delivery())
    }

    /// Puts an interrupt into the descriptor that the entry names.
    fn post(&self, entry: InterruptEntry) -> Result<Delivery, u8> {
        let base = entry.high() & !0xffff_ffff | entry.low() >> 32 & !0x3f;
        for (word, reserved) in (0..).zip(DESCRIPTOR_RESERVED) {
            let value = self.memory.device_read(PhysAddr::new(base + word * 8), self.view()).ok_or(0x27)?;
            if value & reserved != 0 {
                return Err(0x28);
            }
        }
        Ok(Delivery::Posted)
    }
}

/// The check of the sender.
fn passes(entry: InterruptEntry, sender: SourceId) -> bool {
    let id = entry.sender_id();
    match entry.validation() {
        SourceValidation::ID => {
            let compared = !UNCOMPARED[usize::from(entry.qualifier())];
            (id.bits() ^ sender.bits()) & compared == 0
        }
        SourceValidation::BUSES => (id.bus()..=id.devfn()).contains(&sender.bus()),
        _ => true,
    }
}

fn refused(reason: u8, index: u16) -> Refused {
    Refused { reason: FaultReason(reason), index, recorded: true }
}

#[cfg(test)]
mod tests;
