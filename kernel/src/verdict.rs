//! Whether this machine is protected: what the kernel knows of it, for the library `verdict` to judge, and how that is told.
//!
//! What start finds is noted once; the rest is asked each time, without locks that may be held, so that a kernel that stops
//! can ask as well. The event is written after the drill, and again before `end` where something has changed.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

use ::verdict::{
    Check, ExternalDevices, Facts, FirmwareClaim, GivenUp, Interrupts, Maker, Moment, Origin, Outcome, Ports,
    Table, TableKind, Units, Verdict, Window,
};
use arrayvec::ArrayVec;
use coverage::Plan;
use dma_types::PhysAddr;
use options::{Interrupts as Wish, Options};
use pci::Topology;
use report::{DmarSource, Event, MachineInterrupts, VerdictCheck, VerdictResult};
use spin::Once;

use crate::arch::cpu;
use crate::devices::{self, Role};
use crate::firmware::{FirmwareTable, Soundness, findings};
use crate::iommu::{self, Found};
use crate::platform::{clock, machine};
use crate::text::Text;
use crate::{attack, journal, println, protection};

/// Bytes of the longest sentence, and of the longest advice.
const SENTENCE: usize = 192;

/// What start found, and what never changes again.
struct Noted {
    table: Table,
    hidden: Option<PhysAddr>,
    window: Window,
    ports: Ports,
    interrupts: Interrupts,
}

static NOTED: Once<Noted> = Once::new();

/// What was told last, as a number made of its words; 0 before anything was.
static TOLD: AtomicU64 = AtomicU64::new(0);

/// What firmware left in the units, before they are taken.
pub fn measure_window(plan: &Plan, found: &[Found]) -> Window {
    let states = || found.iter().flatten().map(|unit| unit.firmware_state());
    let on = states().filter(|state| state.translation || state.protected_memory).count();
    Window {
        moment: Moment::Kernel,
        units: states().count() as u32,
        on: on as u32,
        bus_masters: devices::all().iter().filter(|record| record.bus_master_at_boot).count() as u32,
        claim: match plan.platform.kept_dma_out {
            true => FirmwareClaim::KeptDmaOut,
            false => FirmwareClaim::Nothing,
        },
    }
}

/// Takes note of what start found, once, when everything is enforced that can be.
pub fn note(
    table: &FirmwareTable,
    ivrs: Option<&[u8]>,
    plan: Option<&Plan>,
    window: Window,
    topology: &Topology,
    options: &Options<'_>,
) {
    let units = iommu::units();
    NOTED.call_once(|| Noted {
        table: judge_table(table, ivrs),
        hidden: (units.is_empty() && maker() != Maker::Amd).then(iommu::hidden::find).flatten(),
        window,
        ports: ports(topology, options),
        interrupts: match plan.is_some_and(|plan| plan.platform.remaps_interrupts) {
            true if units.iter().all(can_remap) => match options.interrupts {
                Wish::Plain => Interrupts::SwitchedOff,
                Wish::Remap | Wish::Required => Interrupts::Plain,
            },
            _ => Interrupts::Impossible,
        },
    });
}

fn can_remap(unit: &iommu::Unit) -> bool {
    unit.facts.is_some_and(|facts| facts.extended.interrupt_remapping())
}

fn maker() -> Maker {
    let identity = cpu::identity();
    Maker::of(identity.vendor(), identity.brand())
}

fn judge_table(table: &FirmwareTable, ivrs: Option<&[u8]>) -> Table {
    let kind = match (table.source, ivrs) {
        (DmarSource::None, None) => TableKind::None,
        (DmarSource::None, Some(_)) => TableKind::Ivrs,
        (DmarSource::Firmware | DmarSource::FwCfg, _) => TableKind::Dmar,
    };
    let origin = if table.source == DmarSource::FwCfg { Origin::User } else { Origin::Firmware };
    let is_damaged = match kind {
        TableKind::None => false,
        TableKind::Dmar => table.soundness == Soundness::Damaged,
        TableKind::Ivrs => !ivrs.is_some_and(findings::judge_ivrs),
    };
    findings::weigh(Table { kind, origin, is_damaged, ..Table::default() })
}

fn ports(topology: &Topology, options: &Options<'_>) -> Ports {
    let named = |function: &&pci::Function| options.external_port.contains(function.bdf);
    let hot_plug = |function: &&pci::Function| function.express.is_some_and(|express| express.hot_plug);
    let ports = || topology.functions().iter().filter(|function| function.is_bridge());
    let taken =
        ports().filter(hot_plug).filter(|port| !named(port) && !topology.below(port.bdf).is_empty()).count();
    Ports {
        external: topology.functions().iter().filter(named).count() as u32,
        taken: taken as u32,
        unchecked: topology.ports_without_source_validation().count() as u32,
        devices: match options.external {
            options::ExternalDevices::Allow => ExternalDevices::LetIn,
            options::ExternalDevices::Deny => ExternalDevices::Blocked,
        },
    }
}

/// What holds now. Takes no lock that may be held.
pub fn now() -> Verdict {
    Verdict::of(&facts())
}

fn facts() -> Facts {
    let units = iommu::units();
    let mut given_up = GivenUp::default();
    protection::visit(|shortfall| given_up.note(shortfall));
    let held = devices::all().iter().filter(|record| record.role == Role::Endpoint).count();
    let facts =
        Facts { maker: maker(), devices: held as u32, given_up, drill: attack::totals(), ..Facts::default() };
    let Some(noted) = NOTED.get() else { return facts };
    Facts {
        table: noted.table,
        units: Units {
            named: units.len() as u32,
            enforcing: units.iter().filter(|unit| unit.is_enforcing()).count() as u32,
            hidden: noted.hidden,
        },
        interrupts: match iommu::interrupts::of_machine() {
            MachineInterrupts::Remapped => Interrupts::Remapped,
            MachineInterrupts::Partly => Interrupts::Partly,
            MachineInterrupts::Plain => noted.interrupts,
        },
        window: noted.window,
        ports: noted.ports,
        ..facts
    }
}

/// Writes the event, unless the same was written before. Allocates nothing; the stop asks too.
pub fn tell() {
    let verdict = now();
    let number = Number::of(&verdict);
    if TOLD.swap(number.0, Ordering::Relaxed) != number.0 {
        emit(&verdict);
    }
}

fn emit(verdict: &Verdict) {
    let words = verdict.checks.each_ref().map(|check| Text::<SENTENCE>::of(&check.sentence));
    let checks: ArrayVec<_, 6> =
        verdict.checks.iter().zip(&words).map(|(check, words)| line(check, words)).collect();
    let advice: ArrayVec<_, 6> = verdict.remedies().map(|remedy| Text::<SENTENCE>::of(&remedy)).collect();
    let advice: ArrayVec<report::Text<'_>, 6> = advice.iter().map(|text| text.as_str().into()).collect();
    journal::emit(&Event::Verdict(report::Verdict {
        t: clock::now_ns(),
        word: verdict.word.as_str().into(),
        checks: checks.as_slice().into(),
        advice: advice.as_slice().into(),
    }));
}

fn line<'a>(check: &Check, words: &'a Text<SENTENCE>) -> VerdictCheck<'a> {
    VerdictCheck {
        id: check.id.as_str().into(),
        result: match check.outcome {
            Outcome::Pass => VerdictResult::Pass,
            Outcome::Fail => VerdictResult::Fail,
            Outcome::Unknown => VerdictResult::Unknown,
        },
        evidence: check.evidence.as_str().into(),
        words: words.as_str().into(),
    }
}

/// Tells people: the word, every check with what it rests on, what to change.
pub fn show() {
    let verdict = now();
    println!("{}", verdict.word);
    println!("  {}", machine::name());
    for check in &verdict.checks {
        println!("  {check} [{}]", check.evidence.as_str());
    }
    verdict.remedies().for_each(|remedy| println!("  -> {remedy}"));
}

/// Says why there is no unit, and what helps on a machine like this.
pub fn tell_why_no_unit(mut tell: impl FnMut(fmt::Arguments<'_>)) {
    let [covered, ..] = now().checks;
    tell(format_args!("{}", covered.sentence));
    if let Some(remedy) = covered.remedy {
        tell(format_args!("{remedy}"));
    }
}

/// A text as a number (FNV-1a), to tell whether two are the same.
struct Number(u64);

impl Number {
    fn of(verdict: &Verdict) -> Self {
        let mut number = Self(0xcbf2_9ce4_8422_2325);
        // Writing to a number does not fail.
        let _ = number.write_str(verdict.word.as_str());
        for check in &verdict.checks {
            let _ = write!(number, "{check}");
        }
        number
    }
}

impl Write for Number {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
