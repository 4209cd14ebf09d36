//! What is said of a table by its bytes, the buses and the units.

use std::string::ToString;

use acpi_tables::lint::lint_dmar;
use dma_types::Bdf;

use super::*;
use crate::{JudgedFinding, UnitAnswer};

/// Judges a table of two units, the second with its registers where none can be, with these answers.
fn judge(answers: &[UnitAnswer], also: &[TableFinding]) -> (Plan, Vec<JudgedFinding>) {
    let topology = machine();
    let table = DmarBuilder::new()
        .drhd(NONE, SEGMENT, base(0), &[ScopeSpec::endpoint(0, 3, 0)])
        .drhd(REST, SEGMENT, PhysAddr::new(0), &[])
        .build();
    let dmar = Dmar::parse(&table).unwrap();
    let mut plan = Plan::new(&Description::from(&dmar), &topology, WIDTH);
    plan.platform.address_bits = 46;
    plan.platform.remaps_interrupts = true;
    let judged = plan.judge(|found| lint_dmar(&dmar, found), also, answers);
    (plan, judged)
}

fn ids(judged: &[JudgedFinding], unit: usize) -> Vec<&'static str> {
    judged.iter().filter(|judged| judged.unit == Some(unit)).map(|judged| judged.rule.id).collect()
}

const CAPABLE: UnitAnswer = UnitAnswer::Capable { address_bits: 48, remaps_interrupts: true };

#[test]
fn a_unit_that_answers_as_the_table_says_is_not_told_of() {
    let (_, judged) = judge(&[CAPABLE, UnitAnswer::Silent], &[]);
    assert_eq!(ids(&judged, 0), [""; 0]);
    // Where its registers are is told by the bytes, and not once more because they do not answer.
    let silent = ids(&judged, 1);
    assert!(!silent.is_empty() && !silent.contains(&"unit-silent"), "{silent:?}");
}

#[test]
fn a_unit_that_contradicts_the_table_is_told_of_in_its_place() {
    let (offset, at) = (0x30, base(0));
    let silent = TableFinding::UnitSilent { offset, base: at };
    let lacking = TableFinding::NoInterruptRemapping { offset, base: at };
    let narrow = TableFinding::Narrow { offset, platform: 46, unit: 39 };
    let capable = |address_bits, remaps_interrupts| UnitAnswer::Capable { address_bits, remaps_interrupts };
    for (answer, expected) in [
        (UnitAnswer::Silent, vec![silent]),
        (capable(46, false), vec![lacking]),
        (capable(39, true), vec![narrow]),
        (capable(39, false), vec![lacking, narrow]),
    ] {
        let (plan, judged) = judge(&[answer, UnitAnswer::Silent], &[]);
        assert_eq!(plan.units[0].described.start, offset);
        let of_unit: Vec<_> = judged.iter().filter(|judged| judged.unit == Some(0)).collect();
        let said: Vec<_> = of_unit.iter().map(|judged| judged.what.clone()).collect();
        assert_eq!(said, expected.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(of_unit.iter().zip(&expected).all(|(judged, finding)| judged.rule.id == finding.rule().id));
    }
}

#[test]
fn what_the_bytes_alone_show_is_told_once() {
    let device = bdf("00:03.0");
    let also = [
        TableFinding::IncludeAllTwice { offset: 0x30, segment: SEGMENT },
        TableFinding::Uncovered { device: Bdf::new(SEGMENT, device.source) },
    ];
    let (_, judged) = judge(&[CAPABLE, CAPABLE], &also);
    let (_, without) = judge(&[CAPABLE, CAPABLE], &[]);
    assert_eq!(judged.len(), without.len() + 1, "{judged:?}");
    let more = judged.iter().find(|judged| judged.rule.id == also[1].rule().id).unwrap();
    assert_eq!((more.offset, more.unit), (None, None));
}

#[test]
fn a_table_made_to_have_many_findings_is_shown_by_some_of_each_kind() {
    let finding = TableFinding::Uncovered { device: bdf("00:03.0") };
    let (_, judged) = judge(&[CAPABLE, CAPABLE], &[finding; 1000]);
    assert_eq!(judged.iter().filter(|judged| judged.rule.id == finding.rule().id).count(), 256);
}
