//! Faults that somebody causes on purpose.

use diagnosis::{Fault, Verdict};
use dma_types::{Access, Bdf, Iova};

/// Whether the fault is known to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is: no policy applies to it.
    Announced,
    /// It is not: the policy answers it.
    Silent,
}

/// A fault that is to come, any number of times: a device may try again, and QEMU's disks ask once for the memory and once
/// more to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The device that will cause it.
    pub device: Bdf,
    /// The id that its request will carry.
    pub requester: Bdf,
    /// An address within the page that it will be for; `None` for an interrupt, which is for none.
    pub address: Option<Iova>,
    /// What it will be.
    pub access: Access,
    /// Whether the kernel is told.
    pub notice: Notice,
}

impl Expectation {
    fn is_met_by(&self, fault: &Fault) -> bool {
        self.requester == fault.requester
            && fault.address == self.address.map(Iova::page)
            && self.access == fault.access
    }
}

/// An expectation's place among those under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectationId(usize);

/// The faults that are expected, at most `N`.
#[derive(Debug)]
pub struct Expectations<const N: usize> {
    entries: [Option<Entry>; N],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    expectation: Expectation,
    seen: Option<Verdict>,
}

impl<const N: usize> Expectations<N> {
    /// Nothing is expected.
    pub const fn new() -> Self {
        Self { entries: [None; N] }
    }

    /// Enters one; `None` if there are too many. To be called before the device is started.
    pub fn enter(&mut self, expectation: Expectation) -> Option<ExpectationId> {
        let free = self.entries.iter().position(Option::is_none)?;
        *self.entries.get_mut(free)? = Some(Entry { expectation, seen: None });
        Some(ExpectationId(free))
    }

    /// Whether a fault is expected, and who was told.
    pub fn notice(&self, fault: &Fault) -> Option<Notice> {
        let met = self.entries.iter().flatten().find(|entry| entry.expectation.is_met_by(fault))?;
        Some(met.expectation.notice)
    }

    /// Notes the verdict on an expected fault, as it holds for the device that was to cause it. The first one counts: once
    /// contained for it, a device that tries again is refused for that.
    pub fn note(
        &mut self,
        fault: &Fault,
        verdict_on: impl FnOnce(Bdf) -> Verdict,
    ) -> Option<(ExpectationId, Notice)> {
        let place = self
            .entries
            .iter()
            .position(|entry| entry.as_ref().is_some_and(|entry| entry.expectation.is_met_by(fault)))?;
        let Entry { expectation, seen } = self.entries.get_mut(place)?.as_mut()?;
        seen.get_or_insert_with(|| verdict_on(expectation.device));
        Some((ExpectationId(place), expectation.notice))
    }

    /// The verdict that came, if one has.
    pub fn seen(&self, id: ExpectationId) -> Option<Verdict> {
        self.entries.get(id.0)?.as_ref()?.seen
    }

    /// Withdraws one, and tells the verdict that came, if one has.
    pub fn withdraw(&mut self, id: ExpectationId) -> Option<Verdict> {
        self.entries.get_mut(id.0)?.take()?.seen
    }
}

impl<const N: usize> Default for Expectations<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use diagnosis::{Reason, Timestamp};
    use dma_types::FaultKind;

    use super::*;

    fn bdf(text: &str) -> Bdf {
        text.parse().unwrap()
    }

    fn fault(requester: &str, page: u64, access: Access) -> Fault {
        let (requester, address) = (bdf(requester), Some(Iova::new(page)));
        let (kind, meaning) = (FaultKind::NoWritePermission, "write without write permission");
        Fault {
            requester,
            address,
            interrupt: None,
            access,
            reason: Reason(5),
            kind,
            meaning,
            at: Timestamp::from_nanos(0),
        }
    }

    fn expectation(notice: Notice) -> Expectation {
        let (device, requester) = (bdf("02:05.0"), bdf("02:00.0"));
        Expectation { device, requester, address: Some(Iova::new(0x1234)), access: Access::Write, notice }
    }

    #[test]
    fn a_fault_is_expected_by_id_page_and_access() {
        let mut expected = Expectations::<4>::new();
        expected.enter(expectation(Notice::Announced)).unwrap();
        assert_eq!(expected.notice(&fault("02:00.0", 0x1000, Access::Write)), Some(Notice::Announced));
        for other in [
            fault("02:05.0", 0x1000, Access::Write),
            fault("02:00.0", 0x2000, Access::Write),
            fault("02:00.0", 0x1000, Access::Read),
            Fault { address: None, ..fault("02:00.0", 0x1000, Access::Write) },
        ] {
            assert_eq!(expected.notice(&other), None, "{other:?}");
            assert_eq!(expected.note(&other, |_| Verdict::Stale), None);
        }
    }

    #[test]
    fn a_fault_without_an_address_is_not_one_at_the_first_page() {
        let mut expected = Expectations::<4>::new();
        expected
            .enter(Expectation { address: Some(Iova::new(0x10)), ..expectation(Notice::Announced) })
            .unwrap();
        let at_zero = fault("02:00.0", 0, Access::Write);
        assert_eq!(expected.notice(&at_zero), Some(Notice::Announced));
        assert_eq!(expected.notice(&Fault { address: None, ..at_zero }), None);
        // Nor is one at the first page an interrupt that was expected.
        let mut interrupts = Expectations::<1>::new();
        interrupts.enter(Expectation { address: None, ..expectation(Notice::Announced) }).unwrap();
        assert_eq!(interrupts.notice(&at_zero), None);
        assert_eq!(interrupts.notice(&Fault { address: None, ..at_zero }), Some(Notice::Announced));
    }

    #[test]
    fn the_first_verdict_counts_and_is_the_devices() {
        let mut expected = Expectations::<4>::new();
        let id = expected.enter(expectation(Notice::Silent)).unwrap();
        let blocked = fault("02:00.0", 0x1000, Access::Write);
        let verdict_on = |device| if device == bdf("02:05.0") { Verdict::Stale } else { Verdict::Alias };
        assert_eq!(expected.note(&blocked, verdict_on), Some((id, Notice::Silent)));
        assert_eq!(expected.note(&blocked, |_| Verdict::NeverMapped), Some((id, Notice::Silent)));
        assert_eq!(expected.seen(id), Some(Verdict::Stale));
        assert_eq!(expected.withdraw(id), Some(Verdict::Stale));
        assert_eq!((expected.withdraw(id), expected.notice(&blocked)), (None, None));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut expected = Expectations::<2>::new();
        let first = expected.enter(expectation(Notice::Silent)).unwrap();
        expected.enter(expectation(Notice::Silent)).unwrap();
        assert_eq!(expected.enter(expectation(Notice::Silent)), None);
        expected.withdraw(first);
        assert_eq!(expected.enter(expectation(Notice::Silent)), Some(first));
    }
}
