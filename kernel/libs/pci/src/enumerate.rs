//! Finding every function of the machine.
//!
//! A bus number that no bridge leads to is probed as well: root complexes may have several root buses, and
//! the firmware's list of them stands in AML. Buses are therefore taken in rising order, each scanned once,
//! and the buses below the bridges found on one before the next number; a bus that is reached in no other
//! way is a root bus, unless a bridge claims its number.
//!
//! The work is bounded whatever the registers say: 256 buses a segment, 256 functions a bus,
//! [`MAX_FUNCTIONS`] in all.

use crate::class::HeaderType;
use crate::config::ConfigSpace;
use crate::function::{Function, header_type};
use crate::topology::Topology;
use alloc::vec::Vec;
use core::fmt;
use dma_types::{Bdf, Segment, SourceId};

/// Functions that are looked at; a machine with more of them is not read to its end.
pub const MAX_FUNCTIONS: usize = 4096;

/// Buses of a segment that configuration space reaches, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusRange {
    /// The segment.
    pub segment: Segment,
    /// First bus.
    pub first: u8,
    /// Last bus.
    pub last: u8,
}

/// Something in configuration space that makes no sense; what to do about it is already decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Firmware gave the bridge no bus; what stands below it cannot be reached.
    UnconfiguredBridge {
        /// The bridge.
        bridge: Bdf,
    },
    /// The bridge leads to its own bus or one above; not followed.
    BusLoop {
        /// The bridge.
        bridge: Bdf,
        /// Where it leads.
        secondary: u8,
    },
    /// The bridge leads to a bus that another one led to, or that configuration space does not reach; not
    /// followed.
    BusUnavailable {
        /// The bridge.
        bridge: Bdf,
        /// Where it leads.
        secondary: u8,
    },
    /// The range of the bridge is reversed, overlaps its neighbour's or leaves that of the bridge above.
    RangeConflict {
        /// The bridge.
        bridge: Bdf,
        /// First bus it claims.
        secondary: u8,
        /// Last bus it claims.
        subordinate: u8,
    },
    /// Functions answer on a bus that a bridge claims but none leads to; taken as below that bridge.
    HiddenBus {
        /// The bridge that claims the bus.
        bridge: Bdf,
        /// The bus.
        bus: u8,
    },
    /// A list of capabilities cannot be followed; what came before is used.
    BrokenCapabilities {
        /// The function.
        function: Bdf,
        /// The pointer that leads nowhere.
        pointer: u16,
    },
    /// There are more functions than [`MAX_FUNCTIONS`]; the rest is unknown.
    TooManyFunctions {
        /// Where enumeration stopped.
        at: Bdf,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnconfiguredBridge { bridge } => write!(f, "bridge {bridge} has no bus number"),
            Self::BusLoop { bridge, secondary } => {
                write!(f, "bridge {bridge} leads back to bus {secondary:02x}")
            }
            Self::BusUnavailable { bridge, secondary } => {
                write!(f, "bridge {bridge} leads to bus {secondary:02x}, which is taken or out of range")
            }
            Self::RangeConflict { bridge, secondary, subordinate } => {
                write!(f, "bridge {bridge} claims buses {secondary:02x} to {subordinate:02x} against others")
            }
            Self::HiddenBus { bridge, bus } => {
                write!(f, "no bridge leads to bus {bus:02x}, which {bridge} claims")
            }
            Self::BrokenCapabilities { function, pointer } => {
                write!(f, "capabilities of {function} break off at {pointer:#x}")
            }
            Self::TooManyFunctions { at } => {
                write!(f, "more than {MAX_FUNCTIONS} functions, stopped at {at}")
            }
        }
    }
}

/// Finds every function on the given buses.
///
/// Only reads. Several ranges of one segment count as one set of buses.
pub fn enumerate(config: &impl ConfigSpace, ranges: &[BusRange]) -> Topology {
    let mut functions = Vec::new();
    let mut findings = Vec::new();
    for (index, range) in ranges.iter().enumerate() {
        let (earlier, rest) = ranges.split_at(index);
        if earlier.iter().any(|other| other.segment == range.segment) {
            continue;
        }
        let mut scan = Scan {
            config,
            segment: range.segment,
            buses: BusMap::new(rest.iter().filter(|other| other.segment == range.segment)),
            pending: Vec::new(),
            functions,
            findings,
        };
        scan.run();
        Scan { functions, findings, .. } = scan;
    }
    Topology::new(functions, findings)
}

/// The walk through one segment.
struct Scan<'a, C> {
    config: &'a C,
    segment: Segment,
    buses: BusMap,
    /// Buses below bridges already found.
    pending: Vec<(u8, Bdf)>,
    functions: Vec<Function>,
    findings: Vec<Finding>,
}

impl<C: ConfigSpace> Scan<'_, C> {
    fn run(&mut self) {
        for bus in 0..=u8::MAX {
            if !self.buses.take(bus) {
                continue;
            }
            let found_before = self.functions.len();
            let parent = self.buses.claimant(bus);
            self.scan_bus(bus, parent);
            if let Some(bridge) = parent
                && self.functions.len() > found_before
            {
                self.findings.push(Finding::HiddenBus { bridge, bus });
            }
            while let Some((bus, bridge)) = self.pending.pop() {
                self.scan_bus(bus, Some(bridge));
            }
        }
    }

    fn scan_bus(&mut self, bus: u8, parent: Option<Bdf>) {
        let every_function = self.forwards_ari(parent);
        let mut several = false;
        for devfn in 0..=u8::MAX {
            let bdf = Bdf::new(self.segment, SourceId::from_bits(u16::from_be_bytes([bus, devfn])));
            let first = bdf.source.function() == 0;
            if !(first || several || every_function) {
                continue;
            }
            let header = self.add_function(bdf, parent);
            if first {
                several = header.is_some_and(|header| header.is_multi_function());
            }
        }
    }

    /// Tells whether the bridge above lets its one device use all 256 function numbers.
    fn forwards_ari(&self, parent: Option<Bdf>) -> bool {
        parent
            .and_then(|bdf| self.functions.iter().find(|function| function.bdf == bdf))
            .and_then(|bridge| bridge.express)
            .is_some_and(|express| express.ari_forwarding)
    }

    fn add_function(&mut self, bdf: Bdf, parent: Option<Bdf>) -> Option<HeaderType> {
        if self.functions.len() >= MAX_FUNCTIONS {
            self.stop_at(bdf);
            return None;
        }
        let (function, broken) = Function::read(self.config, bdf, parent)?;
        if let Some(broken) = broken {
            self.findings.push(Finding::BrokenCapabilities { function: bdf, pointer: broken.pointer });
        }
        self.follow(&function);
        let header = function.header;
        self.functions.push(function);
        Some(header)
    }

    /// Notes, once, that there is more than is looked at.
    fn stop_at(&mut self, bdf: Bdf) {
        let noted = self.findings.iter().any(|finding| matches!(finding, Finding::TooManyFunctions { .. }));
        if !noted && header_type(self.config, bdf).is_some() {
            self.findings.push(Finding::TooManyFunctions { at: bdf });
        }
    }

    /// Queues the bus below a bridge, if its numbers make sense.
    fn follow(&mut self, function: &Function) {
        let (bridge, Some(buses)) = (function.bdf, function.buses) else { return };
        let (secondary, subordinate) = (buses.secondary, buses.subordinate);
        if secondary == 0 {
            self.findings.push(Finding::UnconfiguredBridge { bridge });
            return;
        }
        if secondary <= bridge.source.bus() {
            self.findings.push(Finding::BusLoop { bridge, secondary });
            return;
        }
        if !self.buses.claim(bridge, secondary, subordinate) {
            self.findings.push(Finding::RangeConflict { bridge, secondary, subordinate });
        }
        if self.buses.take(secondary) {
            self.pending.push((secondary, bridge));
        } else {
            self.findings.push(Finding::BusUnavailable { bridge, secondary });
        }
    }
}

/// The 256 buses of a segment.
struct BusMap {
    /// Configuration space reaches the bus, and it has not been scanned or queued.
    available: [bool; 256],
    /// The innermost bridge whose range holds the bus.
    claimant: [Option<Bdf>; 256],
}

impl BusMap {
    fn new<'a>(ranges: impl Iterator<Item = &'a BusRange>) -> Self {
        let mut available = [false; 256];
        for range in ranges {
            let buses = usize::from(range.first)..=usize::from(range.last);
            available.get_mut(buses).into_iter().flatten().for_each(|bus| *bus = true);
        }
        Self { available, claimant: [None; 256] }
    }

    /// Takes a bus for scanning; false if it is out of range or was taken before.
    fn take(&mut self, bus: u8) -> bool {
        self.available.get_mut(usize::from(bus)).is_some_and(core::mem::take)
    }

    fn claimant(&self, bus: u8) -> Option<Bdf> {
        self.claimant.get(usize::from(bus)).copied().flatten()
    }

    /// Notes the range of a bridge; false if a bridge that does not stand above it has claimed part of it,
    /// or the range is reversed.
    fn claim(&mut self, bridge: Bdf, first: u8, last: u8) -> bool {
        let above = self.claimant(bridge.source.bus());
        let mut sound = first <= last;
        for bus in first..=last {
            if let Some(claimant) = self.claimant.get_mut(usize::from(bus)) {
                sound &= *claimant == above;
                *claimant = Some(bridge);
            }
        }
        sound
    }
}

#[cfg(test)]
mod tests;
