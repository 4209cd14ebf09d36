//! Finding every function of the machine.
//!
//! A bus number that no bridge leads to is probed as well: root complexes may have several root buses, and the
//! firmware's list of them stands in AML. Therefore every bus is scanned once, and only then it is judged which of
//! them stand below which bridges (the module `fabric` has the rules).
//!
//! The work is bounded whatever the registers say: 256 buses a segment, 256 functions a bus,
//! [`MAX_FUNCTIONS`] in all.

use crate::class::HeaderType;
use crate::config::ConfigSpace;
use crate::fabric::{self, Place};
use crate::function::{Function, is_present};
use crate::topology::Topology;
use alloc::vec::Vec;
use core::fmt;
use core::ops::ControlFlow;
use dma_types::{Bdf, Segment, SourceId};

/// Functions that are looked at; a machine with more of them is not read to its end.
pub const MAX_FUNCTIONS: usize = 4096;

/// Function numbers of one device, but below a port that forwards requests of ARI.
const FUNCTIONS_OF_DEVICE: usize = 8;

/// Buses of a segment that configuration space reaches, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusRange {
    /// The segment group of the buses.
    pub segment: Segment,
    /// The first bus of the range.
    pub first: u8,
    /// The last bus of the range, which belongs to it.
    pub last: u8,
}

/// Something in configuration space that makes no sense; what to do about it is already decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusFinding {
    /// Firmware gave the bridge no bus; what stands below it cannot be reached.
    UnconfiguredBridge {
        /// The bridge that is meant.
        bridge: Bdf,
    },
    /// The bridge leads to its own bus or one above; not followed.
    BusLoop {
        /// The bridge that is meant.
        bridge: Bdf,
        /// The bus that it says it leads to.
        secondary: u8,
    },
    /// The bridge leads to a bus that configuration space does not reach; what stands there is unknown.
    BusUnavailable {
        /// The bridge that is meant.
        bridge: Bdf,
        /// The bus that it says it leads to.
        secondary: u8,
    },
    /// The range of the bridge is reversed, overlaps its neighbour's or leaves that of the bridge above; not followed.
    RangeConflict {
        /// The bridge that is meant.
        bridge: Bdf,
        /// First bus it claims.
        secondary: u8,
        /// Last bus it claims.
        subordinate: u8,
    },
    /// The function calls itself a bridge where no bridge of its kind can stand; not followed.
    MisplacedBridge {
        /// The function that calls itself a bridge.
        bridge: Bdf,
    },
    /// The function calls itself a bridge, and what stands on the buses that it claims answers without it.
    Impostor {
        /// The function that calls itself a bridge.
        bridge: Bdf,
    },
    /// The function calls itself a bridge, and does not show that what stands on its buses stands below it.
    UnclearBridge {
        /// The function that calls itself a bridge.
        bridge: Bdf,
    },
    /// Functions answer on a bus that a bridge claims but none leads to; they are refused.
    HiddenBus {
        /// The bridge that claims the bus.
        bridge: Bdf,
        /// The bus that was not looked at.
        bus: u8,
    },
    /// A list of capabilities cannot be followed; what came before is used.
    BrokenCapabilities {
        /// The function that is meant.
        function: Bdf,
        /// The pointer that leads nowhere.
        pointer: u16,
    },
    /// There are more functions than [`MAX_FUNCTIONS`]; the rest is unknown.
    TooManyFunctions {
        /// The function at which enumeration stopped.
        at: Bdf,
    },
}

impl fmt::Display for BusFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnconfiguredBridge { bridge } => write!(f, "bridge {bridge} has no bus number"),
            Self::BusLoop { bridge, secondary } => {
                write!(f, "bridge {bridge} leads back to bus {secondary:02x}")
            }
            Self::BusUnavailable { bridge, secondary } => {
                write!(f, "bridge {bridge} leads to bus {secondary:02x}, which cannot be reached")
            }
            Self::RangeConflict { bridge, secondary, subordinate } => {
                write!(f, "bridge {bridge} claims buses {secondary:02x} to {subordinate:02x} against others")
            }
            Self::MisplacedBridge { bridge } => {
                write!(f, "{bridge} calls itself a bridge where no bridge of its kind can stand")
            }
            Self::Impostor { bridge } => {
                write!(f, "{bridge} calls itself a bridge, but the buses that it claims answer without it")
            }
            Self::UnclearBridge { bridge } => {
                write!(f, "{bridge} does not show that what answers on its buses stands below it")
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

impl BusFinding {
    /// Tells whether because of it something works less well than it should, or is not known at all.
    ///
    /// Where a bridge has no bus number or a list of capabilities breaks off, nothing is lost but what the function
    /// itself could have offered.
    pub const fn is_shortfall(&self) -> bool {
        match self {
            Self::UnconfiguredBridge { .. } | Self::BrokenCapabilities { .. } => false,
            Self::BusLoop { .. }
            | Self::BusUnavailable { .. }
            | Self::RangeConflict { .. }
            | Self::MisplacedBridge { .. }
            | Self::Impostor { .. }
            | Self::UnclearBridge { .. }
            | Self::HiddenBus { .. }
            | Self::TooManyFunctions { .. } => true,
        }
    }
}

/// Finds every function on the given buses.
///
/// Only reads, but for functions of root buses that call themselves bridges and are not believed without proof, or
/// whose ids others' requests would carry: their bus numbers are closed for a moment, so nothing below may have
/// requests under way. Several ranges of one segment count as one set of buses.
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
            room: MAX_FUNCTIONS.saturating_sub(functions.len()),
            functions: Vec::new(),
            findings: &mut findings,
        };
        scan.run(&reached(rest.iter().filter(|other| other.segment == range.segment)));
        functions.append(&mut scan.functions);
    }
    Topology::new(functions, findings)
}

/// The buses that configuration space reaches.
fn reached<'a>(ranges: impl Iterator<Item = &'a BusRange>) -> [bool; 256] {
    let mut reached = [false; 256];
    for range in ranges {
        let buses = usize::from(range.first)..=usize::from(range.last);
        reached.get_mut(buses).into_iter().flatten().for_each(|bus| *bus = true);
    }
    reached
}

/// The walk through one segment.
struct Scan<'a, C> {
    config: &'a C,
    segment: Segment,
    /// How many functions more are looked at.
    room: usize,
    functions: Vec<Function>,
    findings: &'a mut Vec<BusFinding>,
}

impl<C: ConfigSpace> Scan<'_, C> {
    fn run(&mut self, reached: &[bool; 256]) {
        for (bus, _) in (0..=u8::MAX).zip(reached).filter(|(_, reached)| **reached) {
            if self.scan_bus(bus).is_break() {
                break;
            }
        }
        let mut findings = Vec::new();
        let mut places = fabric::judge(&self.functions, reached, &[], &mut findings);
        if self.scan_behind_ari(&places) {
            findings.clear();
            places = fabric::judge(&self.functions, reached, &[], &mut findings);
        }
        let impostors = fabric::proof::find_impostors(self.config, &self.functions, &places, &findings);
        if !impostors.is_empty() {
            findings.clear();
            places = fabric::judge(&self.functions, reached, &impostors, &mut findings);
        }
        self.findings.append(&mut findings);
        self.functions.iter_mut().zip(places).for_each(|(function, place)| function.set_place(place));
    }

    /// Asks function 0 of each device, and the others only of one that says it has several.
    fn scan_bus(&mut self, bus: u8) -> ControlFlow<()> {
        let source = |devfn| SourceId::from_bits(u16::from_be_bytes([bus, devfn]));
        for first in (0..=u8::MAX).step_by(FUNCTIONS_OF_DEVICE) {
            let Some(header) = self.add_function(source(first))? else { continue };
            if header.is_multi_function() {
                for other in 1..FUNCTIONS_OF_DEVICE as u8 {
                    self.add_function(source(first | other))?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Looks at all 256 function numbers below the ports that let their one device use them. Tells whether there were
    /// more functions.
    fn scan_behind_ari(&mut self, places: &[Place]) -> bool {
        let found_before = self.functions.len();
        let forwards = |function: &Function| function.express.is_some_and(|express| express.ari_forwarding);
        let forwarding = self.functions.iter().zip(places).filter(|(function, _)| forwards(function));
        let buses: Vec<_> = forwarding.filter_map(|(_, place)| Some(place.leads_to?.first)).collect();
        let known = |scan: &Self, source| {
            let known = scan.functions.get(..found_before).unwrap_or_default();
            known.binary_search_by_key(&source, |function| function.bdf.source).is_ok()
        };
        for (bus, devfn) in buses.into_iter().flat_map(|bus| (0..=u8::MAX).map(move |devfn| (bus, devfn))) {
            let source = SourceId::from_bits(u16::from_be_bytes([bus, devfn]));
            if !known(self, source) && self.add_function(source).is_break() {
                break;
            }
        }
        self.functions.sort_unstable_by_key(|function| function.bdf);
        self.functions.len() > found_before
    }

    /// Reads a function, if there is one. Breaks off, and notes that once, where there are more than are looked at.
    fn add_function(&mut self, source: SourceId) -> ControlFlow<(), Option<HeaderType>> {
        let at = Bdf::new(self.segment, source);
        // Most are absent: that is told by one read.
        if !is_present(self.config, at) {
            return ControlFlow::Continue(None);
        }
        if self.functions.len() >= self.room {
            let noted = |finding: &BusFinding| matches!(finding, BusFinding::TooManyFunctions { .. });
            if !self.findings.iter().any(noted) {
                self.findings.push(BusFinding::TooManyFunctions { at });
            }
            return ControlFlow::Break(());
        }
        let Some((function, broken)) = Function::read(self.config, at) else {
            return ControlFlow::Continue(None);
        };
        if let Some(broken) = broken {
            self.findings.push(BusFinding::BrokenCapabilities { function: at, pointer: broken.pointer });
        }
        let header = function.header;
        self.functions.push(function);
        ControlFlow::Continue(Some(header))
    }
}

#[cfg(test)]
mod tests;
