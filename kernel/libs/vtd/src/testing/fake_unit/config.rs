//! What a fake unit can do, and what firmware did to it before.

use dma_types::PhysAddr;

use crate::spec::capability::{Capabilities, ExtendedCapabilities};
use crate::spec::interrupt_table::InterruptTableAddress;

/// Whether the unit has a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It has.
    Yes,
    /// It has not.
    No,
}

impl Offer {
    /// Both, for tests over every combination.
    pub const BOTH: [Self; 2] = [Self::Yes, Self::No];

    pub(super) fn is_yes(self) -> bool {
        self == Self::Yes
    }

    fn bit(self, bit: u32) -> u64 {
        u64::from(self.is_yes()) << bit
    }
}

/// What a fake unit can do. The default differs from QEMU's unit in every place that a driver might assume.
#[derive(Clone, Copy, Debug)]
pub struct FakeConfig {
    /// SAGAW field.
    pub table_levels: u8,
    /// MGAW in bits.
    pub address_width: u8,
    /// SLLPS field.
    pub large_pages: u8,
    /// Number of fault records, 1 to 256.
    pub records: usize,
    /// Bytes to the first fault record, a multiple of 16.
    pub record_offset: usize,
    /// Index of the record that the next fault goes to.
    pub next_record: usize,
    /// Bytes to the IOTLB registers, a multiple of 16.
    pub iotlb_offset: usize,
    /// Bytes of the window.
    pub window: usize,
    /// MAMV field.
    pub max_address_mask: u8,
    /// CM.
    pub caching_mode: Offer,
    /// C.
    pub coherent_walks: Offer,
    /// QI.
    pub queue: Offer,
    /// RWBF.
    pub write_buffer_flush: Offer,
    /// PLMR and PHMR.
    pub protected_memory: Offer,
    /// PSI.
    pub page_selective: Offer,
    /// DRD and DWD.
    pub drains: Offer,
    /// SC.
    pub snoop_control: Offer,
    /// EIM.
    pub extended_interrupts: Offer,
    /// Whether FEUADDR keeps what is written; in QEMU's unit it does not.
    pub upper_message_address: Offer,
    /// ESRTPS.
    pub table_mode_changes: Offer,
    /// IR.
    pub interrupt_remapping: Offer,
    /// ESIRTPS.
    pub forgets_at_interrupt_table: Offer,
    /// PI.
    pub posted_interrupts: Offer,
    /// MHMV.
    pub max_handle_mask: u8,
    /// Whether further faults of a requester vanish in its waiting record.
    pub merge_faults: Offer,
    /// Reads of a status register until a command is confirmed.
    pub delay: usize,
    /// When the queue is worked through.
    pub pace: Pace,
    /// Descriptors that are fetched when the tail is written, before they are worked through: what is written to them
    /// afterwards comes too late.
    pub prefetch: usize,
}

/// When the unit works through its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as the tail is written.
    AtOnce,
    /// One descriptor each time [`super::FakeUnit::step`] is called.
    Stepped,
}

impl Default for FakeConfig {
    fn default() -> Self {
        Self {
            table_levels: 0b0110,
            address_width: 46,
            large_pages: 0b11,
            records: 4,
            record_offset: 0x400,
            next_record: 2,
            iotlb_offset: 0x300,
            window: 0x1000,
            max_address_mask: 9,
            caching_mode: Offer::No,
            coherent_walks: Offer::No,
            queue: Offer::Yes,
            write_buffer_flush: Offer::No,
            protected_memory: Offer::Yes,
            page_selective: Offer::Yes,
            drains: Offer::Yes,
            snoop_control: Offer::No,
            extended_interrupts: Offer::No,
            upper_message_address: Offer::Yes,
            table_mode_changes: Offer::No,
            interrupt_remapping: Offer::Yes,
            forgets_at_interrupt_table: Offer::No,
            posted_interrupts: Offer::No,
            max_handle_mask: 3,
            merge_faults: Offer::No,
            delay: 0,
            pace: Pace::AtOnce,
            prefetch: 0,
        }
    }
}

impl FakeConfig {
    /// CAP, with 64 Ki domains.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities(
            6 | self.write_buffer_flush.bit(4)
                | self.protected_memory.bit(5)
                | self.protected_memory.bit(6)
                | self.caching_mode.bit(7)
                | u64::from(self.table_levels) << 8
                | u64::from(self.address_width - 1) << 16
                | (self.record_offset as u64 / 16) << 24
                | u64::from(self.large_pages) << 34
                | self.page_selective.bit(39)
                | (self.records as u64 - 1) << 40
                | u64::from(self.max_address_mask) << 48
                | self.drains.bit(54)
                | self.drains.bit(55)
                | self.posted_interrupts.bit(59)
                | self.forgets_at_interrupt_table.bit(62)
                | self.table_mode_changes.bit(63),
        )
    }

    /// ECAP.
    pub fn extended_capabilities(&self) -> ExtendedCapabilities {
        ExtendedCapabilities(
            self.interrupt_remapping.bit(3)
                | u64::from(self.max_handle_mask) << 20
                | self.coherent_walks.bit(0)
                | self.queue.bit(1)
                | self.extended_interrupts.bit(4)
                | self.snoop_control.bit(7)
                | (self.iotlb_offset as u64 / 16) << 8,
        )
    }
}

/// What firmware left on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leftovers {
    /// Translation with the root table at this address.
    pub root: Option<PhysAddr>,
    /// TTM of the root table register.
    pub table_mode: u8,
    /// Protected memory regions.
    pub protected_memory: bool,
    /// Interrupt remapping by this table.
    pub interrupt_table: Option<InterruptTableAddress>,
    /// Interrupts of the compatibility format.
    pub compatibility_interrupts: bool,
    /// Logging of faults to memory.
    pub fault_log: bool,
    /// The queue, and how.
    pub queue: Option<LeftQueue>,
}

/// How firmware left the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftQueue {
    /// Empty, its last descriptor a wait.
    Idle,
    /// Stopped at an error.
    Stopped,
    /// Empty, but its last descriptor no wait: some units then cannot turn it off.
    EndsWithoutWait,
}

/// A part that does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// TES never comes on.
    Translation,
    /// RTPS never comes on.
    RootPointer,
    /// QIES never comes on.
    Queue,
    /// WBFS never goes off.
    WriteBuffer,
    /// ICC never goes off.
    ContextInvalidation,
    /// IVT never goes off.
    IotlbInvalidation,
    /// PRS never goes off.
    ProtectedMemory,
    /// IRTPS never comes on.
    InterruptTable,
    /// IRES never comes on.
    InterruptRemapping,
    /// CFIS never goes off.
    CompatibilityInterrupts,
    /// The queue is never worked through.
    QueueHead,
    /// No descriptor but a wait is taken: IQE at each.
    Descriptors,
    /// The context command register answers that it refused.
    ContextRefusal,
    /// The IOTLB register answers that it refused.
    IotlbRefusal,
}

/// An error to happen in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// The next descriptor is damaged in memory: IQE.
    BadDescriptor,
    /// A device does not answer; the next wait is aborted: ITE.
    AbortedWait,
    /// A device answers wrongly: ICE. The queue goes on.
    WrongCompletion,
}
