//! Access Control Services: making peer-to-peer requests go through the IOMMU.
//!
//! PCIe "ACS Extended Capability". Without these controls a switch or a device with several functions may
//! deliver a request to a neighbour on its own, and a device may send under a foreign requester id.

use crate::config::ConfigSpace;
use crate::function::{BridgeKind, Function};
use crate::topology::Topology;
use bitflags::bitflags;
use dma_types::Bdf;

/// Offset of the capability register; the control register follows.
const CAPABILITY: u16 = 0x04;
const CONTROL: u16 = 0x06;

bitflags! {
    /// The controls, in the capability register (offered) as in the control register (on).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AcsControls: u16 {
        /// Requests from below must carry a bus number from below.
        const SOURCE_VALIDATION = 1 << 0;
        /// Requests from below that claim to be translated already are blocked.
        const TRANSLATION_BLOCKING = 1 << 1;
        /// Requests to a peer are sent up instead.
        const REQUEST_REDIRECT = 1 << 2;
        /// Completions to a peer are sent up instead.
        const COMPLETION_REDIRECT = 1 << 3;
        /// What comes back down to the port it came from is sent up again.
        const UPSTREAM_FORWARDING = 1 << 4;
        /// A list of peers decides, and overrules the redirection.
        const EGRESS_CONTROL = 1 << 5;
        /// Translated requests may go to a peer directly.
        const DIRECT_TRANSLATED = 1 << 6;
        const _ = !0;

        /// What keeps functions apart at a port.
        const PORT_ISOLATION = Self::SOURCE_VALIDATION.bits() | Self::REQUEST_REDIRECT.bits()
            | Self::COMPLETION_REDIRECT.bits() | Self::UPSTREAM_FORWARDING.bits();
        /// What keeps the functions of one device apart.
        const FUNCTION_ISOLATION = Self::REQUEST_REDIRECT.bits() | Self::COMPLETION_REDIRECT.bits();
        /// What opens ways around the redirection.
        const BYPASS = Self::EGRESS_CONTROL.bits() | Self::DIRECT_TRANSLATED.bits();
    }
}

/// The capability of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acs {
    /// Where it stands in configuration space.
    pub offset: u16,
    /// What the function offers.
    pub offered: AcsControls,
    /// What was on when last read.
    pub on: AcsControls,
}

impl Acs {
    /// Reads the capability that stands at `offset`.
    pub(crate) fn read(config: &impl ConfigSpace, function: Bdf, offset: u16) -> Self {
        Self {
            offset,
            offered: AcsControls::from_bits_retain(config.read16(function, offset + CAPABILITY)),
            on: AcsControls::from_bits_retain(config.read16(function, offset + CONTROL)),
        }
    }

    /// Where its control register stands.
    pub(crate) const fn control(&self) -> u16 {
        self.offset.saturating_add(CONTROL)
    }

    /// Tells whether every one of `controls` that is offered is on, and no way around them.
    ///
    /// A control that is not offered is one that the function does not need: it has no such peer traffic
    /// (PCIe "ACS Functions in Multi-Function Devices", "ACS Downstream Ports").
    pub const fn enforces_offered(&self, controls: AcsControls) -> bool {
        self.on.contains(controls.intersection(self.offered)) && !self.on.intersects(AcsControls::BYPASS)
    }

    /// Tells whether all of `controls` are on, and no way around them.
    pub const fn enforces(&self, controls: AcsControls) -> bool {
        self.on.contains(controls) && !self.on.intersects(AcsControls::BYPASS)
    }

    /// Switches isolation on and reads back what took effect.
    fn enable(&mut self, config: &impl ConfigSpace, function: Bdf) {
        let wanted = AcsControls::PORT_ISOLATION.union(AcsControls::TRANSLATION_BLOCKING);
        let new = self.on.difference(AcsControls::BYPASS).union(wanted.intersection(self.offered));
        if new != self.on {
            config.write16(function, self.offset + CONTROL, new.bits());
        }
        *self = Self::read(config, function, self.offset);
    }
}

/// What [`Topology::ports_without_source_validation`] means, in words.
pub const NO_SOURCE_VALIDATION: &str = "does not check whose ids requests from below carry (no ACS source validation): \
    a device there can pass for any other, and use what that one was given";

impl Topology {
    /// The ports that let requests from below pass whatever ids they carry, as the ACS controls stand now, by rising
    /// BDF; of those below which something stands or can be plugged in.
    ///
    /// A requester id proves who sent a request only if the port above the sender checks the bus number in it.
    pub fn ports_without_source_validation(&self) -> impl Iterator<Item = &Function> {
        self.functions().iter().filter(|function| {
            let port =
                matches!(function.bridge_kind(), Some(BridgeKind::RootPort | BridgeKind::DownstreamPort));
            let hot_plug = function.express.is_some_and(|express| express.hot_plug);
            let validates = function.acs.is_some_and(|acs| acs.on.contains(AcsControls::SOURCE_VALIDATION));
            port && !validates && (hot_plug || !self.below(function.bdf).is_empty())
        })
    }

    /// Switches the isolating controls on in every function that offers them.
    ///
    /// Source validation, translation blocking, request and completion redirection and upstream forwarding
    /// go on, egress control and direct translated requests off; the result is read back into
    /// [`Function::acs`](crate::Function::acs), from which [`Topology::groups`] judges.
    pub fn enable_acs(&mut self, config: &impl ConfigSpace) {
        for function in self.functions_mut() {
            if let Some(acs) = &mut function.acs {
                acs.enable(config, function.bdf);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};
    use std::vec::Vec;

    #[test]
    fn offered_controls_go_on_and_ways_around_go_off() {
        let space = FakeSpace::new()
            .root_port("00:1c.0", 1, 1)
            .acs("00:1c.0", 0x007f)
            .with("00:1c.0", |f| f.set16(0x106, 0x0060));
        let mut topology = space.enumerate();
        topology.enable_acs(&space);
        let acs = topology.get(bdf("00:1c.0")).unwrap().acs.unwrap();
        assert_eq!(acs.on.bits(), 0x1f);
        assert_eq!(space.read16(bdf("00:1c.0"), 0x106), 0x1f);
        assert!(acs.enforces(AcsControls::PORT_ISOLATION));
    }

    #[test]
    fn ports_that_do_not_check_ids_are_told_where_that_matters() {
        let space = FakeSpace::new()
            .root_port("00:1c.0", 1, 1)
            .acs("00:1c.0", 0x1f)
            .express_endpoint("01:00.0", 0x8086, 1)
            .root_port("00:1c.1", 2, 2)
            .acs("00:1c.1", 0x1e)
            .express_endpoint("02:00.0", 0x8086, 1)
            .root_port("00:1c.2", 3, 3)
            .root_port("00:1c.3", 4, 4)
            .with("00:1c.3", |f| f.set16(0x42, 0x0142).set32(0x54, 0x40))
            .multi_function("00:1c.0");
        let mut topology = space.enumerate();
        topology.enable_acs(&space);
        let told: Vec<_> = topology.ports_without_source_validation().map(|port| port.bdf).collect();
        assert_eq!(told, ["00:1c.1", "00:1c.3"].map(bdf), "not the one that checks, nor an empty one");
    }

    #[test]
    fn controls_that_do_not_stick_are_not_counted() {
        let space = FakeSpace::new()
            .root_port("00:1c.0", 1, 1)
            .acs("00:1c.0", 0x001f)
            .with("00:1c.0", |f| f.read_only16(0x106, 0x1f & !0x04));
        let mut topology = space.enumerate();
        topology.enable_acs(&space);
        let acs = topology.get(bdf("00:1c.0")).unwrap().acs.unwrap();
        assert!(!acs.enforces_offered(AcsControls::PORT_ISOLATION));
        assert!(!acs.on.contains(AcsControls::REQUEST_REDIRECT));
    }
}
