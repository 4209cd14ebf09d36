//! From facts to checks to the word.

use coverage::Shortfall;

use crate::check::{Check, Evidence, Id, Outcome, Word};
use crate::facts::{
    Drill, ExternalDevices, Facts, FirmwareClaim, Interrupts, Moment, NotTried, Origin, TableKind,
};
use crate::remedy::Remedy;
use crate::sentence::Sentence;

/// Checks that one screen shows.
pub const SHOWN: usize = 5;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// In one word.
    pub word: Word,
    /// What it is made of, the most important first.
    pub checks: [Check; 6],
}

impl Verdict {
    /// Judges.
    pub fn of(facts: &Facts) -> Self {
        let checks = [
            dma_covered(facts),
            drill(&facts.drill),
            interrupts(facts),
            external_ports(facts),
            boot_window(facts),
            firmware_table(facts),
        ];
        let word = checks.iter().map(|check| check.at_best).max().unwrap_or(Word::NotProtected);
        Self { word, checks }
    }

    /// The checks that fit one screen: what fails, then what is unknown, then what holds. Left out is the least
    /// important of what holds, if any does.
    pub fn shown(&self) -> impl Iterator<Item = &Check> {
        let of = |outcome| self.checks.iter().filter(move |check| check.outcome == outcome);
        of(Outcome::Fail).chain(of(Outcome::Unknown)).chain(of(Outcome::Pass)).take(SHOWN)
    }

    /// What to change, each once, in the order of the checks.
    pub fn remedies(&self) -> impl Iterator<Item = Remedy> {
        let all = || self.checks.iter().filter_map(|check| check.remedy);
        all()
            .enumerate()
            .filter(move |(index, remedy)| all().take(*index).all(|other| other != *remedy))
            .map(|(_, remedy)| remedy)
    }
}

/// A check that holds.
const fn pass(id: Id, evidence: Evidence, sentence: Sentence) -> Check {
    Check { id, outcome: Outcome::Pass, evidence, sentence, remedy: None, at_best: Word::Protected }
}

/// A check that does not hold.
const fn fail(
    id: Id,
    evidence: Evidence,
    sentence: Sentence,
    remedy: Option<Remedy>,
    at_best: Word,
) -> Check {
    Check { id, outcome: Outcome::Fail, evidence, sentence, remedy, at_best }
}

/// A check of which nobody can tell whether it holds.
const fn unknown(
    id: Id,
    evidence: Evidence,
    sentence: Sentence,
    remedy: Option<Remedy>,
    at_best: Word,
) -> Check {
    Check { id, outcome: Outcome::Unknown, evidence, sentence, remedy, at_best }
}

fn dma_covered(facts: &Facts) -> Check {
    let Facts { units, given_up, devices, .. } = *facts;
    let id = Id::DmaCovered;
    let open = |evidence, sentence, remedy| fail(id, evidence, sentence, remedy, Word::NotProtected);
    if units.named == 0 {
        return no_unit(facts);
    }
    if units.enforcing < units.named {
        let sentence =
            Sentence::UnitsDoNotEnforce { failing: units.named - units.enforcing, named: units.named };
        return open(Evidence::Measured, sentence, Some(Remedy::MendFirmware));
    }
    if let Some(first) = given_up.first_bypassing {
        let sentence = Sentence::Bypassing { first, more: given_up.bypassing.saturating_sub(1) };
        return open(Evidence::Claimed, sentence, Some(Remedy::MendFirmware));
    }
    if let Some(shortfall) = given_up.open {
        return open(Evidence::Measured, Sentence::GivenUp { shortfall, more: 0 }, None);
    }
    if given_up.table_damaged {
        let sentence = Sentence::PerhapsNotAll;
        return unknown(id, Evidence::Claimed, sentence, Some(Remedy::MendFirmware), Word::Gaps);
    }
    if let Some(shortfall) = given_up.other {
        let sentence = Sentence::GivenUp { shortfall, more: given_up.others.saturating_sub(1) };
        return fail(id, Evidence::Measured, sentence, remedy_of(&shortfall), Word::Gaps);
    }
    pass(id, Evidence::Enforced, Sentence::Covered { devices, units: units.enforcing })
}

/// Nothing stands between devices and memory; what is said depends on what the machine has all the same.
fn no_unit(facts: &Facts) -> Check {
    let (evidence, sentence, remedy) = match (facts.table.kind, facts.units.hidden) {
        (TableKind::Ivrs, _) => (Evidence::Claimed, Sentence::AmdViNotDriven, Remedy::UseOtherSystem),
        (_, Some(at)) => {
            (Evidence::Measured, Sentence::HiddenUnit { at }, Remedy::SwitchOn(facts.maker.or_intel()))
        }
        (..) => (Evidence::Claimed, Sentence::NoIommu, Remedy::SwitchOn(facts.maker)),
    };
    fail(Id::DmaCovered, evidence, sentence, Some(remedy), Word::NotProtected)
}

const fn remedy_of(shortfall: &Shortfall) -> Option<Remedy> {
    match shortfall {
        Shortfall::RegionRefused { .. } | Shortfall::RegionLost { .. } => Some(Remedy::MendFirmware),
        Shortfall::DeviceRefused { .. } | Shortfall::Fabric(_) | Shortfall::BusMasterStuck { .. } => {
            Some(Remedy::TakeDeviceOut)
        }
        Shortfall::NoUnit
        | Shortfall::UnitFailed { .. }
        | Shortfall::UnitSilent { .. }
        | Shortfall::Bypass { .. }
        | Shortfall::InterruptsNotRemapped { .. }
        | Shortfall::InterruptTablesDamaged
        | Shortfall::InterruptSource { .. }
        | Shortfall::TableDamaged => None,
    }
}

fn drill(drill: &Drill) -> Check {
    let id = Id::Drill;
    let Drill { devices, tries, through, unseen, not_tried } = *drill;
    if through > 0 {
        let sentence = Sentence::GotThrough { through, tries };
        return fail(id, Evidence::Seen, sentence, Some(Remedy::TrustNothing), Word::NotProtected);
    }
    if tries == 0 {
        let remedy = (not_tried == NotTried::SwitchedOff).then_some(Remedy::LetItDrill);
        return unknown(id, Evidence::Claimed, Sentence::NothingTried(not_tried), remedy, Word::Gaps);
    }
    if unseen > 0 {
        return fail(id, Evidence::Seen, Sentence::Unseen { unseen, tries }, None, Word::Gaps);
    }
    pass(id, Evidence::Seen, Sentence::NoneThrough { tries, devices })
}

fn interrupts(facts: &Facts) -> Check {
    let id = Id::Interrupts;
    let weak = |evidence, sentence, remedy| fail(id, evidence, sentence, remedy, Word::Gaps);
    match (facts.interrupts, facts.given_up.interrupts) {
        _ if facts.units.enforcing == 0 => weak(Evidence::Claimed, Sentence::NobodyChecksInterrupts, None),
        (Interrupts::Remapped, Some(shortfall)) => {
            weak(Evidence::Measured, Sentence::GivenUp { shortfall, more: 0 }, Some(Remedy::MendFirmware))
        }
        (Interrupts::Remapped, None) => pass(id, Evidence::Enforced, Sentence::InterruptsRemapped),
        (Interrupts::Partly, _) => weak(Evidence::Enforced, Sentence::InterruptsPartly, None),
        (Interrupts::Plain, _) => weak(Evidence::Measured, Sentence::InterruptsPlain, None),
        (Interrupts::SwitchedOff, _) => {
            weak(Evidence::Measured, Sentence::InterruptsPlain, Some(Remedy::LetInterruptsBeRemapped))
        }
        (Interrupts::Impossible, _) => {
            let remedy = Remedy::SwitchOnInterruptRemapping;
            weak(Evidence::Measured, Sentence::InterruptsPlain, Some(remedy))
        }
    }
}

fn external_ports(facts: &Facts) -> Check {
    let id = Id::ExternalPorts;
    let ports = facts.ports;
    match ports.devices {
        ExternalDevices::LetIn => {
            let sentence = Sentence::ExternalLetIn { ports: ports.external };
            fail(id, Evidence::Enforced, sentence, Some(Remedy::DenyExternal), Word::Gaps)
        }
        // Without a unit there is only the bus-master bit, which a hostile device need not heed.
        ExternalDevices::Blocked if facts.units.enforcing == 0 => {
            fail(id, Evidence::Claimed, Sentence::NothingHoldsExternal, None, Word::Gaps)
        }
        ExternalDevices::Blocked if ports.unchecked > 0 => {
            let sentence = Sentence::PortsUnchecked { ports: ports.unchecked };
            fail(id, Evidence::Measured, sentence, None, Word::Gaps)
        }
        ExternalDevices::Blocked if ports.taken > 0 => {
            let sentence = Sentence::PerhapsExternal { ports: ports.taken };
            unknown(id, Evidence::Measured, sentence, Some(Remedy::NamePorts), Word::Protected)
        }
        ExternalDevices::Blocked => {
            pass(id, Evidence::Enforced, Sentence::ExternalBlocked { ports: ports.external })
        }
    }
}

fn boot_window(facts: &Facts) -> Check {
    let id = Id::BootWindow;
    let window = facts.window;
    let off = window.units.saturating_sub(window.on);
    let evidence = match window.claim {
        FirmwareClaim::KeptDmaOut => Evidence::Claimed,
        FirmwareClaim::Nothing => Evidence::Measured,
    };
    match window.moment {
        _ if window.units == 0 => {
            unknown(id, Evidence::Claimed, Sentence::NobodyToAsk, None, Word::Protected)
        }
        moment if off == 0 => pass(id, Evidence::Measured, Sentence::WindowClosed { moment }),
        Moment::Firmware => {
            let sentence = Sentence::WindowOpen { off, units: window.units, bus_masters: window.bus_masters };
            fail(id, Evidence::Measured, sentence, Some(Remedy::SwitchOnPreBoot), Word::Gaps)
        }
        Moment::Kernel => {
            let sentence = Sentence::WindowUnknown { bus_masters: window.bus_masters, claim: window.claim };
            unknown(id, evidence, sentence, None, Word::Protected)
        }
    }
}

fn firmware_table(facts: &Facts) -> Check {
    let id = Id::FirmwareTable;
    let table = facts.table;
    if table.kind == TableKind::None {
        let remedy = match facts.units.hidden {
            Some(_) => Remedy::SwitchOn(facts.maker.or_intel()),
            None => Remedy::SwitchOn(facts.maker),
        };
        return fail(id, Evidence::Claimed, Sentence::NoTable(facts.maker), Some(remedy), Word::Gaps);
    }
    // What a warning fears of the table's own words, the other checks have asked the machine; the machine's own word counts.
    if table.is_damaged || table.errors > 0 || table.is_contradicted {
        let evidence = if table.is_contradicted { Evidence::Measured } else { Evidence::Claimed };
        let remedy = match table.origin {
            Origin::Firmware => Remedy::MendFirmware,
            Origin::User => Remedy::GiveAnotherTable,
        };
        return fail(id, evidence, Sentence::TableWrong(table), Some(remedy), Word::Gaps);
    }
    pass(id, Evidence::Claimed, Sentence::TableSound(table))
}
