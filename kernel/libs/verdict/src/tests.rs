//! Every combination that matters, and what must hold of all.

use std::string::{String, ToString};
use std::vec::Vec;

use coverage::Shortfall;
use dma_types::{Bdf, PhysAddr, Segment, SourceId};
use proptest::prelude::*;

use super::*;

const DEVICE: Bdf = Bdf::new(Segment(0), SourceId::from_bits(0x18));

/// A machine of which everything is known, and all is well.
fn sound() -> Facts {
    Facts {
        maker: Maker::Intel,
        table: Table { kind: TableKind::Dmar, ..Table::default() },
        units: Units { named: 2, enforcing: 2, hidden: None },
        devices: 9,
        given_up: GivenUp::default(),
        drill: Drill { devices: 5, tries: 5, ..Drill::default() },
        interrupts: Interrupts::Remapped,
        window: Window { moment: Moment::Firmware, units: 2, on: 2, ..Window::default() },
        ports: Ports::default(),
    }
}

fn given_up(what: &[Shortfall]) -> GivenUp {
    let mut given_up = GivenUp::default();
    what.iter().for_each(|shortfall| given_up.note(shortfall));
    given_up
}

fn check(facts: &Facts, id: Id) -> Check {
    *Verdict::of(facts).checks.iter().find(|check| check.id == id).unwrap()
}

/// The word, and the result and evidence of one check.
fn judged(facts: &Facts, id: Id) -> (Word, Outcome, Evidence) {
    let check = check(facts, id);
    (Verdict::of(facts).word, check.outcome, check.evidence)
}

fn words(facts: &Facts, id: Id) -> String {
    check(facts, id).sentence.to_string()
}

#[test]
fn a_sound_machine_is_protected_and_needs_no_advice() {
    let verdict = Verdict::of(&sound());
    assert_eq!(verdict.word, Word::Protected);
    assert!(verdict.checks.iter().all(|check| check.outcome == Outcome::Pass));
    let evidence: Vec<_> = verdict.checks.iter().map(|check| check.evidence).collect();
    use Evidence::{Claimed, Enforced, Measured, Seen};
    assert_eq!(evidence, [Enforced, Seen, Enforced, Enforced, Measured, Claimed]);
    assert_eq!(verdict.remedies().next(), None);
    assert_eq!(words(&sound(), Id::Drill), "Drill: 5 tries of 5 devices, none got through.");
    let one = Facts { drill: Drill { devices: 1, tries: 1, ..Drill::default() }, ..sound() };
    assert_eq!(words(&one, Id::Drill), "Drill: 1 try of 1 device, none got through.");
}

#[test]
fn without_an_iommu_nothing_is_protected_and_set_up_is_named_in_the_makers_words() {
    for (maker, there, not_there) in [
        (Maker::Intel, "Intel VT-d", "AMD"),
        (Maker::Amd, "AMD-Vi", "Intel"),
        (Maker::Other, "AMD-Vi", "CBS"),
    ] {
        let facts = Facts { maker, ..Facts::default() };
        assert_eq!(
            judged(&facts, Id::DmaCovered),
            (Word::NotProtected, Outcome::Fail, Evidence::Claimed),
            "{maker:?}"
        );
        let advice: Vec<String> = Verdict::of(&facts).remedies().map(|remedy| remedy.to_string()).collect();
        assert!(advice[0].contains(there) && !advice[0].contains(not_there), "{advice:?}");
        assert_eq!(advice.iter().filter(|words| **words == advice[0]).count(), 1, "each once: {advice:?}");
    }
}

#[test]
fn an_amd_machine_whose_iommu_is_on_is_told_that_set_up_is_not_the_trouble() {
    let facts = Facts {
        maker: Maker::Amd,
        table: Table { kind: TableKind::Ivrs, ..Table::default() },
        ..Facts::default()
    };
    assert_eq!(judged(&facts, Id::DmaCovered), (Word::NotProtected, Outcome::Fail, Evidence::Claimed));
    assert_eq!(judged(&facts, Id::FirmwareTable).1, Outcome::Pass);
    let all: String = Verdict::of(&facts).checks.iter().map(ToString::to_string).collect();
    assert!(all.contains("AMD-Vi") && !all.contains("VT-d") && !all.contains("DMAR"), "{all}");
    let advice = Verdict::of(&facts).remedies().next().unwrap();
    assert_eq!(advice, Remedy::UseOtherSystem);
    let wrong = Facts { table: Table { errors: 1, ..facts.table }, ..facts };
    assert_eq!(judged(&wrong, Id::FirmwareTable).1, Outcome::Fail);
    assert!(words(&wrong, Id::FirmwareTable).contains("IVRS has 1 error and 0 warnings"));
}

#[test]
fn a_unit_that_answers_without_a_table_is_in_the_silicon_and_hidden() {
    let hidden = Some(PhysAddr::new(0xfed9_0000));
    for maker in [Maker::Intel, Maker::Other] {
        let facts = Facts { maker, units: Units { hidden, ..Units::default() }, ..Facts::default() };
        assert_eq!(judged(&facts, Id::DmaCovered), (Word::NotProtected, Outcome::Fail, Evidence::Measured));
        assert!(words(&facts, Id::DmaCovered).contains("in the silicon"));
        assert_eq!(Verdict::of(&facts).remedies().next(), Some(Remedy::SwitchOn(Maker::Intel)));
    }
}

#[test]
fn whoever_passes_by_the_units_is_not_held() {
    let unit = Facts { units: Units { named: 2, enforcing: 1, hidden: None }, ..sound() };
    assert_eq!(judged(&unit, Id::DmaCovered), (Word::NotProtected, Outcome::Fail, Evidence::Measured));
    assert!(words(&unit, Id::DmaCovered).starts_with("1 of 2 IOMMU units not at work"));
    let bypass = [Shortfall::Bypass { device: DEVICE }; 2];
    let facts = Facts { given_up: given_up(&bypass[..1]), ..sound() };
    assert_eq!(judged(&facts, Id::DmaCovered), (Word::NotProtected, Outcome::Fail, Evidence::Claimed));
    assert_eq!(words(&facts, Id::DmaCovered), "0000:00:03.0 passes by every IOMMU unit, to all of memory.");
    let facts = Facts { given_up: given_up(&bypass), ..sound() };
    assert!(words(&facts, Id::DmaCovered).starts_with("0000:00:03.0 and 1 more pass by"));
}

#[test]
fn a_damaged_table_leaves_unknown_whether_a_unit_is_missing() {
    let table = Table { is_damaged: true, ..sound().table };
    let facts = Facts { given_up: given_up(&[Shortfall::TableDamaged]), table, ..sound() };
    assert_eq!(judged(&facts, Id::DmaCovered), (Word::Gaps, Outcome::Unknown, Evidence::Claimed));
    assert_eq!(judged(&facts, Id::FirmwareTable).1, Outcome::Fail);
}

#[test]
fn a_device_that_lies_and_what_else_was_given_up_is_a_gap() {
    for shortfall in [
        Shortfall::DeviceRefused { device: DEVICE },
        Shortfall::BusMasterStuck { device: DEVICE },
        Shortfall::RegionRefused { offset: 0x40, base: PhysAddr::new(0x1000) },
        Shortfall::RegionLost { device: DEVICE },
    ] {
        let facts = Facts { given_up: given_up(&[shortfall]), ..sound() };
        assert_eq!(judged(&facts, Id::DmaCovered), (Word::Gaps, Outcome::Fail, Evidence::Measured));
        assert!(words(&facts, Id::DmaCovered).contains(&shortfall.to_string()));
        assert!(Verdict::of(&facts).remedies().next().is_some());
    }
}

#[test]
fn one_that_got_through_spoils_everything() {
    let facts = Facts { drill: Drill { through: 1, ..sound().drill }, ..sound() };
    assert_eq!(judged(&facts, Id::Drill), (Word::NotProtected, Outcome::Fail, Evidence::Seen));
    assert!(words(&facts, Id::Drill).contains("1 of 5 tries GOT THROUGH"));
    let facts = Facts { drill: Drill { unseen: 1, ..sound().drill }, ..sound() };
    assert_eq!(judged(&facts, Id::Drill), (Word::Gaps, Outcome::Fail, Evidence::Seen));
}

/// Registers say that units enforce; that they block, nobody has seen then.
#[test]
fn a_drill_that_tried_nothing_does_not_pass() {
    for (not_tried, remedy) in [
        (NotTried::NobodyCan, None),
        (NotTried::SwitchedOff, Some(Remedy::LetItDrill)),
        (NotTried::NoneWorked, None),
    ] {
        let facts = Facts { drill: Drill { not_tried, ..Drill::default() }, ..sound() };
        assert_eq!(judged(&facts, Id::Drill), (Word::Gaps, Outcome::Unknown, Evidence::Claimed));
        assert_eq!(check(&facts, Id::Drill).remedy, remedy);
        assert!(words(&facts, Id::Drill).contains("nothing was tried"));
    }
}

#[test]
fn plain_interrupts_are_a_gap() {
    for (interrupts, outcome, word) in [
        (Interrupts::Remapped, Outcome::Pass, Word::Protected),
        (Interrupts::Partly, Outcome::Fail, Word::Gaps),
        (Interrupts::Plain, Outcome::Fail, Word::Gaps),
        (Interrupts::SwitchedOff, Outcome::Fail, Word::Gaps),
        (Interrupts::Impossible, Outcome::Fail, Word::Gaps),
    ] {
        let facts = Facts { interrupts, ..sound() };
        let (found, result, _) = judged(&facts, Id::Interrupts);
        assert_eq!((found, result), (word, outcome), "{interrupts:?}");
    }
    for (interrupts, remedy) in [
        (Interrupts::Impossible, Remedy::SwitchOnInterruptRemapping),
        (Interrupts::SwitchedOff, Remedy::LetInterruptsBeRemapped),
    ] {
        assert_eq!(Verdict::of(&Facts { interrupts, ..sound() }).remedies().next(), Some(remedy));
    }
    // One that firmware may still send past the entries spoils it, and nothing else.
    let given_up = given_up(&[Shortfall::InterruptTablesDamaged]);
    let source = Facts { given_up, ..sound() };
    assert_eq!(judged(&source, Id::Interrupts), (Word::Gaps, Outcome::Fail, Evidence::Measured));
    assert_eq!(judged(&source, Id::DmaCovered).1, Outcome::Pass);
    // Whatever is claimed of interrupts, without a unit nobody checks them.
    let nobody = Facts { interrupts: Interrupts::Remapped, units: Units::default(), ..sound() };
    assert_eq!(judged(&nobody, Id::Interrupts).1, Outcome::Fail);
}

#[test]
fn an_external_port_is_shut_or_it_is_a_gap() {
    let ports = |external, taken, devices| Facts {
        ports: Ports { external, taken, unchecked: 0, devices },
        ..sound()
    };
    let found = |facts: &Facts| judged(facts, Id::ExternalPorts);
    use ExternalDevices::{Blocked, LetIn};
    let shut = (Word::Protected, Outcome::Pass, Evidence::Enforced);
    assert_eq!(found(&ports(0, 0, Blocked)), shut);
    assert_eq!(found(&ports(1, 0, Blocked)), shut);
    assert_eq!(found(&ports(1, 0, LetIn)), (Word::Gaps, Outcome::Fail, Evidence::Enforced));
    assert_eq!(check(&ports(1, 0, LetIn), Id::ExternalPorts).remedy, Some(Remedy::DenyExternal));
    assert_eq!(found(&ports(0, 2, Blocked)), (Word::Protected, Outcome::Unknown, Evidence::Measured));
    let unchecked = Facts { ports: Ports { unchecked: 1, ..Ports::default() }, ..sound() };
    assert_eq!(found(&unchecked), (Word::Gaps, Outcome::Fail, Evidence::Measured));
    let nothing_holds = Facts { units: Units::default(), ..ports(1, 0, Blocked) };
    assert_eq!(found(&nothing_holds).1, Outcome::Fail);
}

#[test]
fn what_was_before_the_kernel_is_unknown_unless_it_was_measured() {
    let window = |moment, on, claim| Facts {
        window: Window { moment, units: 2, on, bus_masters: 3, claim },
        ..sound()
    };
    let found = |facts: &Facts| judged(facts, Id::BootWindow);
    use FirmwareClaim::{KeptDmaOut, Nothing};
    assert_eq!(
        found(&window(Moment::Firmware, 2, Nothing)),
        (Word::Protected, Outcome::Pass, Evidence::Measured)
    );
    assert_eq!(found(&window(Moment::Firmware, 1, Nothing)), (Word::Gaps, Outcome::Fail, Evidence::Measured));
    assert_eq!(
        found(&window(Moment::Kernel, 2, Nothing)),
        (Word::Protected, Outcome::Pass, Evidence::Measured)
    );
    // By itself it is no gap of what is enforced now; and a claim stays a claim.
    assert_eq!(
        found(&window(Moment::Kernel, 1, Nothing)),
        (Word::Protected, Outcome::Unknown, Evidence::Measured)
    );
    let claimed = window(Moment::Kernel, 0, KeptDmaOut);
    assert_eq!(found(&claimed), (Word::Protected, Outcome::Unknown, Evidence::Claimed));
    assert!(words(&claimed, Id::BootWindow).contains("claims"));
    assert_eq!(found(&Facts { window: Window::default(), ..sound() }).1, Outcome::Unknown);
}

#[test]
fn a_table_that_contradicts_itself_or_the_machine_is_held_against_it() {
    // What a warning of the table fears, the machine has answered: by the other checks.
    let warned = Facts { table: Table { warnings: 1, ..sound().table }, ..sound() };
    assert_eq!(judged(&warned, Id::FirmwareTable), (Word::Protected, Outcome::Pass, Evidence::Claimed));
    assert!(words(&warned, Id::FirmwareTable).contains("but for 1 warning"));
    for table in [Table { errors: 1, ..sound().table }, Table { is_damaged: true, ..sound().table }] {
        let facts = Facts { table, ..sound() };
        assert_eq!(judged(&facts, Id::FirmwareTable), (Word::Gaps, Outcome::Fail, Evidence::Claimed));
        let contradiction = Table { warnings: 1, is_contradicted: true, ..table };
        let measured = Facts { table: contradiction, ..sound() };
        assert_eq!(judged(&measured, Id::FirmwareTable).2, Evidence::Measured);
        let given = Facts { table: Table { origin: Origin::User, ..table }, ..sound() };
        assert_eq!(check(&given, Id::FirmwareTable).remedy, Some(Remedy::GiveAnotherTable));
    }
}

#[test]
fn an_emulators_processor_says_nothing_of_the_machine() {
    assert_eq!(Maker::of("GenuineIntel", "Intel(R) Core(TM) i5"), Maker::Intel);
    assert_eq!(Maker::of("AuthenticAMD", "AMD EPYC Processor"), Maker::Amd);
    assert_eq!(Maker::of("AuthenticAMD", "QEMU TCG CPU version 2.5+"), Maker::Other);
    assert_eq!(Maker::of("", ""), Maker::Other);
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), 0..4_u32, Just(u32::MAX)]
}

fn shortfalls() -> impl Strategy<Value = GivenUp> {
    let one = prop_oneof![
        Just(Shortfall::NoUnit),
        Just(Shortfall::UnitFailed { unit: 0 }),
        Just(Shortfall::UnitSilent { unit: 0 }),
        Just(Shortfall::Bypass { device: DEVICE }),
        Just(Shortfall::TableDamaged),
        Just(Shortfall::DeviceRefused { device: DEVICE }),
    ];
    prop::collection::vec(one, 0..3).prop_map(|all| given_up(&all))
}

prop_compose! {
    fn any_facts()(
        maker in prop_oneof![Just(Maker::Intel), Just(Maker::Amd), Just(Maker::Other)],
        kind in prop_oneof![Just(TableKind::None), Just(TableKind::Dmar), Just(TableKind::Ivrs)],
        (is_damaged, errors, warnings, is_contradicted) in (any::<bool>(), count(), count(), any::<bool>()),
        (named, enforcing) in (count(), count()),
        devices in count(),
        given_up in shortfalls(),
        (drillers, tries, through, unseen) in (count(), count(), count(), count()),
        interrupts in prop_oneof![
            Just(Interrupts::Remapped), Just(Interrupts::Partly), Just(Interrupts::Plain),
            Just(Interrupts::SwitchedOff), Just(Interrupts::Impossible)
        ],
        (in_firmware, units, on, bus_masters) in (any::<bool>(), count(), count(), count()),
        (external, taken, unchecked, let_in) in (count(), count(), count(), any::<bool>()),
    ) -> Facts {
        Facts {
            maker,
            table: Table { kind, origin: Origin::Firmware, is_damaged, errors, warnings, is_contradicted },
            units: Units { named, enforcing: enforcing.min(named), hidden: None },
            devices,
            given_up,
            drill: Drill { devices: drillers, tries, through, unseen, not_tried: NotTried::NobodyCan },
            interrupts,
            window: Window {
                moment: if in_firmware { Moment::Firmware } else { Moment::Kernel },
                units, on, bus_masters,
                claim: FirmwareClaim::Nothing,
            },
            ports: Ports {
                external,
                taken,
                unchecked,
                devices: if let_in { ExternalDevices::LetIn } else { ExternalDevices::Blocked },
            },
        }
    }
}

proptest! {
    #[test]
    fn the_word_is_never_better_than_the_worst_check(facts in any_facts()) {
        let verdict = Verdict::of(&facts);
        for check in &verdict.checks {
            prop_assert!(verdict.word >= check.at_best);
            if check.outcome == Outcome::Fail {
                prop_assert!(verdict.word > Word::Protected, "{check:?}");
            }
        }
        // The unknowns that matter.
        for id in [Id::DmaCovered, Id::Drill] {
            if check(&facts, id).outcome == Outcome::Unknown {
                prop_assert!(verdict.word > Word::Protected);
            }
        }
        if facts.given_up.open.is_some() || facts.drill.through > 0 || facts.units.named == 0 {
            prop_assert_eq!(verdict.word, Word::NotProtected);
        }
    }

    #[test]
    fn nothing_holds_by_more_than_was_shown(facts in any_facts()) {
        for check in Verdict::of(&facts).checks.iter().filter(|check| check.outcome == Outcome::Pass) {
            match check.evidence {
                Evidence::Enforced => prop_assert!(facts.units.enforcing > 0, "{:?}", check),
                Evidence::Seen => prop_assert!(facts.drill.tries > 0),
                Evidence::Measured => prop_assert!(facts.window.units > 0),
                Evidence::Claimed => prop_assert!(facts.table.kind != TableKind::None),
            }
        }
    }

    #[test]
    fn a_screen_gets_the_worst_in_short_sentences(facts in any_facts()) {
        let verdict = Verdict::of(&facts);
        let shown: Vec<_> = verdict.shown().collect();
        prop_assert_eq!(shown.len(), SHOWN);
        prop_assert!(shown.is_sorted_by_key(|check| check.outcome));
        let bad = |check: &&Check| check.outcome != Outcome::Pass;
        let hidden_bad = verdict.checks.iter().filter(bad).count() > SHOWN;
        for check in verdict.checks.iter().filter(bad) {
            prop_assert!(hidden_bad || shown.contains(&check));
        }
        for check in &verdict.checks {
            let words = check.sentence.to_string();
            prop_assert!(words.len() <= 170 && words.ends_with('.') && words.is_ascii(), "{}", words);
        }
        for remedy in verdict.remedies() {
            let words = remedy.to_string();
            prop_assert!(words.len() <= 100 && words.is_ascii(), "{}", words);
        }
    }
}
