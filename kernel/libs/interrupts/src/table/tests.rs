use dma_types::{ApicId, Bdf, Segment, SourceId};
use std::vec::Vec;

use super::*;
use crate::class::{LAST_DEVICE_VECTOR, VectorClass};

fn owner(number: usize) -> VectorOwner {
    let source = SourceId::from_bits(number as u16);
    VectorOwner { function: Bdf::new(Segment(0), source), message: 0, processor: ApicId(0) }
}

#[test]
fn ten_thousand_claims_and_releases_leave_no_vector_behind() {
    let mut table = VectorTable::new();
    let mut held: Vec<DeviceVector> = (0..7).map(|number| table.give(owner(number)).unwrap()).collect();
    for round in 0..10_000 {
        let vector = table.give(owner(7)).unwrap();
        assert_eq!(table.owner(vector.number()), Some(owner(7)), "round {round}");
        assert!(!held.contains(&vector), "{vector:?} is another's");
        table.give_back(vector);
        assert_eq!(table.given(), 7, "round {round}");
    }
    held.drain(..).for_each(|vector| table.give_back(vector));
    assert_eq!(table.given(), 0);
    // Nothing was lost on the way: every one can be had.
    assert_eq!(
        (0..DEVICE_VECTORS).filter_map(|number| table.give(owner(number)).ok()).count(),
        DEVICE_VECTORS
    );
}

#[test]
fn every_vector_of_the_devices_class_is_given_once_and_no_other() {
    let mut table = VectorTable::new();
    let mut given: Vec<u8> =
        (0..DEVICE_VECTORS).map(|number| table.give(owner(number)).unwrap().number()).collect();
    assert!(given.iter().all(|vector| VectorClass::of(*vector) == VectorClass::Device));
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), DEVICE_VECTORS);
    assert_eq!((given[0], given[DEVICE_VECTORS - 1]), (FIRST_DEVICE_VECTOR, LAST_DEVICE_VECTOR));
    assert_eq!(table.give(owner(DEVICE_VECTORS)), Err(NoVector::NoneFree));
}

#[test]
fn a_message_has_one_vector_at_a_time() {
    let mut table = VectorTable::new();
    let first = table.give(owner(1)).unwrap();
    assert_eq!(table.give(owner(1)), Err(NoVector::HasOne { owner: owner(1) }));
    let elsewhere = VectorOwner { processor: ApicId(5), ..owner(1) };
    assert_eq!(table.give(elsewhere), Err(NoVector::HasOne { owner: elsewhere }));
    // Its other messages are others.
    let second = table.give(VectorOwner { message: 1, ..owner(1) }).unwrap();
    assert_ne!(first, second);
    table.give_back(first);
    assert!(table.give(owner(1)).is_ok());
}

#[test]
fn what_was_given_back_is_the_last_to_be_given_again() {
    let mut table = VectorTable::new();
    let vector = table.give(owner(0)).unwrap();
    let number = vector.number();
    table.give_back(vector);
    for other in 1..DEVICE_VECTORS {
        assert_ne!(table.give(owner(other)).unwrap().number(), number);
    }
    assert_eq!(table.give(owner(0)).unwrap().number(), number);
}

#[test]
fn a_late_message_is_known_by_its_former_owner() {
    let mut table = VectorTable::new();
    let vector = table.give(owner(3)).unwrap();
    let number = vector.number();
    table.note_flow(number, Flow::Masked);
    assert_eq!(table.row(number), Row::Given(owner(3), Flow::Masked));
    table.give_back(vector);
    assert_eq!((table.row(number), table.owner(number)), (Row::Former(owner(3)), None));
    // Nobody has it: there is nothing to mask.
    table.note_flow(number, Flow::Masked);
    assert_eq!(table.row(number), Row::Former(owner(3)));
}

#[test]
fn vectors_of_other_classes_have_no_row() {
    let mut table = VectorTable::new();
    for vector in (0..FIRST_DEVICE_VECTOR).chain(LAST_DEVICE_VECTOR + 1..=u8::MAX) {
        table.note_flow(vector, Flow::Masked);
        assert_eq!((table.row(vector), table.owner(vector)), (Row::Unused, None), "{vector:#x}");
    }
}
