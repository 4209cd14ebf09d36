//! Interrupts of devices, where units remap them: who may raise which, and what became of each index.
//!
//! A message names an index of the unit's table, never a vector; the entry there has the vector, and says which sender
//! may use it. [`Interrupts`] has both sequences: *give* writes the entries, has the unit take note, and only then hands
//! out the [`Entries`]; *withdraw* takes them out of the table, has the unit forget them, and only then lets the indices
//! be given again. Where the unit does not confirm, they stay taken for good. It keeps who had an index, so that a
//! blocked interrupt can be explained.

mod block;
mod book;

use core::fmt;

use dma_types::{ApicId, InterruptIndex, MsiMessage, SourceId};

pub use block::IndexBlock;
pub use book::{Entries, Fate, Interrupts};

/// Who may send a message that names an entry: the check of the id that the request carries (VT-d "Interrupt Remapping
/// Table Entry", SVT, SQ and SID).
///
/// There is none for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Requests with exactly this id: a function's own, or the one that firmware's table gives an IOAPIC or an HPET.
    Exact(SourceId),
    /// Requests with any id of these buses, both included: for a function below a bridge that sends under ids of the bus
    /// behind it. Nothing narrower tells such functions apart.
    Buses {
        /// The first bus.
        first: u8,
        /// The last bus.
        last: u8,
    },
}

impl Sender {
    /// The sender that a function is whose requests carry one of `ids`, `requester` if nothing is known better.
    ///
    /// A function that has one id is that alone. Ids of one bus are those that a bridge gives to all behind it, in turn
    /// with their own: nothing but the bus is the same in all of them. Where they are of several buses, the range between
    /// would hold strangers; then the id that its DMA carries has to do for its interrupts.
    pub fn of_function(requester: SourceId, ids: &[SourceId]) -> Self {
        let bus = requester.bus();
        let (mut alone, mut on_one_bus) = (true, true);
        for id in ids {
            alone &= *id == requester;
            on_one_bus &= id.bus() == bus;
        }
        if alone || !on_one_bus { Self::Exact(requester) } else { Self::Buses { first: bus, last: bus } }
    }
}

/// How the interrupt is signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Once for each message.
    Edge,
    /// Until the source is served: pins of an IOAPIC.
    Level,
}

/// Where an interrupt leads: a vector of one processor, delivered as fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The vector, from 16 on.
    pub vector: u8,
    /// The processor.
    pub destination: ApicId,
    /// How it is signalled.
    pub trigger: Trigger,
}

/// A unit that remaps interrupts, as far as the sequences of [`Interrupts`] need it. These change its table and ask for
/// single steps; their order is not its concern.
pub trait InterruptRemapper {
    /// How it fails to confirm that it forgot an entry.
    type InvalidationError;

    /// Entries of its table, at most 65,536; 0 if it does not remap.
    fn interrupt_entries(&self) -> u32;

    /// Tells whether entries can name this processor: without extended interrupt mode they have 8 bits for it.
    fn reaches(&self, destination: ApicId) -> bool;

    /// Writes an entry that is not present, whole before it counts.
    fn write_interrupt_entry(&mut self, index: InterruptIndex, route: Route, sender: Sender);

    /// Takes an entry out of the table. The unit may use what it remembers until it has forgotten the entry.
    fn clear_interrupt_entry(&mut self, index: InterruptIndex);

    /// After entries were written: messages that name them pass once this returns.
    ///
    /// # Errors
    /// The unit may still refuse them.
    fn after_interrupt_entries_written(&mut self, block: IndexBlock) -> Result<(), Self::InvalidationError>;

    /// After entries were cleared: no message that names them passes any more once this returns.
    ///
    /// # Errors
    /// The unit may still let them pass.
    fn after_interrupt_entries_cleared(&mut self, block: IndexBlock) -> Result<(), Self::InvalidationError>;

    /// The message that a function is programmed with to raise the interrupts of a block: one with several messages adds
    /// the message's number to the data (PCI "MSI Capability Structure").
    fn interrupt_message(&self, block: IndexBlock) -> MsiMessage;
}

/// Why entries were not given or withdrawn. `I` says how the unit failed to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptError<I> {
    /// The unit does not remap interrupts; nothing has changed.
    NotRemapping,
    /// A function has 1, 2, 4, 8, 16 or 32 messages in a row; nothing has changed.
    BadCount {
        /// How many were asked for.
        messages: usize,
    },
    /// Vectors below 16 are no interrupt's (SDM "Interrupt Vectors"); nothing has changed.
    BadVector {
        /// The vector.
        vector: u8,
    },
    /// The unit's entries cannot name this processor; nothing has changed.
    OutOfReach(ApicId),
    /// So many entries in a row are not free; nothing has changed.
    Full {
        /// How many were asked for.
        messages: usize,
    },
    /// Not of this unit's entries that are given now; nothing has changed.
    NotGiven(InterruptIndex),
    /// The unit did not take note of the entries, which were taken back: all is as before.
    NotNoted(I),
    /// The unit did not confirm that it forgot: messages may still pass, and the entries are never given again.
    Unconfirmed(I),
}

impl<I: fmt::Display> fmt::Display for InterruptError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRemapping => f.write_str("the unit does not remap interrupts"),
            Self::BadCount { messages } => write!(f, "no function has {messages} messages in a row"),
            Self::BadVector { vector } => write!(f, "vector {vector:#x} is no interrupt's"),
            Self::OutOfReach(id) => write!(f, "the unit's interrupt entries cannot name processor {id}"),
            Self::Full { messages } => write!(f, "no {messages} interrupt entries in a row are free"),
            Self::NotGiven(first) => write!(f, "interrupt entry {first} is not given"),
            Self::NotNoted(error) => write!(f, "{error}; the interrupt entries were taken back"),
            Self::Unconfirmed(error) => write!(f, "{error}; its interrupts may still arrive"),
        }
    }
}

impl<I: fmt::Debug + fmt::Display> core::error::Error for InterruptError<I> {}
