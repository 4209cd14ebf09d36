//! Why a remapping unit blocked a request, in terms that fit every family of units.

/// What a unit met when it blocked a request.
///
/// Each family numbers its reasons in its own way, and its library sorts them into these kinds; whoever judges, records or
/// explains a fault goes by the kind and needs no numbers. The *device table* is what leads from a requester id to a domain
/// (VT-d: root, context and PASID tables; AMD-Vi: the device table), the *page table* what leads from there to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No part of the device table covers the requester's bus, or the whole of it is off.
    NoDeviceTable,
    /// The requester has no device entry: it belongs to no domain.
    NoDeviceEntry,
    /// A device entry, or the pointer to the table, holds values that the unit does not accept.
    DeviceEntryInvalid,
    /// The device table could not be read.
    DeviceTableUnreadable,
    /// Reserved bits are set in the device table.
    DeviceTableReserved,
    /// The page table could not be read.
    PageTableUnreadable,
    /// Reserved bits are set in the page table.
    PageTableReserved,
    /// The page table is set up in a way that the unit cannot work with.
    PageTableInvalid,
    /// The translation leads into the interrupt range, where no memory is.
    IntoInterruptRange,
    /// The address is wider than the unit or the domain translates.
    BeyondWidth,
    /// A read of a page that is not mapped, or not for reads.
    NoReadPermission,
    /// A write to a page that is not mapped, or not for writes.
    NoWritePermission,
    /// An access to a page that is not mapped, or not for it; the reason does not tell which access.
    NoPermission,
    /// The page is mapped, but not for requests that are privileged or fetch instructions.
    NoPrivilege,
    /// The request claimed to be translated already, or asked for a translation, which the device may not do (ATS).
    TranslatedRequest,
    /// A request within a process's address space (PASID), or a page request, that the device may not make.
    ProcessRequest,
    /// The process's address space that the request named (PASID) is not set up.
    NoProcessEntry,
    /// An interrupt of the old format, which tells nothing of its sender.
    CompatibilityInterrupt,
    /// An interrupt request whose reserved bits are set.
    MalformedInterrupt,
    /// An interrupt beyond the end of the unit's table.
    InterruptBeyondTable,
    /// An interrupt that nobody has set up.
    NoInterruptEntry,
    /// What the unit had to read to remap an interrupt could not be read.
    InterruptTableUnreadable,
    /// Reserved bits are set in what the unit reads to remap an interrupt.
    InterruptTableReserved,
    /// An interrupt that was set up for another requester.
    ForeignInterrupt,
    /// An interrupt that was refused for another reason.
    Interrupt,
    /// A reason that no document names.
    Unknown,
}

impl FaultKind {
    /// Tells whether an interrupt request was refused; there is no address then.
    pub const fn is_interrupt(self) -> bool {
        matches!(
            self,
            Self::CompatibilityInterrupt
                | Self::MalformedInterrupt
                | Self::InterruptBeyondTable
                | Self::NoInterruptEntry
                | Self::InterruptTableUnreadable
                | Self::InterruptTableReserved
                | Self::ForeignInterrupt
                | Self::Interrupt
        )
    }

    /// Tells whether the tables are at fault, not what the device asked for. What nobody knows counts against them.
    pub const fn blames_tables(self) -> bool {
        matches!(
            self,
            Self::NoDeviceTable
                | Self::DeviceEntryInvalid
                | Self::DeviceTableUnreadable
                | Self::DeviceTableReserved
                | Self::PageTableUnreadable
                | Self::PageTableReserved
                | Self::PageTableInvalid
                | Self::IntoInterruptRange
                | Self::Unknown
        )
    }
}
