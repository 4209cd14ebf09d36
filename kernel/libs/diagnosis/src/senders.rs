//! Who may have sent a request, as far as its id and the topology tell.
//!
//! An id that an enumerated function may carry is that function's. Any other was made up, or belongs to something
//! that nobody found; where it came in is the port above its bus, since ports of PCIe pass on only ids of the
//! buses below them if their source validation is on (PCIe "ACS Source Validation"). So that made-up ids cost nobody
//! else anything, they share what their port has.
//!
//! Memory: 4 bytes an id and 6 bytes a port, all allocated at construction.

use alloc::vec::Vec;

use dma_types::Bdf;
use iova::OutOfMemory;

/// The account of those who may have sent a request: a place below [`Senders::count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender(usize);

impl Sender {
    pub(crate) const fn place(self) -> usize {
        self.0
    }

    pub(crate) const fn at(place: usize) -> Self {
        Self(place)
    }
}

/// Whose an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The functions whose requests may carry this id.
    Id(Bdf),
    /// Whoever sends ids that no function carries from behind this bridge, as far as it lies behind no other.
    Port(Bdf),
    /// Whoever sends ids that no function carries, from behind no bridge that is known; and interrupts without an id.
    Elsewhere,
}

/// A bridge, with the buses below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The bridge that stands for whatever lies below it.
    pub bridge: Bdf,
    /// The first bus that is believed to lie below it.
    pub first: u8,
    /// The last bus that is believed to lie below it.
    pub last: u8,
}

impl Port {
    fn holds(&self, requester: Bdf) -> bool {
        let bus = requester.source.bus();
        self.bridge.segment == requester.segment && (self.first..=self.last).contains(&bus)
    }

    const fn buses(&self) -> u8 {
        self.last.saturating_sub(self.first)
    }
}

/// Every id that a function may carry, and every port.
#[derive(Debug, Default)]
pub struct Senders {
    /// Sorted, each once.
    ids: Vec<Bdf>,
    ports: Vec<Port>,
}

impl Senders {
    /// Nobody: every request counts for [`Holder::Elsewhere`].
    pub const NONE: Self = Self { ids: Vec::new(), ports: Vec::new() };

    /// Takes the ids that enumerated functions may carry, and the bridges whose bus ranges are believed.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(
        ids: impl Iterator<Item = Bdf> + Clone,
        bridges: impl Iterator<Item = Port> + Clone,
    ) -> Result<Self, OutOfMemory> {
        let mut senders = Self::default();
        senders.ids.try_reserve_exact(ids.clone().count()).map_err(|_| OutOfMemory)?;
        senders.ids.extend(ids);
        senders.ids.sort_unstable();
        senders.ids.dedup();
        senders.ports.try_reserve_exact(bridges.clone().count()).map_err(|_| OutOfMemory)?;
        senders.ports.extend(bridges);
        Ok(senders)
    }

    /// How many accounts there are.
    pub const fn count(&self) -> usize {
        self.ids.len() + self.ports.len() + 1
    }

    /// Who may have sent a request with this id.
    pub fn of(&self, requester: Bdf) -> Sender {
        let known = self.ids.binary_search(&requester).ok();
        Sender(known.unwrap_or_else(|| self.ids.len() + self.port_above(requester)))
    }

    /// Whoever sends from behind no bridge that is known, or cannot be told from what was recorded.
    pub const fn elsewhere(&self) -> Sender {
        Sender(self.ids.len() + self.ports.len())
    }

    /// Whose an account is.
    pub fn holder(&self, sender: Sender) -> Holder {
        let Sender(place) = sender;
        if let Some(id) = self.ids.get(place) {
            return Holder::Id(*id);
        }
        let port = place.checked_sub(self.ids.len()).and_then(|place| self.ports.get(place));
        port.map_or(Holder::Elsewhere, |port| Holder::Port(port.bridge))
    }

    /// The port nearest to an id: of those that hold its bus, the one with the fewest buses; behind the last of
    /// them where none does.
    fn port_above(&self, requester: Bdf) -> usize {
        let holding = self.ports.iter().enumerate().filter(|(_, port)| port.holds(requester));
        holding.min_by_key(|(_, port)| port.buses()).map_or(self.ports.len(), |(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bdf(text: &str) -> Bdf {
        text.parse().unwrap()
    }

    fn senders() -> Senders {
        let ids = ["00:03.0", "02:00.0", "01:00.0", "02:00.0", "0001:02:00.0"].map(bdf);
        let ports = [("00:1c.0", 1, 4), ("01:00.0", 2, 3), ("0001:00:1c.0", 1, 9)];
        let ports = ports.map(|(bridge, first, last)| Port { bridge: bdf(bridge), first, last });
        Senders::new(ids.into_iter(), ports.into_iter()).unwrap()
    }

    #[test]
    fn an_id_that_a_function_may_carry_has_an_account_of_its_own() {
        let senders = senders();
        assert_eq!(senders.count(), 4 + 3 + 1);
        assert_eq!(senders.holder(senders.elsewhere()), Holder::Elsewhere);
        assert_eq!(senders.elsewhere(), senders.of(bdf("0002:00:00.0")));
        for id in ["00:03.0", "01:00.0", "02:00.0", "0001:02:00.0"].map(bdf) {
            assert_eq!(senders.holder(senders.of(id)), Holder::Id(id));
        }
    }

    #[test]
    fn any_other_id_counts_for_the_nearest_port_that_holds_its_bus() {
        let senders = senders();
        let port = |bridge| Holder::Port(bdf(bridge));
        for (id, holder) in [
            ("02:00.1", port("01:00.0")),
            ("03:1f.7", port("01:00.0")),
            ("04:00.0", port("00:1c.0")),
            ("01:00.1", port("00:1c.0")),
            ("05:00.0", Holder::Elsewhere),
            ("00:03.1", Holder::Elsewhere),
            ("0001:04:00.0", port("0001:00:1c.0")),
            ("0002:02:00.0", Holder::Elsewhere),
        ] {
            assert_eq!(senders.holder(senders.of(bdf(id))), holder, "{id}");
        }
    }

    #[test]
    fn whatever_the_id_its_account_exists() {
        let senders = senders();
        for bits in 0..=u16::MAX {
            for segment in [0, 1, u16::MAX] {
                let id = Bdf::new(dma_types::Segment(segment), dma_types::SourceId::from_bits(bits));
                assert!(senders.of(id).place() < senders.count());
            }
        }
        assert_eq!(Senders::default().count(), 1);
        assert_eq!(Senders::default().of(bdf("00:03.0")), Sender(0));
    }
}
