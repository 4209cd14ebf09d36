//! Which ids the requests of a function carry when they reach the IOMMU.
//!
//! PCIe ports pass requester ids on unchanged. A bridge with a conventional side does not: PCI requests
//! carry no id, so the bridge puts one in. A PCIe-to-PCI bridge uses its secondary bus number with device 0,
//! function 0, or passes the id of a PCI-X requester on, or takes requests over as its own (PCI Express to
//! PCI/PCI-X Bridge "Requester ID"). A conventional bridge makes them its own. Some conventional
//! bridges are PCIe-to-PCI bridges without saying so; therefore both ids count for every such bridge, which
//! joins nothing that does not share the bridge anyway.

use crate::function::{BridgeKind, Function};
use crate::topology::Topology;
use alloc::vec::Vec;
use dma_types::{Bdf, SourceId};

impl Topology {
    /// The id that the function's requests carry, as far as one id can be told.
    ///
    /// The function's own, or that of the uppermost bridge that replaces it.
    pub fn requester(&self, function: &Function) -> SourceId {
        self.ancestors(function).filter_map(replacement).last().unwrap_or(function.bdf.source)
    }

    /// Calls `visit` for each id that the function's requests may carry; an id may come twice.
    ///
    /// They are its own, those of phantom functions that are nobody else's, and those that the bridges above it put
    /// in. Allocates nothing.
    pub fn for_each_alias(&self, function: &Function, mut visit: impl FnMut(SourceId)) {
        visit(function.bdf.source);
        self.for_each_phantom(function, &mut visit);
        for bridge in self.ancestors(function) {
            if replaces_ids(bridge) {
                visit(bridge.bdf.source);
                if let Some(below) = secondary_id(bridge) {
                    visit(below);
                }
            }
        }
    }

    /// Visits the ids of phantom functions, PCIe "Phantom Functions Supported": where switched on, the upper bits of the
    /// function number are free for the function to fill. An id at which another function answers is none of them.
    pub(crate) fn for_each_phantom(&self, function: &Function, visit: &mut impl FnMut(SourceId)) {
        let Some(express) = function.express.filter(|express| express.phantom_enabled) else { return };
        let own = function.bdf;
        let step = 8_u16 >> express.phantom_bits.min(3);
        let first = own.source.bits() & !7 | own.source.bits() & (step - 1);
        for number in (0..8).step_by(usize::from(step)) {
            let id = SourceId::from_bits(first | number);
            if id != own.source && self.index_of(Bdf::new(own.segment, id)).is_none() {
                visit(id);
            }
        }
    }

    /// The ids that the function's requests may carry, sorted, each once.
    pub fn aliases(&self, function: &Function) -> Vec<SourceId> {
        let mut ids = Vec::new();
        self.for_each_alias(function, |id| ids.push(id));
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The functions whose requests may carry the id that `requester` names. Allocates nothing.
    pub fn claimants(&self, requester: Bdf) -> impl Iterator<Item = &Function> {
        self.functions().iter().filter(move |function| {
            let mut carries = false;
            self.for_each_alias(function, |id| carries |= id == requester.source);
            carries && function.bdf.segment == requester.segment
        })
    }
}

/// Tells whether a bridge puts an id in place of those from below.
pub(crate) fn replaces_ids(bridge: &Function) -> bool {
    match bridge.bridge_kind() {
        None | Some(BridgeKind::RootPort | BridgeKind::UpstreamPort | BridgeKind::DownstreamPort) => false,
        Some(
            BridgeKind::ExpressToPci
            | BridgeKind::PciToExpress
            | BridgeKind::Conventional
            | BridgeKind::CardBus,
        ) => true,
    }
}

/// The id that a bridge puts in place of those from below; `None` for a bridge that passes them on.
fn replacement(bridge: &Function) -> Option<SourceId> {
    match bridge.bridge_kind()? {
        BridgeKind::ExpressToPci => secondary_id(bridge),
        _ if replaces_ids(bridge) => Some(bridge.bdf.source),
        _ => None,
    }
}

/// Device 0, function 0 on the bus below.
fn secondary_id(bridge: &Function) -> Option<SourceId> {
    SourceId::new(bridge.leads_to?.first, 0, 0)
}

#[cfg(test)]
mod tests {
    use crate::testing::{FakeSpace, bdf};
    use std::string::{String, ToString};
    use std::vec::Vec;

    /// The requester and the aliases of a function, as text.
    fn ids(space: &FakeSpace, function: &str) -> (String, Vec<String>) {
        let topology = space.enumerate();
        let function = topology.get(bdf(function)).unwrap();
        let aliases = topology.aliases(function).iter().map(ToString::to_string).collect();
        (topology.requester(function).to_string(), aliases)
    }

    fn texts(ids: &[&str]) -> Vec<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn below_pcie_ports_a_function_keeps_its_id() {
        let space = FakeSpace::new().root_port("00:1c.0", 1, 1).endpoint("01:00.0", 0x1b36, 0x10);
        assert_eq!(ids(&space, "01:00.0"), ("01:00.0".into(), texts(&["01:00.0"])));
    }

    #[test]
    fn below_a_pcie_to_pci_bridge_it_is_device_0_of_the_bus_below() {
        let space = FakeSpace::new()
            .root_port("00:1c.0", 1, 2)
            .express_to_pci_bridge("01:00.0", 2, 2)
            .endpoint("02:05.0", 0x1234, 0x11e8);
        assert_eq!(ids(&space, "02:05.0"), ("02:00.0".into(), texts(&["01:00.0", "02:00.0", "02:05.0"])));
        assert_eq!(ids(&space, "01:00.0"), ("01:00.0".into(), texts(&["01:00.0"])));
        let topology = space.enumerate();
        let claimants: Vec<_> = topology.claimants(bdf("02:00.0")).map(|function| function.bdf).collect();
        assert_eq!(claimants, [bdf("02:05.0")]);
        assert_eq!(topology.claimants(bdf("0001:02:00.0")).count(), 0);
    }

    #[test]
    fn below_a_conventional_bridge_it_is_the_bridge() {
        let space = FakeSpace::new().conventional_bridge("00:1e.0", 1, 1).endpoint("01:04.0", 0x1234, 0x11e8);
        assert_eq!(ids(&space, "01:04.0"), ("00:1e.0".into(), texts(&["00:1e.0", "01:00.0", "01:04.0"])));
    }

    #[test]
    fn of_nested_bridges_the_uppermost_counts() {
        let space = FakeSpace::new()
            .express_to_pci_bridge("00:02.0", 1, 2)
            .conventional_bridge("01:03.0", 2, 2)
            .endpoint("02:05.0", 0x1234, 0x11e8);
        let (requester, aliases) = ids(&space, "02:05.0");
        assert_eq!(requester, "01:00.0");
        assert_eq!(aliases, texts(&["00:02.0", "01:00.0", "01:03.0", "02:00.0", "02:05.0"]));
        let reversed = FakeSpace::new()
            .conventional_bridge("00:02.0", 1, 3)
            .pci_to_express_bridge("01:03.0", 2, 2)
            .endpoint("02:00.0", 0x1234, 0x11e8);
        assert_eq!(ids(&reversed, "02:00.0").0, "00:02.0");
    }

    #[test]
    fn phantom_functions_count_where_they_are_on_and_nobody_else_is() {
        let space = |control| {
            FakeSpace::new()
                .express_endpoint("00:05.2", 0x8086, 1)
                .with("00:05.2", |f| f.set8(0x0e, 0x80).set32(0x44, 0x10).set16(0x48, control))
        };
        let space =
            |control| space(control).endpoint("00:05.0", 0x8086, 2).with("00:05.0", |f| f.set8(0x0e, 0x80));
        assert_eq!(ids(&space(0), "00:05.2").1, texts(&["00:05.2"]));
        assert_eq!(ids(&space(0x200), "00:05.2").1, texts(&["00:05.2", "00:05.4", "00:05.6"]));
    }
}
