//! The end after a DMA violation, an exception or a panic.
//!
//! First all bus mastering goes off; where a unit does not enforce, the bridges close as well. Then the report, the
//! serial line and the screen say what happened and what holds now, and the processor halts for good. Nothing here
//! allocates; no lock is waited for that interrupted code may hold.

mod lost;
mod misuse;
mod nmi;
mod violation;

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use ::exceptions::{CpuState, ExceptionReport, Vector};
use arrayvec::ArrayVec;
use report::{
    Bugcheck, DIGEST_BYTES, Digest, DrillResult, Event, Fault, Hex, List, Registers, Text, Violation,
};
use screen::{Field, Register, StopCode, StopText};
use verifier::Rule;

use crate::arch::cpu;
use crate::iommu::enforcement::{self, Lost};
use crate::irq::exceptions;
use crate::journal::{self, Ending};
use crate::platform::{clock, framebuffer, pci, serial};
use crate::text::Text as FixedText;
use crate::{attack, faults, protection, verdict};

/// The stop code of a processor exception, and its name.
const EXCEPTION: (u32, &str) = (0x7f, "UNEXPECTED_KERNEL_MODE_TRAP");
/// The stop code of a panic, and its name.
const PANIC: (u32, &str) = (0, "PANIC");

/// Registers that the screen shows; the report has all.
const SHOWN: [&str; 22] = [
    "rip", "rflags", "rsp", "rbp", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
    "r13", "r14", "r15", "cr0", "cr2", "cr3", "cr4",
];

static STOPPING: AtomicBool = AtomicBool::new(false);

/// Of what was given up, so much is shown; the report has all.
const SHORTFALLS_SHOWN: usize = 4;

/// What keeps devices from memory once the kernel has stopped.
#[derive(Clone, Copy)]
enum Hold {
    /// Every unit enforces what it did before.
    Units,
    /// Not every unit does, or there is none: only bus mastering, of functions and of bridges.
    Bridges,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The machine is halted. ")?;
        f.write_str(match self {
            Self::Units => {
                "Bus mastering is off, and every IOMMU unit still enforces: no device can reach memory that it was not \
                 given. It is safe to switch it off."
            }
            Self::Bridges => {
                "Bus mastering is off, on bridges too, but no IOMMU holds every device: one that does not obey may \
                 still reach memory. Switch it off."
            }
        })?;
        let (mut shown, mut result) = (0, Ok(()));
        protection::visit(|shortfall| {
            let link = if shown == 0 { " Given up before: " } else { "; " };
            if shown < SHORTFALLS_SHOWN && result.is_ok() {
                result = write!(f, "{link}{shortfall}");
            }
            shown += 1;
        });
        result?;
        match shown {
            0 => Ok(()),
            1..=SHORTFALLS_SHOWN => f.write_str("."),
            _ => write!(f, "; and {} more.", shown - SHORTFALLS_SHOWN),
        }
    }
}

/// What a stop says beyond code and parameters.
struct Story<'a> {
    code: (u32, &'static str),
    parameters: [u64; 4],
    headline: &'a dyn fmt::Display,
    fields: &'a [Field<'a>],
    fault: Option<Fault<'a>>,
    violation: Option<Violation<'a>>,
    detail: Option<&'a str>,
}

/// Stops for a violation whose fault has been reported.
///
/// An attack that was asked for is reported before the bug check.
pub fn violation(violation: &faults::Violation<'_>) -> ! {
    let hold = begin();
    if let Some(attack) = violation.expectation.and_then(attack::behind) {
        let result = if attack.look() == attack.before { DrillResult::Blocked } else { DrillResult::Leaked };
        attack.report(result, None);
    }
    violation::with_story(&violation.fault, violation.object, |story| tell(story, &violation.cpu, hold))
}

/// Stops for misuse of the DMA layer that has been reported; `name` is the device's.
pub fn misuse(violation: &Violation<'_>, rule: Rule, name: &str) -> ! {
    let hold = begin();
    misuse::with_story(violation, rule, name, |story| tell(story, &cpu::state_without_frame(), hold))
}

/// Stops because a unit does not enforce any more.
pub fn protection_lost(lost: &Lost) -> ! {
    let hold = begin();
    lost::with_story(lost, |story| tell(story, &cpu::state_without_frame(), hold))
}

/// Stops for an exception that nothing expected.
pub fn exception(report: &ExceptionReport) -> ! {
    // Who may have sent one is seen as long as devices master the bus.
    let nmi = (report.vector() == Vector::NMI).then(nmi::Suspicion::gather);
    let hold = begin();
    let frame = &report.state.frame;
    let sender = nmi.map(|suspicion| FixedText::<512>::of(&suspicion));
    let detail = match &sender {
        Some(sender) => FixedText::<4096>::of(&format_args!("{}: {sender}\n{report}", report.vector())),
        None => FixedText::of(report),
    };
    serial::write_now(format_args!("\n{report}\n"));
    let what = FixedText::<128>::of(&report.vector());
    let code = report.error_code().map(|code| FixedText::<256>::of(&code));
    let at = format_args!("{:#x}, kernel + {:#x}", frame.rip, frame.rip.wrapping_sub(report.image_base))
        .to_fixed();
    let none = "none";
    let mut fields = ArrayVec::<_, 5>::from_iter([
        Field { label: "exception", value: &what as &dyn fmt::Display },
        Field { label: "error code", value: code.as_ref().map_or(&none as &dyn fmt::Display, |code| code) },
        Field { label: "at", value: &at },
        Field { label: "stack", value: &report.stack },
    ]);
    fields.extend(sender.iter().map(|sender| Field { label: "sender", value: sender }));
    tell(
        &Story {
            code: EXCEPTION,
            parameters: [frame.vector, frame.error_code, frame.rip, report.state.control.cr2],
            headline: &"The kernel met an exception that it did not expect, and stopped.",
            fields: &fields,
            fault: None,
            violation: None,
            detail: Some(detail.as_str()),
        },
        &report.state,
        hold,
    )
}

/// Stops for a broken invariant of the kernel itself.
pub fn panic(message: &dyn fmt::Display) -> ! {
    let hold = begin();
    let detail = FixedText::<1024>::of(message);
    let fields = [Field { label: "panic", value: &detail }];
    tell(
        &Story {
            code: PANIC,
            parameters: [0; 4],
            headline: &"The kernel found itself in a state that must not be, and stopped.",
            fields: &fields,
            fault: None,
            violation: None,
            detail: Some(detail.as_str()),
        },
        &cpu::state_without_frame(),
        hold,
    )
}

/// Stills the machine, and tells what holds it. A second stop inside the first ends in a halt with a line of text.
fn begin() -> Hold {
    x86_64::instructions::interrupts::disable();
    if STOPPING.swap(true, Ordering::AcqRel) {
        exceptions::give_up(format_args!("stopped again"));
    }
    pci::all_bus_mastering_off();
    pci::stop_virtual_functions();
    if enforcement::everywhere() && protection::is_covered() {
        return Hold::Units;
    }
    pci::close_bridges();
    Hold::Bridges
}

/// Says what happened on every channel, and halts.
fn tell(story: &Story<'_>, cpu: &CpuState, hold: Hold) -> ! {
    let (code, name) = story.code;
    let [p1, p2, p3, p4] = story.parameters;
    let registers = cpu.registers().map(|(name, value)| (Text::Borrowed(name), Hex(value)));
    let stop = Bugcheck {
        t: clock::now_ns(),
        code: Hex(u64::from(code)),
        name: name.into(),
        p1: Hex(p1),
        p2: Hex(p2),
        p3: Hex(p3),
        p4: Hex(p4),
        cpu: Registers(List::Borrowed(&registers)),
        fault: story.fault.clone(),
        violation: story.violation.clone(),
        detail: story.detail.map(Into::into),
    };
    journal::emit(&Event::Bugcheck(stop.clone()));
    let digest = FixedText::<DIGEST_BYTES>::of(&Digest::of(env!("CARGO_PKG_VERSION"), &stop));
    let all = cpu.registers();
    let shown = SHOWN.map(|name| {
        let value = all.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value);
        Register { name, value }
    });
    let text = StopText {
        headline: story.headline,
        code: StopCode { code, parameters: story.parameters },
        name,
        fields: story.fields,
        registers: &shown,
        digest: digest.as_str(),
        closing: &hold,
    };
    serial::write_now(format_args!("\n{text}\n"));
    framebuffer::draw_stop_screen(&text);
    verdict::tell();
    journal::end(Ending::Stopped);
    cpu::halt_forever()
}

/// Text made on the stack.
trait ToFixed {
    fn to_fixed(self) -> FixedText<256>;
}

impl ToFixed for fmt::Arguments<'_> {
    fn to_fixed(self) -> FixedText<256> {
        FixedText::of(&self)
    }
}
