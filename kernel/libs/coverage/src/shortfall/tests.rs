//! Every way of giving something up, with the test that shows it.

use std::fs;
use std::path::Path;
use std::string::ToString;

use pci::testing::bdf;

use super::*;

/// Pairs each variant with one value of it and the test that shows that it makes `complete` false. The match has no
/// other arm, so a variant without a line here does not compile.
macro_rules! shown {
    ($($variant:ident: $sample:expr => $file:literal, $test:literal;)+) => {
        const SAMPLES: &[Shortfall] = &[$($sample),+];

        /// The file, seen from the root, and the test in it.
        fn shown_by(shortfall: &Shortfall) -> (&'static str, &'static str) {
            match shortfall {
                $(Shortfall::$variant { .. } => ($file, $test),)+
            }
        }
    };
}

const DEVICE: Bdf = Bdf::new(dma_types::Segment(0), dma_types::SourceId::from_bits(0x18));

shown! {
    NoUnit: Shortfall::NoUnit => "tests/tests/fail_closed.rs", "without_an_iommu_no_device_gets_the_bus";
    UnitFailed: Shortfall::UnitFailed { unit: 1 }
        => "tests/tests/fail_closed.rs", "a_unit_that_walks_no_tables_protects_nothing";
    UnitSilent: Shortfall::UnitSilent { unit: 1 }
        => "tests/tests/enforcement.rs", "the_devices_of_a_silent_unit_lose_bus_mastering";
    InterruptsNotRemapped: Shortfall::InterruptsNotRemapped { unit: 1 }
        => "kernel/libs/vtd/src/unit/tests/interrupts.rs",
            "a_part_that_does_not_answer_is_told_and_nothing_counts_as_remapped";
    Bypass: Shortfall::Bypass { device: DEVICE }
        => "tests/tests/fail_closed.rs", "a_bypassing_root_bus_stays_without_bus_mastering";
    TableDamaged: Shortfall::TableDamaged => "tests/tests/dmar.rs", "a_wrong_checksum_costs_completeness_alone";
    RegionRefused: Shortfall::RegionRefused { offset: 0x40, base: PhysAddr::new(0x1000) }
        => "tests/tests/regions.rs", "a_region_over_the_kernel_is_refused";
    RegionLost: Shortfall::RegionLost { device: DEVICE }
        => "tests/tests/hostile_tables.rs", "a_region_beyond_the_units_addresses_is_given_up";
    Fabric: Shortfall::Fabric(pci::BusFinding::TooManyFunctions { at: DEVICE })
        => "kernel/libs/pci/src/enumerate/tests.rs", "enumeration_stops_at_its_limit";
    DeviceRefused: Shortfall::DeviceRefused { device: DEVICE }
        => "kernel/libs/pci/src/fabric/tests.rs", "of_two_bridges_that_claim_one_bus_neither_is_believed";
    InterruptTablesDamaged: Shortfall::InterruptTablesDamaged
        => "tests/tests/irq.rs", "a_damaged_table_of_interrupt_controllers_costs_completeness";
    InterruptSource: Shortfall::InterruptSource { at: PhysAddr::new(0xfec0_0000) }
        => "tests/tests/irq.rs", "an_interrupt_controller_over_memory_or_a_unit_is_refused";
    BusMasterStuck: Shortfall::BusMasterStuck { device: DEVICE }
        => "kernel/libs/pci/src/control.rs", "bus_mastering_changes_one_bit_and_never_writes_the_status";
}

#[test]
fn each_is_shown_by_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    for shortfall in SAMPLES {
        let (file, test) = shown_by(shortfall);
        let source = fs::read_to_string(root.join(file)).unwrap();
        let defined = std::format!("fn {test}()");
        let at = source.find(&defined).unwrap_or_else(|| panic!("{file} has no test {test}"));
        assert!(source[..at].trim_end().ends_with("#[test]"), "{test} is no test");
    }
}

#[test]
fn each_is_told_in_a_line_of_its_own() {
    assert_eq!(DEVICE, bdf("00:03.0"));
    for (index, shortfall) in SAMPLES.iter().enumerate() {
        let words = shortfall.to_string();
        assert!(!words.is_empty() && !words.contains('\n'), "{words}");
        assert!(SAMPLES[..index].iter().all(|other| other.to_string() != words), "{words}");
    }
}

/// Only what no unit checks leaves memory open; the rest takes something from somebody.
#[test]
fn what_passes_no_unit_leaves_memory_open() {
    let open: std::vec::Vec<_> = SAMPLES.iter().filter(|shortfall| shortfall.leaves_open()).collect();
    let names = [
        Shortfall::NoUnit,
        Shortfall::UnitFailed { unit: 1 },
        Shortfall::Bypass { device: DEVICE },
        Shortfall::TableDamaged,
    ];
    assert_eq!(open, names.iter().collect::<std::vec::Vec<_>>());
}
