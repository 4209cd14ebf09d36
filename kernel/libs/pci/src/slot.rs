//! Slots that take devices while the machine runs: who has left, who has come.
//!
//! A port with such a slot says whether something is plugged in and whether the link to it is up, and keeps for each a
//! bit that it has changed (PCIe "Slot Status Register", "Link Status Register"). A device that was exchanged between
//! two looks shows in these bits alone. Whatever cannot be told counts as a change: it costs a device that is blocked
//! for nothing, never one that keeps what another was given.

use dma_types::Bdf;

use crate::config::ConfigSpace;
use crate::express::{LINK_CAPABILITIES, LINK_STATUS, SLOT_STATUS};
use crate::function::{Function, Kind};

/// Slot status: presence detect changed, presence detect state, data link layer state changed.
const PRESENCE_CHANGED: u16 = 1 << 3;
const PRESENT: u16 = 1 << 6;
const LINK_CHANGED: u16 = 1 << 8;
/// Link capabilities: data link layer link active reporting.
const REPORTS_LINK: u32 = 1 << 20;
/// Link status: data link layer link active.
const LINK_ACTIVE: u16 = 1 << 13;

/// What a slot holds, as far as its port can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupancy {
    /// Nothing that can be reached.
    Empty,
    /// A card is in the slot.
    Occupied,
}

/// What has happened in a slot since it was looked at before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing has happened since.
    Quiet,
    /// What was there has left, or has been exchanged: nothing below the port is what it was.
    Left,
    /// Something has come where nothing was.
    Came,
}

/// A slot that is watched.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    port: Bdf,
    express: u16,
    reports_link: bool,
    held: Occupancy,
}

impl Slot {
    /// Begins to watch the slot below a port; `None` if it has none that takes devices while the machine runs. What
    /// changed before is forgotten: whoever calls this has yet to look what is below.
    pub fn watch(config: &impl ConfigSpace, port: &Function) -> Option<Self> {
        let express = port.express.filter(|express| express.hot_plug && port.is_bridge())?.offset;
        let reports_link = config.read32(port.bdf, express + LINK_CAPABILITIES) & REPORTS_LINK != 0;
        let mut slot = Self { port: port.bdf, express, reports_link, held: Occupancy::Empty };
        slot.look(config);
        Some(slot)
    }

    /// The port that the slot belongs to.
    pub const fn port(&self) -> Bdf {
        self.port
    }

    /// Looks what has happened, and clears the bits that tell of changes. Takes no lock and allocates nothing.
    pub fn look(&mut self, config: &impl ConfigSpace) -> News {
        let status = config.read16(self.port, self.express + SLOT_STATUS);
        let gone = status == u16::MAX;
        let changes = status & (PRESENCE_CHANGED | LINK_CHANGED);
        if changes != 0 && !gone {
            // The other bits that clear where a 1 is written stay as they are.
            config.write16(self.port, self.express + SLOT_STATUS, changes);
        }
        let link = config.read16(self.port, self.express + LINK_STATUS);
        let linked = !self.reports_link || link & LINK_ACTIVE != 0;
        let now =
            if status & PRESENT != 0 && linked && !gone { Occupancy::Occupied } else { Occupancy::Empty };
        let before = core::mem::replace(&mut self.held, now);
        match (before, now) {
            (Occupancy::Occupied, Occupancy::Empty) => News::Left,
            (Occupancy::Occupied, Occupancy::Occupied) if changes != 0 => News::Left,
            (Occupancy::Empty, Occupancy::Occupied) => News::Came,
            (Occupancy::Occupied, Occupancy::Occupied) | (Occupancy::Empty, Occupancy::Empty) => News::Quiet,
        }
    }
}

/// Reads a function that came while the machine runs, below a port; `None` if it has left again. Whatever it says of
/// itself, nothing stands below it: no bus numbers were given to it.
pub fn newcomer(config: &impl ConfigSpace, place: Bdf, port: Bdf) -> Option<Function> {
    let (mut function, _) = Function::read(config, place)?;
    function.kind = Kind::Endpoint;
    function.parent = Some(port);
    Some(function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};

    const PORT: &str = "00:1c.0";
    /// The capability stands at 0x40.
    const STATUS: usize = 0x5a;
    const LINK: usize = 0x52;
    const OCCUPIED: u16 = PRESENT;

    /// A root port with a slot; the bits of its status that tell of changes clear where a 1 is written.
    fn space(status: u16, link: u16) -> FakeSpace {
        FakeSpace::new().root_port(PORT, 1, 1).with(PORT, |f| {
            f.set16(0x42, 0x0142)
                .set32(0x4c, REPORTS_LINK)
                .set16(LINK, link)
                .set32(0x54, 1 << 6)
                .set16(STATUS, status)
                .clears_on_one16(STATUS, 0x011f)
        })
    }

    fn slot(space: &FakeSpace) -> Slot {
        Slot::watch(space, space.enumerate().get(bdf(PORT)).unwrap()).unwrap()
    }

    /// What the slot tells when its registers hold this.
    fn look(slot: &mut Slot, status: u16, link: u16) -> News {
        slot.look(&space(status, link))
    }

    #[test]
    fn only_ports_whose_slot_takes_devices_are_watched() {
        let none = FakeSpace::new().root_port(PORT, 1, 1).endpoint("01:00.0", 1, 1);
        let topology = none.enumerate();
        for function in [PORT, "01:00.0"] {
            assert!(Slot::watch(&none, topology.get(bdf(function)).unwrap()).is_none(), "{function}");
        }
    }

    #[test]
    fn leaving_and_coming_are_told_once() {
        let mut slot = slot(&space(OCCUPIED, LINK_ACTIVE));
        assert_eq!(slot.port(), bdf(PORT));
        assert_eq!(look(&mut slot, OCCUPIED, LINK_ACTIVE), News::Quiet);
        assert_eq!(look(&mut slot, PRESENCE_CHANGED, 0), News::Left);
        assert_eq!(look(&mut slot, 0, 0), News::Quiet);
        assert_eq!(look(&mut slot, OCCUPIED | PRESENCE_CHANGED, LINK_ACTIVE), News::Came);
        assert_eq!(look(&mut slot, OCCUPIED, LINK_ACTIVE), News::Quiet);
    }

    #[test]
    fn an_exchange_between_two_looks_shows_in_the_bits_that_tell_of_changes() {
        for changed in [PRESENCE_CHANGED, LINK_CHANGED] {
            let mut slot = slot(&space(OCCUPIED, LINK_ACTIVE));
            assert_eq!(look(&mut slot, OCCUPIED | changed, LINK_ACTIVE), News::Left);
            assert_eq!(look(&mut slot, OCCUPIED, LINK_ACTIVE), News::Quiet);
        }
    }

    #[test]
    fn a_link_that_is_down_and_a_port_that_is_gone_count_as_leaving() {
        let mut fallen = slot(&space(OCCUPIED, LINK_ACTIVE));
        assert_eq!(look(&mut fallen, OCCUPIED, 0), News::Left);
        let mut gone = slot(&space(OCCUPIED, LINK_ACTIVE));
        assert_eq!(gone.look(&FakeSpace::new()), News::Left);
        assert_eq!(gone.look(&FakeSpace::new()), News::Quiet);
    }

    #[test]
    fn what_changed_before_is_forgotten_and_only_changes_are_cleared() {
        let space = space(OCCUPIED | PRESENCE_CHANGED | LINK_CHANGED | 0b1, LINK_ACTIVE);
        let mut slot = slot(&space);
        assert_eq!(space.read16(bdf(PORT), STATUS as u16), OCCUPIED | 0b1);
        assert_eq!(slot.look(&space), News::Quiet);
        assert_eq!(space.writes().len(), 1);
    }

    #[test]
    fn a_newcomer_leads_nowhere_whatever_it_says() {
        let space = FakeSpace::new().root_port(PORT, 1, 1).conventional_bridge("01:00.0", 2, 9);
        let function = newcomer(&space, bdf("01:00.0"), bdf(PORT)).unwrap();
        assert_eq!((function.parent, function.is_bridge()), (Some(bdf(PORT)), false));
        assert!(newcomer(&space, bdf("01:01.0"), bdf(PORT)).is_none());
    }
}
