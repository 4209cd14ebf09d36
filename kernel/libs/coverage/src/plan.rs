//! The plan: units, what each serves, and firmware's regions.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use dma_types::{Bdf, PAGE_SIZE, PhysAddr, Segment, SourceId};
use pci::Topology;

use crate::description::{
    Controller, ControllerScope, Description, DeviceScope, Platform, Reach, Remainder, ReservedRegion,
    UnitDescription,
};
use crate::finding::TableFinding;
use crate::region::{Pages, Region};

/// Which unit serves which function, and which functions own which reserved region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The units, in the order of the table.
    pub units: Vec<Unit>,
    /// For each function of the topology, by index, its unit.
    pub unit_of: Vec<Option<usize>>,
    /// Firmware's regions that are sound, in the order of the table.
    pub regions: Vec<Region>,
    /// What does not fit.
    pub findings: Vec<TableFinding>,
    /// What the table says of the machine as a whole.
    pub platform: Platform,
}

/// A unit as the table describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Where in the table it is described.
    pub described: Range<usize>,
    /// The segment it serves.
    pub segment: Segment,
    /// Where its registers begin.
    pub base: PhysAddr,
    /// Bytes of its register window.
    pub window_bytes: u64,
    /// Why its registers must not be touched.
    pub problem: Option<UnitProblem>,
    /// The interrupt controllers behind it.
    pub controllers: Vec<MessageSource>,
}

/// An interrupt controller, and the id that its messages carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageSource {
    /// Which one.
    pub controller: Controller,
    /// The id; `None` where the table's path leads nowhere, so that no entry can be for it.
    pub id: Option<SourceId>,
}

/// Why a unit's registers must not be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitProblem {
    /// The base is zero.
    NoBase,
    /// The base is not at a page.
    Unaligned,
    /// The window passes the processor's physical address width.
    BeyondWidth {
        /// The width in bits.
        width: u8,
    },
    /// Another unit has the same base.
    Shared {
        /// The index of the unit that has it first.
        with: usize,
    },
}

impl fmt::Display for UnitProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBase => f.write_str("the firmware gives register base 0"),
            Self::Unaligned => f.write_str("the firmware gives a register base that is not at a page"),
            Self::BeyondWidth { width } => {
                write!(f, "the register window passes the processor's {width}-bit physical addresses")
            }
            Self::Shared { with } => write!(f, "unit {with} has the same register base"),
        }
    }
}

impl Plan {
    /// Joins what the table describes and the machine; `physical_width` is the processor's, in bits.
    ///
    /// A scope that names the function itself counts before one that names a bridge above it, the nearest
    /// bridge before those further up, and a unit that takes the rest of its segment comes last.
    pub fn new(described: &Description<'_>, topology: &Topology, physical_width: u8) -> Self {
        let unit_of = vec![None; topology.functions().len()];
        let mut plan = Self { unit_of, platform: described.platform, ..Self::default() };
        // The units whose scope names a bridge, by the bridge's index.
        let mut below: Vec<(usize, usize)> = Vec::new();
        let mut rest: Vec<(Segment, usize)> = Vec::new();
        for unit in &described.units {
            let index = plan.units.len();
            plan.add_unit(unit, topology, physical_width);
            plan.name_devices(unit, index, topology, &mut below);
            if unit.remainder == Remainder::Served {
                let (offset, segment) = (unit.described.start, unit.segment);
                if rest.iter().any(|(served, _)| *served == segment) {
                    plan.findings.push(TableFinding::IncludeAllTwice { offset, segment });
                } else {
                    rest.push((segment, index));
                }
            }
        }
        plan.cover_the_rest(topology, &below, &rest);
        for region in &described.regions {
            plan.add_region(region, topology, physical_width);
        }
        plan
    }

    /// The unit whose registers begin within the `bytes` from `base` on, other than the one at `base` itself.
    pub fn unit_within(&self, base: PhysAddr, bytes: u64) -> Option<usize> {
        let reached = |other: PhysAddr| {
            other > base && other.as_u64().checked_sub(base.as_u64()).is_some_and(|distance| distance < bytes)
        };
        self.units.iter().position(|unit| reached(unit.base))
    }

    fn add_unit(&mut self, unit: &UnitDescription<'_>, topology: &Topology, physical_width: u8) {
        let &UnitDescription { segment, base, window_bytes, .. } = unit;
        let shared = self.units.iter().position(|unit| unit.base == base);
        let fits = base
            .checked_add(window_bytes.saturating_sub(1))
            .is_some_and(|last| physical_width >= 64 || last.as_u64() >> physical_width == 0);
        let problem = match shared {
            _ if base == PhysAddr::new(0) => Some(UnitProblem::NoBase),
            _ if !base.is_aligned(PAGE_SIZE) => Some(UnitProblem::Unaligned),
            _ if !fits => Some(UnitProblem::BeyondWidth { width: physical_width }),
            Some(with) => Some(UnitProblem::Shared { with }),
            None => None,
        };
        let described = unit.described.clone();
        let controllers = unit
            .controllers
            .iter()
            .map(|scope| MessageSource { controller: scope.controller, id: id_of(scope, segment, topology) });
        let controllers = controllers.collect();
        self.units.push(Unit { described, segment, base, window_bytes, problem, controllers });
    }

    /// Gives the unit the functions that its scopes name, and notes the bridges.
    fn name_devices(
        &mut self,
        described: &UnitDescription<'_>,
        unit: usize,
        topology: &Topology,
        below: &mut Vec<(usize, usize)>,
    ) {
        for scope in &described.scopes {
            let Some(function) = self.resolve(scope, described.segment, topology) else { continue };
            if scope.reach == Reach::Hierarchy {
                below.push((function, unit));
            }
            match self.unit_of.get_mut(function) {
                Some(taken) if taken.is_some_and(|other| other != unit) => {
                    let device = device_at(topology, function);
                    self.findings.push(TableFinding::NamedTwice { offset: scope.offset, device });
                }
                Some(free) => *free = Some(unit),
                None => {}
            }
        }
    }

    /// Finds the function that a scope names; notes it if there is none or it is of the other kind.
    fn resolve(&mut self, scope: &DeviceScope<'_>, segment: Segment, topology: &Topology) -> Option<usize> {
        let path = scope.hops.iter().map(|&[device, function]| (device, function));
        let Some(function) = topology.resolve(segment, scope.start_bus, path) else {
            let start_bus = scope.start_bus;
            self.findings.push(TableFinding::NoSuchDevice { offset: scope.offset, segment, start_bus });
            return None;
        };
        if function.is_bridge() != (scope.reach == Reach::Hierarchy) {
            self.findings.push(TableFinding::OtherKind { offset: scope.offset, device: function.bdf });
        }
        topology.index_of(function.bdf)
    }

    /// Covers what no scope names itself: by the nearest bridge above that one names, else by the unit that
    /// takes the rest of the segment.
    fn cover_the_rest(&mut self, topology: &Topology, below: &[(usize, usize)], rest: &[(Segment, usize)]) {
        for (function, unit) in topology.functions().iter().zip(&mut self.unit_of) {
            if unit.is_some() {
                continue;
            }
            let by_bridge = topology.ancestors(function).find_map(|bridge| {
                let bridge = topology.index_of(bridge.bdf)?;
                below.iter().find(|(named, _)| *named == bridge).map(|(_, unit)| *unit)
            });
            let by_segment =
                || rest.iter().find(|(segment, _)| *segment == function.bdf.segment).map(|(_, unit)| *unit);
            *unit = by_bridge.or_else(by_segment);
            if unit.is_none() {
                self.findings.push(TableFinding::Uncovered { device: function.bdf });
            }
        }
    }

    fn add_region(&mut self, region: &ReservedRegion<'_>, topology: &Topology, physical_width: u8) {
        let &ReservedRegion { offset, segment, base, .. } = region;
        let pages = match Pages::reserved_by(region, physical_width) {
            Ok(pages) => pages,
            Err(finding) => return self.findings.push(finding),
        };
        let mut functions = Vec::new();
        for scope in &region.scopes {
            let Some(named) = self.resolve(scope, segment, topology) else { continue };
            let Some(function) = topology.functions().get(named) else { continue };
            match (function.is_bridge(), scope.reach) {
                (false, _) => functions.push(named),
                // All that is below it, as for units.
                (true, Reach::Hierarchy) => {
                    let below = topology.below(function.bdf).iter().filter(|function| !function.is_bridge());
                    functions.extend(below.filter_map(|function| topology.index_of(function.bdf)));
                }
                (true, Reach::Function) => {
                    self.findings.push(TableFinding::RegionOfBridge { offset, base, device: function.bdf });
                }
            }
        }
        functions.sort_unstable();
        functions.dedup();
        self.regions.push(Region { offset, pages, functions });
    }
}

/// The id at the end of a controller's path. No function needs to stand there, nor a bus to exist for a path of one hop:
/// chipsets have their controllers send under ids of a bus of their own (VT-d "Device Scope Structure").
fn id_of(scope: &ControllerScope<'_>, segment: Segment, topology: &Topology) -> Option<SourceId> {
    let (&[device, function], above) = scope.hops.split_last()?;
    let bus = match above {
        [] => scope.start_bus,
        above => {
            let path = above.iter().map(|&[device, function]| (device, function));
            topology.resolve(segment, scope.start_bus, path)?.leads_to?.first
        }
    };
    SourceId::new(bus, device, function)
}

fn device_at(topology: &Topology, index: usize) -> Bdf {
    topology.functions().get(index).map(|function| function.bdf).unwrap_or_default()
}
