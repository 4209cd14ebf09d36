//! Configuration space out of arbitrary bytes, and what must hold of any topology.

use crate::config::ConfigSpace;
use crate::enumerate::{BusRange, MAX_FUNCTIONS, enumerate};
use crate::express::PortType;
use crate::function::Function;
use crate::topology::Topology;
use alloc::collections::BTreeMap;
use core::cell::Cell;
use dma_types::{Bdf, Segment, SourceId};

/// Bytes that describe one function.
const RECORD: usize = 12;

/// The kinds of ports that make sense, those that lead to others more often.
const PORTS: [PortType; 8] = [
    PortType::ROOT_PORT,
    PortType::ROOT_PORT,
    PortType::ROOT_PORT,
    PortType::UPSTREAM,
    PortType::DOWNSTREAM,
    PortType::EXPRESS_TO_PCI,
    PortType::PCI_TO_EXPRESS,
    PortType::ENDPOINT,
];

/// Functions whose every register is made from a few bytes: where the first of these says so, the registers that lead
/// deeper make sense, else they are as arbitrary as the others.
#[derive(Clone, Debug, Default)]
pub struct RawSpace {
    functions: BTreeMap<u16, [u8; RECORD]>,
    reads: Cell<usize>,
}

impl RawSpace {
    /// Takes a function from each piece of the bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut space = Self::default();
        for record in bytes.chunks_exact(RECORD) {
            let record: [u8; RECORD] = record.try_into().expect("pieces of that length");
            space.functions.insert(u16::from_be_bytes([record[1], record[2]]), record);
        }
        space
    }

    /// Finds the functions, and checks what must hold of them.
    pub fn check(&self) {
        let topology = enumerate(self, &[BusRange { segment: Segment(0), first: 0, last: 255 }]);
        // Each id once, and for each function two lists of capabilities with a few registers each.
        let bound = 2 * 65_536 + topology.functions().len() * 4_000;
        assert!(self.reads.get() <= bound, "{} reads", self.reads.get());
        check(&topology);
    }

    fn byte(&self, function: Bdf, offset: u16) -> u8 {
        self.reads.set(self.reads.get() + 1);
        let Some(record) = self.functions.get(&function.source.bits()) else { return 0xff };
        let [flags, _, _, header, secondary, subordinate, port, device_control, acs, seed @ ..] = record;
        let sensible = flags & 1 != 0;
        match (offset, sensible) {
            (0, _) => 0x86,
            (1, _) => 0x80,
            (0x06, true) => 0x10,
            (0x0e, true) => header & 0x81,
            (0x0e, false) => header & 0x83,
            (0x19, _) => *secondary,
            (0x1a, _) => *subordinate,
            (0x34 | 0x40, true) => {
                if offset == 0x34 {
                    0x40
                } else {
                    0x10
                }
            }
            (0x41, true) => 0,
            (0x42, true) => PORTS[usize::from(port % 8)].0 << 4 | 2,
            (0x44, true) => port >> 1 & 0x18,
            (0x49, true) => device_control & 2,
            (0x68, true) => device_control & 0x20,
            (0x100, true) => {
                if flags & 2 != 0 {
                    0x0d
                } else {
                    0
                }
            }
            (0x101..=0x103, true) => 0,
            (0x104 | 0x106, true) => *acs,
            _ => {
                let start = u32::from_le_bytes([seed[0], seed[1], seed[2], 1]);
                let mixed = (start ^ u32::from(offset) << 8).wrapping_mul(0x9e37_79b1);
                (mixed ^ mixed >> 15).to_be_bytes()[0]
            }
        }
    }
}

impl ConfigSpace for RawSpace {
    fn read8(&self, function: Bdf, offset: u16) -> u8 {
        self.byte(function, offset)
    }

    fn read16(&self, function: Bdf, offset: u16) -> u16 {
        u16::from_le_bytes([self.byte(function, offset), self.byte(function, offset | 1)])
    }

    fn read32(&self, function: Bdf, offset: u16) -> u32 {
        u32::from(self.read16(function, offset)) | u32::from(self.read16(function, offset | 2)) << 16
    }

    fn write16(&self, _: Bdf, _: u16, _: u16) {}

    fn write32(&self, _: Bdf, _: u16, _: u32) {}
}

/// Panics unless bus ranges nest, ids come from the function itself and the bridges above it, and each function is in
/// one group, with all whose id it may carry.
pub fn check(topology: &Topology) {
    assert!(topology.functions().len() <= MAX_FUNCTIONS);
    let groups = topology.groups();
    assert_eq!(groups, topology.groups());
    assert_eq!(
        groups.all().iter().map(|group| group.members.len()).sum::<usize>(),
        topology.functions().len()
    );
    for function in topology.functions() {
        check_place(topology, function);
        let own = groups.of(function.bdf).expect("each function has a group");
        assert!(groups.members(own).contains(&function.bdf));
        assert!(topology.aliases(function).contains(&topology.requester(function)));
        for id in topology.aliases(function) {
            assert!(proves(topology, function, id), "{id} among the ids of {}", function.bdf);
            let holder = Bdf::new(function.bdf.segment, id);
            assert!(groups.of(holder).is_none_or(|other| other == own), "{id} of {}", function.bdf);
        }
    }
}

fn check_place(topology: &Topology, function: &Function) {
    let bus = function.bdf.source.bus();
    if function.refused.is_some() {
        assert!(!function.is_bridge() && function.leads_to.is_none(), "{function:?}");
    }
    let above = function.parent.map(|parent| topology.get(parent).expect("parents exist"));
    let room = above.map(|bridge| bridge.leads_to.expect("it leads somewhere"));
    assert!(room.is_none_or(|room| (room.first..=room.last).contains(&bus)), "{function:?}");
    let Some(buses) = function.leads_to else { return };
    assert!(function.is_bridge() && bus < buses.first && buses.first <= buses.last, "{function:?}");
    assert!(room.is_none_or(|room| buses.last <= room.last), "{function:?}");
    for other in topology.functions() {
        let inside = (buses.first..=buses.last).contains(&other.bdf.source.bus());
        let below = topology.ancestors(other).any(|bridge| bridge.bdf == function.bdf);
        assert_eq!(inside, below, "{} and {}", other.bdf, function.bdf);
    }
}

/// Tells whether an id is the function's own, one that nobody else has on its device, or put in by a bridge above.
fn proves(topology: &Topology, function: &Function, id: SourceId) -> bool {
    let own = function.bdf.source;
    let nobody = topology.get(Bdf::new(function.bdf.segment, id)).is_none();
    let phantom = nobody && (id.bus(), id.device()) == (own.bus(), own.device());
    let by_bridge = topology.ancestors(function).any(|bridge| {
        let below = bridge.leads_to.and_then(|buses| SourceId::new(buses.first, 0, 0));
        bridge.bdf.source == id || below == Some(id)
    });
    id == own || phantom || by_bridge
}
