//! Frames handed out and taken back, and what is refused.

use super::*;
use std::format;
use std::vec;
use std::vec::Vec;

const MIB: u64 = 1 << 20;
const MIB_2: Order = Order::new(9).unwrap();

fn words(limit: u64) -> Vec<u64> {
    vec![0; FrameTable::words_needed(PhysAddr::new(limit))]
}

fn span(start: u64, end: u64) -> Span {
    Span::new(PhysAddr::new(start), PhysAddr::new(end))
}

#[test]
fn sixty_four_gibibytes_cost_less_than_a_byte_a_frame() {
    let bytes = 8 * FrameTable::words_needed(PhysAddr::new(64 << 30));
    assert!(bytes < 16 << 20, "{bytes}");
}

#[test]
fn frames_come_from_what_was_added_only() {
    let mut words = words(64 * MIB);
    let mut table = FrameTable::new(PhysAddr::new(64 * MIB), &mut words).expect("memory suffices");
    table.add(span(2 * MIB + 1, 2 * MIB + 3 * PAGE_SIZE));
    assert_eq!((table.total_frames(), table.free_frames()), (2, 2));
    assert_eq!(table.allocate(Order::FRAME, Owner::Kernel), Some(PhysAddr::new(2 * MIB + PAGE_SIZE)));
    assert_eq!(table.allocate(Order::FRAME, Owner::Device), Some(PhysAddr::new(2 * MIB + 2 * PAGE_SIZE)));
    assert_eq!(table.allocate(Order::FRAME, Owner::Kernel), None);
}

#[test]
fn a_block_is_freed_once_and_as_a_whole() {
    let mut words = words(64 * MIB);
    let mut table = FrameTable::new(PhysAddr::new(64 * MIB), &mut words).expect("memory suffices");
    table.add(span(4 * MIB, 8 * MIB));
    let start = table.allocate(MIB_2, Owner::Device).expect("a block is free");
    let inside = start.checked_add(PAGE_SIZE).expect("a small address");
    assert_eq!(table.free(inside, MIB_2), Err(FreeError::Misaligned { start: inside, order: MIB_2 }));
    assert_eq!(table.free(start, MIB_2), Ok(()));
    let again = table.free(start, MIB_2);
    assert_eq!(again, Err(FreeError::NotInUse { start, order: MIB_2 }));
    assert_eq!(
        again.map_err(|error| format!("{error}")),
        Err("block of 2097152 bytes at 0x400000 is not in use".into())
    );
    assert_eq!(table.free_frames(), table.total_frames());
}

#[test]
fn only_the_kernels_own_frames_are_kernel() {
    let mut words = words(64 * MIB);
    let mut table = FrameTable::new(PhysAddr::new(64 * MIB), &mut words).expect("memory suffices");
    table.add(span(4 * MIB, 8 * MIB));
    let kernel = table.allocate(Order::FRAME, Owner::Kernel).expect("a frame is free");
    let device = table.allocate(Order::FRAME, Owner::Device).expect("a frame is free");
    assert!(table.is_kernel(Span::with_length(kernel, 1)));
    assert!(!table.is_kernel(Span::with_length(device, 1)));
    assert!(table.is_kernel(span(0, u64::MAX)));
    assert!(!table.is_kernel(span(8 * MIB, u64::MAX)));
}

#[test]
fn reserved_memory_is_never_handed_out() {
    let mut words = words(64 * MIB);
    let mut table = FrameTable::new(PhysAddr::new(64 * MIB), &mut words).expect("memory suffices");
    table.add(span(MIB, 64 * MIB));
    let kernel = table.allocate(Order::FRAME, Owner::Kernel).expect("a frame is free");
    let reserved = span(MIB, 8 * MIB + 1);
    assert_eq!(table.reserve(reserved), 7 * 256);
    assert_eq!(table.reserve(reserved), 0);
    assert_eq!(table.reserve(span(64 * MIB, u64::MAX)), 0);
    assert!(table.is_kernel(Span::with_length(kernel, 1)));
    assert!(!table.is_kernel(span(MIB + PAGE_SIZE, 8 * MIB)));
    while let Some(frame) = table.allocate(Order::FRAME, Owner::Kernel) {
        assert!(reserved.intersection(Span::with_length(frame, PAGE_SIZE)).is_empty(), "{frame}");
    }
    assert_eq!(table.free_frames(), 0);
}
