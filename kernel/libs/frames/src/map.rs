//! What the firmware says about physical addresses.

use crate::Span;
use core::fmt;
use dma_types::PhysAddr;

/// Stretches of one kind that a map can hold.
pub const MAX_REGIONS: usize = 512;

/// What a stretch of physical addresses is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MemoryKind {
    /// Addresses that the firmware forbids: memory of its own, or device registers. First, so that an empty map
    /// is all zeros and takes no room in the kernel's file.
    #[default]
    Reserved,
    /// Memory that is free for use.
    Usable,
    /// Memory that holds the kernel's image or its own books.
    Kernel,
    /// Memory that the boot loader uses until the kernel has taken over.
    Loader,
    /// Memory with ACPI tables.
    AcpiTables,
    /// Memory that the firmware keeps over sleep.
    AcpiNvs,
    /// Memory of the firmware's code and data that stays in use.
    FirmwareRuntime,
    /// Memory found to be defective.
    Defective,
    /// Another kind, with the firmware's own number for it.
    Other(u32),
}

impl MemoryKind {
    /// Tells whether it is memory that may be looked at: a read has no effect but the value.
    pub const fn is_ram(self) -> bool {
        match self {
            Self::Usable
            | Self::Kernel
            | Self::Loader
            | Self::AcpiTables
            | Self::AcpiNvs
            | Self::FirmwareRuntime => true,
            Self::Reserved | Self::Defective | Self::Other(_) => false,
        }
    }

    /// What an entry of a BIOS map with this number is (ACPI "Address Range Types").
    pub const fn from_bios(number: u32) -> Self {
        match number {
            1 => Self::Usable,
            2 => Self::Reserved,
            3 => Self::AcpiTables,
            4 => Self::AcpiNvs,
            5 => Self::Defective,
            other => Self::Other(other),
        }
    }

    /// What an entry of a UEFI map with this number is (UEFI "Memory Type Usage after ExitBootServices()").
    ///
    /// The loader has already turned what is free after boot services into usable memory.
    pub const fn from_uefi(number: u32) -> Self {
        match number {
            0 | 11 | 12 => Self::Reserved,
            5 | 6 => Self::FirmwareRuntime,
            8 => Self::Defective,
            9 => Self::AcpiTables,
            10 => Self::AcpiNvs,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for MemoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usable => "usable",
            Self::Kernel => "kernel",
            Self::Loader => "boot loader",
            Self::AcpiTables => "ACPI tables",
            Self::AcpiNvs => "ACPI non-volatile",
            Self::FirmwareRuntime => "firmware runtime",
            Self::Reserved => "reserved",
            Self::Defective => "defective",
            Self::Other(number) => return write!(f, "type {number}"),
        })
    }
}

/// A stretch of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Region {
    /// Where it lies.
    pub span: Span,
    /// What it is.
    pub kind: MemoryKind,
}

/// The kinds of all physical addresses that the firmware has something to say about.
///
/// Regions are in order, do not overlap, and neighbours of one kind are joined.
#[derive(Debug)]
pub struct MemoryMap {
    regions: [Region; MAX_REGIONS],
    count: usize,
}

impl MemoryMap {
    /// A map that knows nothing.
    pub const fn new() -> Self {
        let region =
            Region { span: Span::new(PhysAddr::new(0), PhysAddr::new(0)), kind: MemoryKind::Reserved };
        Self { regions: [region; MAX_REGIONS], count: 0 }
    }

    /// The regions, from the lowest.
    pub fn regions(&self) -> &[Region] {
        self.regions.get(..self.count).unwrap_or(&[])
    }

    /// Says what a span is, whatever was said of it or parts of it before.
    ///
    /// # Errors
    /// If the map has no room; it then says the same as before.
    pub fn set(&mut self, span: Span, kind: MemoryKind) -> Result<(), MapFull> {
        if span.is_empty() {
            return Ok(());
        }
        let regions = self.regions();
        let first = regions.partition_point(|region| region.span.end() < span.start());
        let touched = regions.get(first..).unwrap_or(&[]);
        let count = touched.partition_point(|region| region.span.start() <= span.end());
        let touched = touched.get(..count).unwrap_or(&[]);

        let mut replacement = Replacement::default();
        if let Some(low) = touched.first() {
            replacement.push(Region { span: low.span.split_at(span.start()).0, kind: low.kind });
        }
        replacement.push(Region { span, kind });
        if let Some(high) = touched.last() {
            replacement.push(Region { span: high.span.split_at(span.end()).1, kind: high.kind });
        }
        self.splice(first, count, replacement.as_slice())
    }

    /// What an address is; `None` where the map says nothing.
    pub fn kind_at(&self, address: PhysAddr) -> Option<MemoryKind> {
        self.overlapping(Span::with_length(address, 1)).next().map(|region| region.kind)
    }

    /// The parts of regions that lie within a span, from the lowest.
    pub fn overlapping(&self, span: Span) -> impl Iterator<Item = Region> + '_ {
        let first = self.regions().partition_point(|region| region.span.end() <= span.start());
        let rest = self.regions().get(first..).unwrap_or(&[]);
        rest.iter()
            .map(move |region| Region { span: region.span.intersection(span), kind: region.kind })
            .take_while(|region| !region.span.is_empty())
    }

    /// Tells whether all of a span is memory that may be looked at; an empty one is not.
    pub fn is_ram(&self, span: Span) -> bool {
        let ram = self.overlapping(span).filter(|part| part.kind.is_ram());
        !span.is_empty() && ram.map(|part| part.span.length()).sum::<u64>() == span.length()
    }

    /// Tells whether any of a span is memory that may be looked at.
    pub fn touches_ram(&self, span: Span) -> bool {
        self.overlapping(span).any(|part| part.kind.is_ram())
    }

    /// Puts `new` in the place of `count` regions from `first`.
    fn splice(&mut self, first: usize, count: usize, new: &[Region]) -> Result<(), MapFull> {
        let total = (self.count + new.len()).checked_sub(count).ok_or(MapFull)?;
        if total > MAX_REGIONS {
            return Err(MapFull);
        }
        self.regions.copy_within(first + count..self.count, first + new.len());
        if let Some(place) = self.regions.get_mut(first..first + new.len()) {
            place.copy_from_slice(new);
        }
        self.count = total;
        Ok(())
    }
}

impl Default for MemoryMap {
    fn default() -> Self {
        Self::new()
    }
}

/// Up to three regions that take the place of others; empty ones are dropped, equal neighbours joined.
#[derive(Default)]
struct Replacement {
    regions: [Region; 3],
    count: usize,
}

impl Replacement {
    fn push(&mut self, region: Region) {
        if region.span.is_empty() {
            return;
        }
        let last = self.count.checked_sub(1).and_then(|last| self.regions.get_mut(last));
        match last {
            Some(last) if last.kind == region.kind => {
                last.span = Span::new(last.span.start(), region.span.end());
            }
            _ => {
                if let Some(slot) = self.regions.get_mut(self.count) {
                    *slot = region;
                    self.count += 1;
                }
            }
        }
    }

    fn as_slice(&self) -> &[Region] {
        self.regions.get(..self.count).unwrap_or(&[])
    }
}

/// The firmware's map has more pieces than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFull;

impl fmt::Display for MapFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the memory map has more than {MAX_REGIONS} regions")
    }
}

impl core::error::Error for MapFull {}

#[cfg(test)]
mod tests;
