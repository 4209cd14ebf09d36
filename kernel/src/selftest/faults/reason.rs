//! Every reason of legacy mode, each by all the ways to it (VT-d "Fault Reason Encodings").
//!
//! Not among them: 8, a root table that cannot be read, for which translation would have to leave our root
//! table; and 0xd, which QEMU never reports.

use alloc::vec::Vec;

use diagnosis::Verdict;
use dma_types::{Access, INTERRUPT_RANGE, Iova, PhysAddr};

use super::case::{Case, Target, Wrong, clear, replace, set};
use super::subject::{Subject, alone_on_its_bus, by_the_books, with_own_tables};
use super::{Failure, Machine, UNKNOWN_MACHINE, report, work_as_before};
use crate::devices::Overreach;
use crate::iommu;
use crate::selftest::misprogram::{Half, TableWord};
use crate::selftest::skip;
use crate::text::Text;

/// A reason and the ways to it.
struct Reason {
    code: u8,
    needs: Needs,
    cases: fn(&Subject) -> Vec<Case>,
}

/// The device that it takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// One alone on its bus: its root or context entry is made wrong.
    OwnBus,
    /// One alone in its domain.
    OwnTables,
    /// The same, which sends addresses that its unit does not translate.
    WideAddresses,
}

const REASONS: [Reason; 12] = [
    Reason { code: 0x1, needs: Needs::OwnBus, cases: root_not_present },
    Reason { code: 0x2, needs: Needs::OwnBus, cases: context_not_present },
    Reason { code: 0x3, needs: Needs::OwnBus, cases: context_invalid },
    Reason { code: 0x4, needs: Needs::WideAddresses, cases: beyond_width },
    Reason { code: 0x5, needs: Needs::OwnTables, cases: no_write_permission },
    Reason { code: 0x6, needs: Needs::OwnTables, cases: no_read_permission },
    Reason { code: 0x7, needs: Needs::OwnTables, cases: table_unreadable },
    Reason { code: 0x9, needs: Needs::OwnBus, cases: context_unreadable },
    Reason { code: 0xa, needs: Needs::OwnBus, cases: root_reserved },
    Reason { code: 0xb, needs: Needs::OwnBus, cases: context_reserved },
    Reason { code: 0xc, needs: Needs::OwnTables, cases: table_reserved },
    Reason { code: 0xe, needs: Needs::OwnTables, cases: into_interrupts },
];

/// Provokes each reason; one check each, `reason-0x01` and so on.
pub(super) fn run(machine: &Machine) {
    for reason in &REASONS {
        let name = Text::<16>::of(&format_args!("reason-{:#04x}", reason.code));
        match reason.device(machine) {
            Ok(device) => report(name.as_str(), &reason.provoke(device)),
            Err(why) => skip(name.as_str(), why),
        }
    }
}

impl Reason {
    fn device(&self, machine: &Machine) -> Result<&'static dyn Overreach, &'static str> {
        if matches!(machine, Machine::Unknown) {
            return Err(UNKNOWN_MACHINE);
        }
        match self.needs {
            Needs::OwnBus => alone_on_its_bus()
                .ok_or("no device here that requests only what it is told is alone on its bus"),
            Needs::OwnTables => with_own_tables()
                .ok_or("no device here that requests only what it is told is alone in its domain"),
            Needs::WideAddresses => with_own_tables()
                .filter(|device| sends_beyond_width(*device))
                .ok_or("no device here sends addresses that are beyond the unit's width"),
        }
    }

    fn provoke(&self, device: &'static dyn Overreach) -> Result<(), (&'static str, Failure)> {
        let prepared = |failure| ("the test's own memory", failure);
        let mut subject = Subject::new(device).map_err(prepared)?;
        let outcome = (self.cases)(&subject)
            .iter()
            .try_for_each(|case| subject.provoke(self.code, case).map_err(|failure| (case.what, failure)));
        // Also after a failure: what comes next must not be blamed for it.
        let after = work_as_before(&[device]).map_err(|failure| ("after all", failure));
        outcome.and(after)
    }
}

fn sends_beyond_width(device: &dyn Overreach) -> bool {
    let unit = iommu::unit_of(device.record());
    unit.is_some_and(|unit| device.dma().sends(Iova::new(1 << unit.width())))
}

/// Bits of the tables' words; see the drawings in `vtd::spec`.
const PRESENT: u64 = 1;
const READ: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const SNOOP: u64 = 1 << 11;
const TRANSIENT: u64 = 1 << 62;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const TRANSLATION_TYPE: u64 = 0b11 << 2;
const ADDRESS_WIDTH: u64 = 0b111;

/// Where there is no memory, within the narrowest width of a host.
const NOWHERE: PhysAddr = PhysAddr::new(0x7f_ffff_f000);

fn root_not_present(_: &Subject) -> Vec<Case> {
    [Case::word("a root entry that is not present", TableWord::Root(Half::Low), clear(PRESENT))].into()
}

/// Once behind the books' back, once with the device given up.
fn context_not_present(_: &Subject) -> Vec<Case> {
    let cleared =
        Case::word("a context entry that is not present", TableWord::Context(Half::Low), clear(PRESENT));
    let given_up = Case {
        what: "a device that was given up",
        wrong: Wrong::GivenUp,
        access: Access::Write,
        target: Target::Own,
        verdict: Verdict::Unclaimed,
    };
    [cleared, given_up].into()
}

fn context_invalid(subject: &Subject) -> Vec<Case> {
    let Some(facts) = subject.unit.facts else { return Vec::new() };
    let depths = facts.capabilities.table_levels().bits();
    let unsupported = (0..8).filter(|code| depths & 1 << code == 0).map(|code| {
        let change = replace(ADDRESS_WIDTH, code);
        Case::word(
            "a context entry with a depth that the unit does not walk",
            TableWord::Context(Half::High),
            change,
        )
    });
    let word = |what, change| Case::word(what, TableWord::Context(Half::Low), change);
    let mut cases: Vec<_> = unsupported.collect();
    cases.push(word("a context entry of the reserved type", set(TRANSLATION_TYPE)));
    if !facts.extended.device_tlb() {
        cases.push(word("a context entry for a device TLB", replace(TRANSLATION_TYPE, 1 << 2)));
    }
    cases.push(word("a top table outside memory", replace(ADDRESS, NOWHERE.as_u64())));
    cases
}

fn beyond_width(_: &Subject) -> Vec<Case> {
    let case = |access| Case {
        what: "an address beyond the width",
        wrong: Wrong::Nothing,
        access,
        target: Target::BeyondWidth,
        verdict: Verdict::BeyondWidth,
    };
    [Access::Read, Access::Write].map(case).into()
}

fn no_write_permission(subject: &Subject) -> Vec<Case> {
    no_permission(subject, Access::Write, (Target::Readable, WRITE))
}

fn no_read_permission(subject: &Subject) -> Vec<Case> {
    no_permission(subject, Access::Read, (Target::Writable, READ))
}

/// By the request, with tables as they should be; then by the tables, at every level.
fn no_permission(subject: &Subject, access: Access, (wrong_way, bit): (Target, u64)) -> Vec<Case> {
    let by_request = |what, target| Case {
        what,
        wrong: Wrong::Nothing,
        access,
        target,
        verdict: by_the_books(subject, target, access),
    };
    let mut cases = Vec::from([
        by_request("memory that is not mapped", Target::Unmapped),
        by_request("memory that is mapped the other way", wrong_way),
    ]);
    let at = |level, change| Case::word("an entry without the permission", TableWord::Level(level), change);
    cases.push(at(1, clear(READ | WRITE)));
    cases.extend(tables(subject).map(|level| at(level, clear(bit))));
    cases.iter_mut().for_each(|case| case.access = access);
    cases
}

fn table_unreadable(subject: &Subject) -> Vec<Case> {
    let change = replace(ADDRESS, NOWHERE.as_u64());
    tables(subject)
        .map(|level| Case::word("a table outside memory", TableWord::Level(level), change))
        .collect()
}

fn context_unreadable(_: &Subject) -> Vec<Case> {
    let change = replace(ADDRESS, NOWHERE.as_u64());
    [Case::word("a context table outside memory", TableWord::Root(Half::Low), change)].into()
}

fn root_reserved(_: &Subject) -> Vec<Case> {
    reserved("reserved bits of a root entry", TableWord::Root, [1 << 1, 1 << 11], [1 << 0, 1 << 63]).collect()
}

fn context_reserved(_: &Subject) -> Vec<Case> {
    let (low, high) = ([1 << 4, 1 << 11], [1 << 7, 1 << 63]);
    reserved("reserved bits of a context entry", TableWord::Context, low, high).collect()
}

/// One case for each bit.
fn reserved(
    what: &'static str,
    place: fn(Half) -> TableWord,
    low: [u64; 2],
    high: [u64; 2],
) -> impl Iterator<Item = Case> {
    let bits = move |half, bits: [u64; 2]| bits.map(|bit| Case::word(what, place(half), set(bit)));
    bits(Half::Low, low).into_iter().chain(bits(Half::High, high))
}

fn table_reserved(subject: &Subject) -> Vec<Case> {
    let Some(facts) = subject.unit.facts else { return Vec::new() };
    let at = |what, level, change| Case::word(what, TableWord::Level(level), change);
    let mut cases = Vec::from([
        at("the bit for transient mappings", 1, set(TRANSIENT)),
        at("an address wider than the host's", 1, set(1 << 51)).read_only(),
    ]);
    if !facts.extended.snoop_control() {
        cases.push(at("forced snooping without snoop control", 1, set(SNOOP)));
    }
    cases.extend(tables(subject).map(|level| at("forced snooping of a table", level, set(SNOOP))));
    // A page of the subject's own, at no multiple of the large page: the next one as well as itself is none.
    let misaligned = subject.own_memory().as_u64() | 1 << 12 | LARGE;
    for level in [2, 3] {
        cases.push(at("a large page that is not aligned", level, replace(ADDRESS, misaligned)).read_only());
    }
    let top = subject.unit.table_levels();
    if top > 3 {
        cases.push(at("a large page at the top level", top, set(LARGE)).read_only());
    }
    cases
}

fn into_interrupts(_: &Subject) -> Vec<Case> {
    let change = replace(ADDRESS, INTERRUPT_RANGE.start);
    [Case::word("a page where interrupts are", TableWord::Level(1), change).read_only()].into()
}

/// The levels whose entries refer to tables.
fn tables(subject: &Subject) -> impl Iterator<Item = u8> + use<> {
    2..=subject.unit.table_levels()
}
