//! Requests that are blocked before any table of ours is read.

use std::vec::Vec;

use super::*;

/// Where there is no memory.
const NOWHERE: PhysAddr = PhysAddr::new(0x7f_ffff_f000);

/// QEMU offers no way to see reason 8, so this unit does: a root table where there is no memory.
#[test]
fn a_root_table_that_is_no_memory_blocks_with_reason_8() {
    let mut bench = Bench::probed(FakeConfig::default(), &Leftovers::default());
    let config = BringUp { root: NOWHERE, fault_message: MESSAGE };
    assert_eq!(bench.unit.bring_up(&config, &mut bench.memory, &bench.clock), Ok(FaultStatus::empty()));
    let reason = FaultReason(0x8);
    assert!(bench.is_blocked(DEVICE, IOVA, reason));

    let mut records = Vec::new();
    let outcome = bench.unit.fault_port().drain(&mut |record| records.push(record), 16);
    assert_eq!((outcome.drained, records.len()), (1, 1));
    let record = records[0];
    assert_eq!((record.reason(), record.source(), record.access()), (reason, DEVICE, Access::Read));
    assert_eq!(record.page(), Some(IOVA));
    assert_eq!(reason.meaning(), Some("the root entry could not be fetched"));

    // Positive twin: with a root table that is memory, the same request finds its page.
    let mut bench = Bench::enforcing(FakeConfig::default());
    let _stage = bench.warm_page();
    assert!(bench.reaches(DEVICE, IOVA));
}
