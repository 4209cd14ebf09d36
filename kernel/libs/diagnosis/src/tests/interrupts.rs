//! Refused interrupts, from the unit's record to the words: every reason, and whose entry it was.

use std::string::{String, ToString};
use std::vec::Vec;

use dma_types::{Access, Bdf, InterruptIndex, Segment, SourceId};

use super::machine::{Machine, bdf};
use crate::{Fault, InterruptEntry, InterruptKind, RefusedInterrupt, Standing, Timestamp, Verdict, diagnose};

/// F and a reason, in the upper half of a record.
const fn high(reason: u64, source: u64) -> u64 {
    1 << 63 | reason << 32 | source
}

/// The id of `nic`, 00:03.0.
const NIC: u64 = 0x0018;
/// The id of nobody: 00:09.0.
const STRANGER: u64 = 0x0048;

/// `nic` has the indices 0 and 1, `disk` at 00:05.0 has 2 and had 3; 4 was never given, and there are no more.
fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.add_claimed(bdf(0, 5), "disk", "diskdrv", 0x30_0000..0x40_0000);
    let [nic, disk] = [0, 1].map(|place| machine.device_at(place));
    let live = |owner| InterruptEntry::Live { owner };
    let withdrawn = InterruptEntry::Withdrawn { owner: disk, at: machine.now };
    machine.interrupts = Vec::from([live(nic), live(nic), live(disk), withdrawn, InterruptEntry::NeverGiven]);
    machine.wait(3000);
    machine
}

struct Told {
    short: Option<RefusedInterrupt>,
    bdf: Option<Bdf>,
    explanation: String,
    advice: String,
}

fn told(machine: &Machine, low: u64, high: u64) -> Told {
    let fault = machine.refused(low, high);
    assert_eq!((fault.access, fault.address), (Access::Interrupt, None));
    let diagnosis = diagnose(&fault, machine);
    assert_eq!(diagnosis.verdict, Verdict::Interrupt);
    let (explanation, advice) = (diagnosis.explanation().to_string(), diagnosis.advice().to_string());
    for text in [&explanation, &advice] {
        for untidy in ["  ", " ,", " .", "..", "()", "None", "Some(", " :"] {
            assert!(!text.contains(untidy), "{untidy:?} in {text:?}");
        }
        assert!(text.ends_with('.') && text.starts_with(char::is_alphabetic), "{text}");
    }
    assert!(explanation.contains("Interrupt remapping refused it"), "{explanation}");
    let short = diagnosis.interrupt.map(|interrupt| interrupt.in_short());
    Told { short, bdf: diagnosis.suspect.map(|suspect| suspect.function.device.bdf), explanation, advice }
}

#[track_caller]
fn contains_all(text: &str, facts: &[&str]) {
    for fact in facts {
        assert!(text.contains(fact), "{fact:?} is missing in {text:?}");
    }
}

/// Record, index, kind and owner, and what is said.
type Row = (u64, u64, Option<u16>, InterruptKind, Option<Bdf>, &'static [&'static str], &'static str);

#[test]
fn every_reason_is_told_from_its_record() {
    use InterruptKind::{Compatibility, Forged, NeverGiven, OutOfRange, Reserved, Table};
    let machine = machine();
    let (nic, disk) = (Some(bdf(0, 3)), Some(bdf(0, 5)));
    let rows: [Row; 9] = [
        (
            0x0002 << 48,
            0x20,
            Some(2),
            Reserved,
            disk,
            &["is malformed (index 2)", "may send only"],
            "was not given",
        ),
        (0xfffe << 48, 0x21, Some(0xfffe), OutOfRange, None, &["index 65534", "beyond the"], "was not given"),
        (
            0x0004 << 48,
            0x22,
            Some(4),
            NeverGiven,
            None,
            &["(index 4)", "is not present", "may send only"],
            "was not given",
        ),
        (0x0001 << 48, 0x23, Some(1), Table, nic, &["could not be fetched", "not for the device"], "memory"),
        (0x0001 << 48, 0x24, Some(1), Reserved, nic, &["reserved bits", "given to nic at"], "memory"),
        (
            0x0a00 << 48,
            0x25,
            None,
            Compatibility,
            None,
            &["of the old format and", "does not say whose"],
            "firmware",
        ),
        (
            0x0002 << 48,
            0x26,
            Some(2),
            Forged,
            disk,
            &["raise the interrupt of disk at 0000:00:05.0"],
            "unplug",
        ),
        (0x0002 << 48, 0x27, Some(2), Table, disk, &["posted-interrupt descriptor could not"], "memory"),
        (0x0002 << 48, 0x28, Some(2), Reserved, disk, &["in the posted-interrupt descriptor"], "memory"),
    ];
    for (low, reason, index, kind, owner, facts, advice) in rows {
        let told = told(&machine, low, high(reason, NIC));
        let index = index.map(InterruptIndex);
        assert_eq!(told.short, Some(RefusedInterrupt { index, kind, owner }), "{reason:#x}");
        assert_eq!(told.bdf, Some(bdf(0, 3)));
        contains_all(&told.explanation, &["nic at 0000:00:03.0 (driver nicdrv)", "and was blocked"]);
        contains_all(&told.explanation, &[&std::format!("(reason {reason:#x})")]);
        contains_all(&told.explanation, facts);
        contains_all(&told.advice, &[advice]);
        // The same of somebody who is not known, or cannot be told.
        for (source, words) in [(STRANGER, "calls itself 0000:00:09.0"), (0, "nobody is held responsible")] {
            let other = self::told(&machine, low, high(reason, source));
            assert_eq!((other.bdf, other.short), (None, told.short));
            contains_all(&other.explanation, &[words]);
        }
    }
}

#[test]
fn a_reason_that_says_no_more_is_still_an_interrupt() {
    let machine = machine();
    for reason in 0x29..=0x2f {
        let told = told(&machine, 0x0002 << 48, high(reason, NIC));
        assert_eq!((told.short, told.bdf), (None, Some(bdf(0, 3))));
        contains_all(&told.explanation, &["tried to send an interrupt and was blocked"]);
    }
}

#[test]
fn the_interrupt_of_another_names_both_and_blames_the_sender() {
    let told = told(&machine(), 0x0002 << 48, high(0x26, NIC));
    contains_all(
        &told.explanation,
        &[
            "nic at 0000:00:03.0 (driver nicdrv) tried to raise the interrupt of disk at 0000:00:05.0 (driver diskdrv) \
             (index 2) and was blocked (reason 0x26).",
            "Only messages of 0000:00:05.0 may name that index.",
        ],
    );
    contains_all(&told.advice, &["external", "nicdrv", "its own before"]);
}

#[test]
fn its_own_index_under_another_id_is_no_attack() {
    let mut machine = machine();
    machine.functions[0].requester = bdf(0, 9);
    let told = told(&machine, 0, high(0x26, STRANGER));
    assert_eq!(told.short.unwrap().owner, Some(bdf(0, 3)));
    contains_all(
        &told.explanation,
        &["tried to send an interrupt (index 0)", "carry another id than 0000:00:09.0"],
    );
    contains_all(&told.advice, &["makers of the kernel"]);
}

#[test]
fn a_forged_index_that_is_nobodys_blames_the_table() {
    let mut machine = machine();
    let told_of = |machine: &Machine, index: u64| told(machine, index << 48, high(0x26, NIC));
    let unknown = told_of(&machine, 4);
    assert_eq!(unknown.short.unwrap().owner, None);
    contains_all(&unknown.explanation, &["the entry that the unit found is not the kernel's"]);
    contains_all(&unknown.advice, &["Test the machine's memory"]);
    let gone = told_of(&machine, 3);
    assert_eq!(gone.short.unwrap().owner, Some(bdf(0, 5)));
    contains_all(&gone.explanation, &["taken back from its owner 3.0 ms before."]);
    machine.now = Timestamp::from_nanos(0);
    contains_all(&told_of(&machine, 3).explanation, &["from its owner at the same time."]);
}

#[test]
fn a_withdrawn_interrupt_tells_whose_it_was_since_when_and_why() {
    use InterruptKind::Withdrawn;
    let mut machine = machine();
    // 00:05.0.
    let own = |machine: &Machine| told(machine, 0x0003 << 48, high(0x22, 0x28));
    let (index, owner) = (Some(InterruptIndex(3)), Some(bdf(0, 5)));
    let claimed = own(&machine);
    assert_eq!(claimed.short, Some(RefusedInterrupt { index, kind: Withdrawn, owner }));
    contains_all(
        &claimed.explanation,
        &["disk at 0000:00:05.0 (driver diskdrv) raised its own interrupt after it was withdrawn (index 3)"],
    );
    contains_all(&claimed.explanation, &["The interrupt was withdrawn 3.0 ms before."]);
    contains_all(&claimed.advice, &["harmless", "the driver diskdrv lets go"]);

    machine.functions[1].standing = Standing::Quarantined;
    contains_all(&own(&machine).explanation, &["3.0 ms before: the device was contained."]);

    machine.functions[1].standing = Standing::Enabled;
    machine.functions[1].driver = None;
    let at = Timestamp::from_nanos(machine.now.as_nanos() - 3_000_000);
    machine.interrupts[3] = InterruptEntry::Withdrawn { owner: machine.device_at(1), at };
    contains_all(&own(&machine).explanation, &["3.0 ms before: its driver was released."]);

    let another = told(&machine, 0x0003 << 48, high(0x22, NIC));
    assert_eq!(another.short, Some(RefusedInterrupt { index, kind: Withdrawn, owner }));
    contains_all(
        &another.explanation,
        &["nic at", "tried to raise an interrupt that disk at 0000:00:05.0 (no driver) once had"],
    );
    contains_all(&another.advice, &["was not given"]);
}

#[test]
fn an_entry_that_is_there_by_now_is_said_to_have_come_later() {
    let told = told(&machine(), 0x0002 << 48, high(0x22, NIC));
    let (index, kind) = (Some(InterruptIndex(2)), InterruptKind::NeverGiven);
    assert_eq!(told.short, Some(RefusedInterrupt { index, kind, owner: None }));
    contains_all(
        &told.explanation,
        &["The index is that of disk at 0000:00:05.0", "only after the message came"],
    );
}

/// The first function of a segment is a bridge that sends no interrupts; emulators record its id where there is none.
#[test]
fn who_cannot_be_told_is_not_blamed_for_interrupts_and_is_for_memory() {
    let mut machine = machine();
    machine.port = Some(bdf(0, 0x1c));
    machine.add(bdf(0, 0), "host bridge", None, None);
    let last = Bdf::new(Segment(0), SourceId::from_bits(0xffff));
    machine.add(last, "the last function", None, None);
    for id in [0, 0xffff] {
        let fault = machine.refused(0x0002 << 48, high(0x26, id));
        let diagnosis = diagnose(&fault, &machine);
        assert!(fault.is_anonymous() && diagnosis.suspect.is_none() && diagnosis.port.is_none());
        assert_eq!((diagnosis.verdict, diagnosis.candidates.total()), (Verdict::Interrupt, 0));
        contains_all(
            &diagnosis.explanation().to_string(),
            &["Somebody tried to raise the interrupt of disk at", "nobody is held responsible"],
        );
        contains_all(&diagnosis.advice().to_string(), &["one device after the other"]);
        let memory = Fault { requester: fault.requester, ..machine.refused(0x5000, high(5, id)) };
        assert!(!memory.is_anonymous());
        assert!(diagnose(&memory, &machine).suspect.is_some());
    }
    assert!(!machine.refused(0, high(0x26, NIC)).is_anonymous());
}

#[test]
fn of_several_behind_an_id_the_one_whose_interrupt_it_was_is_the_suspect() {
    let mut machine = machine();
    let bridge = bdf(2, 0);
    for place in 0..2 {
        machine.functions[place].requester = bridge;
    }
    let fault = machine.refused(0x0003 << 48, high(0x22, 0x200));
    let diagnosis = diagnose(&fault, &machine);
    assert_eq!(diagnosis.suspect.unwrap().function.device.bdf, bdf(0, 5));
    assert_eq!((diagnosis.verdict, diagnosis.candidates.total()), (Verdict::Interrupt, 2));
    contains_all(
        &diagnosis.explanation().to_string(),
        &["One of 2 functions that share the requester id 0000:02:00.0 raised its own interrupt"],
    );
}
