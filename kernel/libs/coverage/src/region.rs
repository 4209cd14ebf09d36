//! Memory that firmware reserves for functions, and what of it they can be granted.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use dma_types::{Bdf, Iova, PAGE_SIZE, PhysAddr};
use pci::{AddressRange, Claims, Function, Owner, Topology};

use crate::description::ReservedRegion;
use crate::finding::TableFinding;

/// Most bits of a physical address (SDM "Physical Address Extension").
const MOST_BITS: u8 = 52;

/// Whole pages with an end: the address behind the last byte is one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    first: PhysAddr,
    end: PhysAddr,
}

impl Pages {
    /// The pages that the table reserves, for a processor with `physical_width` bits of address.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn reserved_by(region: &ReservedRegion<'_>, physical_width: u8) -> Result<Self, TableFinding> {
        let ReservedRegion { offset, base, limit, .. } = *region;
        let whole = base.is_aligned(PAGE_SIZE) && limit.page_offset() == PAGE_SIZE - 1;
        if !whole || limit < base {
            return Err(TableFinding::BadRegion { offset, base, limit });
        }
        let width = physical_width.min(MOST_BITS);
        let end = limit.checked_add(1).filter(|_| limit.as_u64() >> width == 0);
        end.map(|end| Self { first: base, end }).ok_or(TableFinding::RegionBeyondWidth {
            offset,
            base,
            limit,
            width,
        })
    }

    /// The first byte's address.
    pub const fn start(self) -> PhysAddr {
        self.first
    }

    /// Bytes; at least a page.
    pub const fn bytes(self) -> u64 {
        self.end.as_u64() - self.first.as_u64()
    }

    /// From the first byte to the last.
    pub fn range(self) -> Option<AddressRange> {
        AddressRange::with_length(self.first, self.bytes())
    }

    /// The addresses at which devices find them: their own.
    pub const fn iovas(self) -> Range<Iova> {
        Iova::new(self.first.as_u64())..Iova::new(self.end.as_u64())
    }
}

/// Every page of some regions once, from the lowest: where they overlap or touch they become one. Allocates nothing.
///
/// Tables in the wild reserve a page twice for one device; it can be mapped only once.
pub fn union(regions: impl Iterator<Item = Pages> + Clone) -> impl Iterator<Item = Pages> + Clone {
    let mut done = PhysAddr::new(0);
    core::iter::from_fn(move || {
        let beyond = regions.clone().filter(|pages| pages.end > done);
        let mut merged = beyond.min_by_key(|pages| pages.first)?;
        while let Some(more) =
            regions.clone().find(|pages| pages.first <= merged.end && pages.end > merged.end)
        {
            merged.end = more.end;
        }
        done = merged.end;
        Some(merged)
    })
}

/// Memory that firmware wants certain functions to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where in the table.
    pub offset: usize,
    /// The pages that the functions are to reach.
    pub pages: Pages,
    /// The functions, by index into the topology: those that it names, and those below a bridge that it names.
    pub functions: Vec<usize>,
}

/// What a region must not meet.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// What is the platform's, whatever a device says.
    pub claims: &'a Claims,
    /// The functions, with their windows checked.
    pub topology: &'a Topology,
    /// Tells whether memory of the kernel is among these pages.
    pub is_kernel: &'a dyn Fn(Pages) -> bool,
    /// Tells whether ACPI tables are, or memory that firmware keeps for them.
    pub is_acpi: &'a dyn Fn(Pages) -> bool,
}

/// Whose registers or memory keep a region from being granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Memory that the kernel uses itself.
    Kernel,
    /// Memory that holds ACPI's tables or belongs to its firmware.
    Acpi,
    /// Registers or addresses of the platform.
    Platform(Owner),
    /// A function's, or what a bridge passes down to others.
    Function(Bdf),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel => f.write_str("memory of the kernel"),
            Self::Acpi => f.write_str("memory of ACPI"),
            Self::Platform(owner) => owner.fmt(f),
            Self::Function(device) => write!(f, "registers of {device} or below it"),
        }
    }
}

impl Region {
    /// What keeps the region from being granted to its functions, if anything does. A region that meets registers
    /// would let a device write what protection rests on, or what is another device's.
    pub fn obstacle(&self, ground: &Ground<'_>) -> Option<Obstacle> {
        let pages = self.pages;
        let range = pages.range()?;
        if (ground.is_kernel)(pages) {
            return Some(Obstacle::Kernel);
        }
        if (ground.is_acpi)(pages) {
            return Some(Obstacle::Acpi);
        }
        let claimed =
            ground.claims.iter().find(|claim| keeps_regions_out(claim.owner) && claim.range.meets(range));
        if let Some(claim) = claimed {
            return Some(Obstacle::Platform(claim.owner));
        }
        let functions = (0..).zip(ground.topology.functions());
        let mut others =
            functions.filter(|(index, function)| self.meets(range, *index, function, ground.topology));
        others.next().map(|(_, function)| Obstacle::Function(function.bdf))
    }

    /// Tells whether the region meets registers of a function that are not its only owner's, or what a bridge passes
    /// down that is not above all of its owners.
    fn meets(&self, range: AddressRange, index: usize, function: &Function, topology: &Topology) -> bool {
        let windows = &function.windows;
        let mut registers = windows.all().map(pci::Window::range).chain(windows.over_regions());
        if self.functions != [index] && registers.any(|window| window.meets(range)) {
            return true;
        }
        let mut owners = self.functions.iter().filter_map(|owner| topology.functions().get(*owner));
        let is_above_all = !self.functions.is_empty()
            && owners.all(|owner| topology.ancestors(owner).any(|bridge| bridge.bdf == function.bdf));
        !is_above_all && windows.forwarded().any(|window| window.meets(range))
    }
}

/// Tells whether regions cannot lie there. In memory they must, also in the first MiB; and regions of other devices
/// may be the same.
const fn keeps_regions_out(owner: Owner) -> bool {
    match owner {
        Owner::Unit { .. }
        | Owner::Configuration
        | Owner::IoApic { .. }
        | Owner::EventTimer
        | Owner::Chipset
        | Owner::Unreachable => true,
        Owner::Legacy | Owner::Memory | Owner::Region { .. } => false,
    }
}
