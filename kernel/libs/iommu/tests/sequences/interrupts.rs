//! Interrupt entries given and withdrawn: what a sender raises is what it was given, for as long as it was.

use dma_types::{ApicId, InterruptIndex, MsiMessage, SourceId};
use iommu::interrupts::{
    Entries, Fate, IndexBlock, InterruptError, InterruptRemapper, Interrupts, Route, Sender, Trigger,
};
use vtd::InvalidationError;
use vtd::spec::fault_reason::FaultReason;
use vtd::spec::interrupt_entry::DestinationMode;
use vtd::spec::interrupt_request::InterruptRequest;
use vtd::testing::fake_unit::{Delivery, FakeConfig, Injection, Offer, Pace, Stuck};

use super::dice::Dice;
use super::machine::*;

/// Entries of a unit's table.
const TABLE: usize = 256;
/// Claims and releases after which nothing may be left behind.
const ROUNDS: usize = 10_000;
const FIRST: SourceId = REQUESTERS[0];
const SECOND: SourceId = REQUESTERS[1];
const THIRD: SourceId = REQUESTERS[2];

/// Who has an entry, and since when not.
type Book = Interrupts<SourceId, u32>;
type Given = Result<Entries, InterruptError<InvalidationError>>;

fn route(vector: u8) -> Route {
    Route { vector, destination: ApicId(2), trigger: Trigger::Edge }
}

fn arrived(vector: u8) -> Result<Delivery, FaultReason> {
    Ok(Delivery::Remapped { vector, destination: 2 })
}

fn blocked(reason: u8) -> Result<Delivery, FaultReason> {
    Err(FaultReason(reason))
}

/// A unit that remaps interrupts, and its book.
struct Desk {
    machine: Machine,
    book: Book,
    now: u32,
}

impl Desk {
    fn new(config: FakeConfig) -> Self {
        let mut machine = Machine::new(config);
        machine.controller.unit_mut().remap_interrupts(DestinationMode::XApic).unwrap();
        let book = Book::new(machine.controller.unit()).unwrap();
        Self { machine, book, now: 0 }
    }

    fn give(&mut self, owner: SourceId, vectors: &[u8]) -> Given {
        self.now += 1;
        let routes: Vec<_> = vectors.iter().map(|vector| route(*vector)).collect();
        let unit = self.machine.controller.unit_mut();
        self.book.give(unit, owner, Sender::Exact(owner), &routes, self.now)
    }

    fn withdraw(&mut self, entries: Entries) -> Result<(), InterruptError<InvalidationError>> {
        self.now += 1;
        self.book.withdraw(self.machine.controller.unit_mut(), entries, self.now)
    }

    fn send(&self, sender: SourceId, message: MsiMessage) -> Result<Delivery, FaultReason> {
        self.machine.fake.interrupt(sender, message)
    }

    /// Present entries of the table in memory.
    fn present(&self) -> usize {
        let unit = self.machine.controller.unit();
        let present = |index| unit.interrupt_entry(InterruptIndex(index)).unwrap().is_present();
        (0..TABLE as u16).filter(|index| present(*index)).count()
    }
}

/// Units whose invalidations take effect at once, late, or for what was not there too.
fn configs() -> [FakeConfig; 4] {
    let config = FakeConfig::default();
    [
        config,
        FakeConfig { pace: Pace::Stepped, ..config },
        FakeConfig { caching_mode: Offer::Yes, coherent_walks: Offer::Yes, ..config },
        FakeConfig { write_buffer_flush: Offer::Yes, max_handle_mask: 0, ..config },
    ]
}

#[test]
fn what_was_given_arrives_until_it_is_withdrawn() {
    for config in configs() {
        let mut desk = Desk::new(config);
        let before = InterruptRequest::remappable(InterruptIndex(0)).message();
        assert_eq!(desk.send(FIRST, before), blocked(0x22));
        let first = desk.give(FIRST, &[0x61]).unwrap();
        let second = desk.give(SECOND, &[0x62]).unwrap();
        let (of_first, of_second) = (first.message(), second.message());
        for (sender, message, result) in [
            (FIRST, of_first, arrived(0x61)),
            (SECOND, of_second, arrived(0x62)),
            (SECOND, of_first, blocked(0x26)),
            (FIRST, of_second, blocked(0x26)),
        ] {
            assert_eq!(desk.send(sender, message), result);
        }
        desk.withdraw(first).unwrap();
        assert_eq!(desk.send(FIRST, of_first), blocked(0x22), "whatever the unit remembered");
        assert_eq!(desk.send(SECOND, of_second), arrived(0x62));
        desk.withdraw(second).unwrap();
        assert_eq!((desk.book.in_use(), desk.present()), (0, 0));
    }
}

#[test]
fn several_messages_of_a_function_have_entries_in_a_row() {
    for config in configs() {
        let mut desk = Desk::new(config);
        let odd = desk.give(SECOND, &[0x50]).unwrap();
        let vectors = [0x60, 0x71, 0x62, 0x73];
        let several = desk.give(FIRST, &vectors).unwrap();
        assert_eq!((several.block().first(), several.block().count()), (InterruptIndex(4), 4));
        let message = several.message();
        for (number, vector) in (0..).zip(vectors) {
            // What a function does with the data (PCI "MSI Capability Structure").
            let numbered = MsiMessage { data: message.data | number, ..message };
            assert_eq!(desk.send(FIRST, numbered), arrived(vector));
            assert_eq!(desk.send(SECOND, numbered), blocked(0x26));
        }
        assert_eq!(desk.send(FIRST, MsiMessage { data: 4, ..message }), blocked(0x22));
        desk.withdraw(several).unwrap();
        for number in 0..4 {
            assert_eq!(desk.send(FIRST, MsiMessage { data: number, ..message }), blocked(0x22));
        }
        assert_eq!(desk.send(SECOND, odd.message()), arrived(0x50));
    }
}

#[test]
fn functions_that_cannot_be_told_apart_are_checked_by_their_buses() {
    let mut desk = Desk::new(FakeConfig::default());
    let unit = desk.machine.controller.unit_mut();
    let sender = Sender::Buses { first: 0x41, last: 0x42 };
    let entries = desk.book.give(unit, THIRD, sender, &[route(0x61)], 1).unwrap();
    for (id, passes) in [(0x4000, false), (0x4100, true), (0x42ff, true), (0x4300, false), (0x0018, false)] {
        let result = desk.send(SourceId::from_bits(id), entries.message());
        assert_eq!(result, if passes { arrived(0x61) } else { blocked(0x26) }, "{id:#x}");
    }
}

#[test]
fn a_function_is_checked_by_its_id_unless_a_bridge_gives_it_those_of_a_bus() {
    let id = SourceId::from_bits;
    for (requester, ids, sender) in [
        (0x0018, &[0x0018][..], Sender::Exact(id(0x0018))),
        // Behind a bridge from PCI Express to PCI: its own id, or the bridge's for the bus.
        (0x0200, &[0x0200, 0x0228], Sender::Buses { first: 2, last: 2 }),
        (0x0228, &[0x0200, 0x0228], Sender::Buses { first: 2, last: 2 }),
        // Behind one of PCI: the bridge's own. Everything on bus 0 would be too much.
        (0x00f0, &[0x00f0, 0x0228], Sender::Exact(id(0x00f0))),
        (0x00f0, &[0x00f0], Sender::Exact(id(0x00f0))),
        (0x0018, &[], Sender::Exact(id(0x0018))),
    ] {
        let ids: Vec<_> = ids.iter().map(|bits| id(*bits)).collect();
        assert_eq!(Sender::of_function(id(requester), &ids), sender, "{requester:#x} {ids:?}");
    }
}

#[test]
fn what_no_entry_can_say_is_refused_and_nothing_changes() {
    let mut desk = Desk::new(FakeConfig::default());
    for messages in [0, 3, 5, 64] {
        let refused = desk.give(FIRST, &vec![0x61; messages]);
        assert_eq!(refused, Err(InterruptError::BadCount { messages }));
    }
    assert_eq!(desk.give(FIRST, &[0x61, 15]), Err(InterruptError::BadVector { vector: 15 }));
    let unit = desk.machine.controller.unit_mut();
    for id in [255, 256, u32::MAX] {
        let far = Route { destination: ApicId(id), ..route(0x61) };
        let refused = desk.book.give(unit, FIRST, Sender::Exact(FIRST), &[far], 1);
        assert_eq!(refused, Err(InterruptError::OutOfReach(ApicId(id))));
    }
    assert_eq!((desk.book.in_use(), desk.present(), desk.book.capacity()), (0, 0, TABLE));
    assert_eq!(desk.book.fate(InterruptIndex(0)), Fate::NeverGiven);
}

#[test]
fn a_unit_that_does_not_remap_gives_nothing() {
    let mut machine = Machine::new(FakeConfig::default());
    assert_eq!(machine.controller.unit().interrupt_entries(), 0);
    let mut book = Book::new(machine.controller.unit()).unwrap();
    let refused = book.give(machine.controller.unit_mut(), FIRST, Sender::Exact(FIRST), &[route(0x61)], 1);
    assert_eq!(refused, Err(InterruptError::NotRemapping));
    assert_eq!(book.fate(InterruptIndex(0)), Fate::OutOfRange);
}

#[test]
fn a_table_that_is_full_refuses_and_has_room_again() {
    let mut desk = Desk::new(FakeConfig::default());
    let mut all: Vec<_> = (0..TABLE / 32).map(|_| desk.give(FIRST, &[0x61; 32]).unwrap()).collect();
    assert_eq!(desk.give(SECOND, &[0x62]), Err(InterruptError::Full { messages: 1 }));
    desk.withdraw(all.remove(3)).unwrap();
    let single = desk.give(SECOND, &[0x62]).unwrap();
    assert_eq!(desk.give(SECOND, &[0x61; 32]), Err(InterruptError::Full { messages: 32 }));
    assert_eq!(desk.send(SECOND, single.message()), arrived(0x62));
    let half = desk.give(SECOND, &[0x63; 16]).unwrap();
    assert_eq!(desk.send(SECOND, half.message()), arrived(0x63));
}

#[test]
fn what_became_of_an_index_is_known() {
    let mut desk = Desk::new(FakeConfig::default());
    let first = desk.give(FIRST, &[0x61]).unwrap();
    let index = first.block().first();
    assert_eq!(desk.book.fate(index), Fate::Live { owner: FIRST });
    desk.withdraw(first).unwrap();
    assert_eq!(desk.book.fate(index), Fate::Withdrawn { owner: FIRST, at: 2 });
    // Indices that were never given, or not for long, come first.
    for _ in 0..TABLE - 1 {
        let next = desk.give(SECOND, &[0x62]).unwrap();
        assert_ne!(next.block().first(), index);
        desk.withdraw(next).unwrap();
    }
    assert_eq!(desk.book.fate(index), Fate::Withdrawn { owner: FIRST, at: 2 });
    assert_eq!(desk.book.fate(InterruptIndex(TABLE as u16)), Fate::OutOfRange);
    assert_eq!(desk.book.fate(InterruptIndex(u16::MAX)), Fate::OutOfRange);
}

#[test]
fn entries_of_another_unit_are_not_withdrawn() {
    let (mut one, mut other) = (Desk::new(FakeConfig::default()), Desk::new(FakeConfig::default()));
    let entries = one.give(FIRST, &[0x61]).unwrap();
    let (index, message) = (entries.block().first(), entries.message());
    assert_eq!(other.withdraw(entries), Err(InterruptError::NotGiven(index)));
    assert_eq!(one.send(FIRST, message), arrived(0x61));
}

#[test]
fn an_index_whose_end_was_not_confirmed_is_never_given_again() {
    let mut desk = Desk::new(FakeConfig::default());
    let entries = desk.give(FIRST, &[0x61]).unwrap();
    let (index, message) = (entries.block().first(), entries.message());
    assert_eq!(desk.send(FIRST, message), arrived(0x61));
    desk.machine.refuse();
    let failed = desk.withdraw(entries).unwrap_err();
    assert!(matches!(failed, InterruptError::Unconfirmed(InvalidationError::Queue(_))), "{failed:?}");
    assert_eq!(desk.send(FIRST, message), arrived(0x61), "the unit remembers it");
    assert_eq!(desk.present(), 0, "the table does not have it any more");
    desk.machine.fake.mend();

    // Twice round the table.
    for _ in 0..2 * TABLE {
        let next = desk.give(SECOND, &[0x62]).unwrap();
        assert_ne!(next.block().first(), index);
        desk.withdraw(next).unwrap();
    }
    assert_eq!(desk.book.in_use(), 1);
    assert_eq!(desk.book.fate(index), Fate::Withdrawn { owner: FIRST, at: 2 });
    let rest: Vec<_> = (0..TABLE - 1).map(|_| desk.give(THIRD, &[0x63]).unwrap()).collect();
    assert_eq!(desk.give(THIRD, &[0x63]), Err(InterruptError::Full { messages: 1 }));
    drop(rest);
}

#[test]
fn entries_that_the_unit_took_no_note_of_are_taken_back() {
    let caching =
        FakeConfig { caching_mode: Offer::Yes, coherent_walks: Offer::Yes, ..FakeConfig::default() };
    let mut desk = Desk::new(caching);
    desk.machine.refuse();
    let failed = desk.give(FIRST, &[0x61]).unwrap_err();
    assert!(matches!(failed, InterruptError::NotNoted(InvalidationError::Queue(_))), "{failed:?}");
    assert_eq!((desk.present(), desk.book.in_use()), (0, 1), "nor was that confirmed");
    desk.machine.fake.mend();

    // Noted is what was taken back, if the unit answers then.
    (0..3).for_each(|_| desk.machine.fake.inject(Injection::BadDescriptor));
    let failed = desk.give(FIRST, &[0x61]).unwrap_err();
    assert!(matches!(failed, InterruptError::NotNoted(_)), "{failed:?}");
    assert_eq!((desk.present(), desk.book.in_use()), (0, 1), "this was");
    let entries = desk.give(FIRST, &[0x61]).unwrap();
    assert_eq!(desk.send(FIRST, entries.message()), arrived(0x61));
}

#[test]
fn a_unit_that_never_answers_is_waited_for_once() {
    let mut desk = Desk::new(FakeConfig::default());
    let first = desk.give(FIRST, &[0x61]).unwrap();
    let second = desk.give(SECOND, &[0x62]).unwrap();
    desk.machine.fake.break_part(Stuck::QueueHead);
    let failed = desk.withdraw(first).unwrap_err();
    assert!(matches!(failed, InterruptError::Unconfirmed(InvalidationError::QueueTimedOut { .. })));
    let waited = desk.machine.clock.rounds();
    assert_eq!(desk.withdraw(second), Err(InterruptError::Unconfirmed(InvalidationError::Dead)));
    assert_eq!((desk.machine.clock.rounds(), desk.present(), desk.book.in_use()), (waited, 0, 2));

    desk.machine.fake.mend();
    assert!(desk.machine.bring_up_again());
    let third = desk.give(THIRD, &[0x63]).unwrap();
    assert_eq!(desk.send(THIRD, third.message()), arrived(0x63));
    assert_eq!(desk.book.in_use(), 3, "what was given up stays given up");
}

#[test]
fn an_invalidation_that_was_lost_is_asked_for_again() {
    for injection in [Injection::BadDescriptor, Injection::AbortedWait] {
        let mut desk = Desk::new(FakeConfig::default());
        let entries = desk.give(FIRST, &[0x61]).unwrap();
        let message = entries.message();
        assert_eq!(desk.send(FIRST, message), arrived(0x61));
        desk.machine.fake.inject(injection);
        assert_eq!(desk.withdraw(entries), Ok(()));
        assert_eq!(desk.send(FIRST, message), blocked(0x22), "{injection:?}");
        assert_eq!(desk.book.in_use(), 0);
    }
}

/// Two senders send all the while: every message that passes is what its sender was given, whole.
#[test]
fn no_message_finds_an_entry_of_two_lives() {
    for config in configs() {
        let mut desk = Desk::new(config);
        let message = InterruptRequest::remappable(InterruptIndex(0)).message();
        [FIRST, SECOND].into_iter().for_each(|who| desk.machine.fake.let_send_meanwhile(who, message));
        // The same index, time and again, of the one and of the other.
        for round in 0..4 {
            let (owner, vector) = if round % 2 == 0 { (FIRST, 0x61) } else { (SECOND, 0x62) };
            let all: Vec<_> = (0..TABLE / 32).map(|_| desk.give(owner, &[vector; 32]).unwrap()).collect();
            all.into_iter().for_each(|entries| desk.withdraw(entries).unwrap());
        }
        let passed: Vec<_> = desk.machine.fake.delivered_meanwhile();
        assert_eq!(passed, [arrived(0x61).unwrap(), arrived(0x62).unwrap()]);
    }
}

#[test]
fn many_claims_and_releases_leave_no_entry_behind() {
    for config in configs() {
        let mut desk = Desk::new(config);
        let mut dice = Dice::new(7);
        let mut held: Vec<(SourceId, u8, Entries)> = Vec::new();
        for round in 0..ROUNDS {
            let owner = REQUESTERS[round % REQUESTERS.len()];
            let (vector, count) = (0x30 + (round % 0x80) as u8, 1 << dice.below(6));
            match desk.give(owner, &vec![vector; count]) {
                Ok(entries) => held.push((owner, vector, entries)),
                Err(error) => assert_eq!(error, InterruptError::Full { messages: count }),
            }
            if held.len() > 4 || dice.below(2) == 0 {
                let place = dice.below(held.len() as u64) as usize;
                let (owner, vector, entries) = held.swap_remove(place);
                let message = entries.message();
                assert_eq!(desk.send(owner, message), arrived(vector));
                desk.withdraw(entries).unwrap();
                assert_eq!(desk.send(owner, message), blocked(0x22));
                desk.machine.drain_faults();
            }
        }
        held.into_iter().for_each(|(_, _, entries)| desk.withdraw(entries).unwrap());
        assert_eq!((desk.book.in_use(), desk.present()), (0, 0));
        assert!(
            (0..TABLE as u16)
                .all(|index| !matches!(desk.book.fate(InterruptIndex(index)), Fate::Live { .. }))
        );
    }
}

#[test]
fn blocks_are_aligned_or_refused() {
    for (first, order, is_one) in
        [(0, 0, true), (5, 0, true), (4, 2, true), (5, 1, false), (0, 15, true), (0, 16, false)]
    {
        assert_eq!(IndexBlock::new(InterruptIndex(first), order).is_some(), is_one, "{first} {order}");
    }
    let last = IndexBlock::new(InterruptIndex(0xfff0), 4).unwrap();
    let indices: Vec<_> = last.indices().map(|index| index.0).collect();
    assert_eq!(indices, (0xfff0..=0xffff).collect::<Vec<u16>>());
    assert_eq!(IndexBlock::single(InterruptIndex(9)).indices().count(), 1);
}
