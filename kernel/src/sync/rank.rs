//! The table of ranks: from what is taken first to what is taken under everything else.

/// What a lock states by its type.
pub trait Ranked: 'static {
    /// Its rank.
    const RANK: Rank;
}

macro_rules! ranks {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A place in the order of locks: under one of them only later ones may be taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Rank {
            $($(#[$doc])* $name,)*
        }

        impl Rank {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }

        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl Ranked for $name {
                const RANK: Rank = Rank::$name;
            }
        )*
    };
}

ranks! {
    // With interrupts on: no handler takes one of these.
    /// The stations behind network cards, for as long as one works.
    Stations,
    /// What answered where no device is known.
    Strangers,
    /// What a driver tries on a disk, and how far it has come.
    Attempt,
    /// What a driver waits for, beside its state.
    Expectation,
    /// A driver's state.
    Driver,
    /// A driver's queue of requests.
    Requests,
    /// A driver's word on whether its device works.
    Condition,
    /// Held while a foreign crate is called.
    Called,
    /// Whose device a foreign crate is called for.
    Turn,
    /// The buffers that a driver announces to a foreign crate.
    Announced,
    /// What was lent by bare address.
    Loans,
    /// Pages that are divided into parts.
    Parts,

    // With interrupts off. Whoever writes while it holds anything only tries these, and what it shows may take others.
    /// What was typed.
    Keys,
    /// The screen as text.
    Text,
    /// The pixels of the screen.
    Pixels,
    /// The line of the report that is being made.
    ReportLine,
    /// The report's lines that are kept.
    KeptReport,
    /// A serial port.
    Port,
    /// What waits for a serial port.
    Outbox,

    // With interrupts off, by handlers too.
    /// The slots that tell of devices that come and leave.
    Slots,
    /// Targets that are kept for later trials.
    Kept,
    /// Who is to be contained once no fault waits.
    Condemned,
    /// The groups that have a domain.
    Groups,
    /// A group's domain.
    Group,
    /// A domain: its room, tables and mappings.
    Domain,
    /// The domains that live.
    Domains,
    /// Attacks under way.
    Flights,
    /// Faults that somebody expects.
    Expected,
    /// Counts of faults by requester.
    Accounts,
    /// Addresses that groups had before.
    Retired,
    /// Who has which entry of a unit's interrupt table.
    InterruptEntries,
    /// A remapping unit: its root table and its queue.
    Unit,
    /// What tells whether a unit still enforces.
    Enforcement,
    /// Bus mastering of functions and of the bridges above them.
    BusMastering,
    /// The last faults, for who asks later.
    FaultStore,
    /// Fault records that wait to be judged.
    FaultRing,
    /// The share of time for faults.
    FaultBudget,
    /// What is not protected.
    Shortfalls,
    /// A device's message: who takes it, and how many came.
    Messages,
    /// Who has which vector.
    Vectors,
    /// The registers of an I/O APIC.
    IoApics,
    /// What the timer is to do.
    Alarms,
    /// Windows on device registers.
    Windows,
    /// The kernel's page tables.
    Paging,
    /// The heap.
    Heap,
    /// The map of memory.
    MemoryMap,
    /// Which frames are free.
    Frames,
}
