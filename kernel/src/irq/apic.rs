//! The local APIC: end of interrupt, local vectors, addresses for message-signalled interrupts.
//!
//! It starts in the mode that firmware left it in: through memory (xAPIC), or through model-specific
//! registers (x2APIC); the first is left for the second where that is safe. See SDM "Advanced Programmable Interrupt Controller (APIC)".
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes the APIC's model-specific registers")]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::interrupts::{ModeLock, Offer, Routing, Situation, Wish, choose};
use alloc::vec::Vec;
use dma_types::{ApicId, PhysAddr};
use exceptions::TrapFrame;
use spin::Once;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags};

use super::{APIC_ERROR_VECTOR, APIC_SPURIOUS_VECTOR, gate, vectors};
use crate::arch::cpu::{self, Features};
use crate::memory::mmio::{Mmio, MmioError};
use crate::sync::InterruptsOff;

pub use ::interrupts::ApicMode as Mode;

/// A register by its offset in the memory window; its number in x2APIC mode is 0x800 + offset / 16.
#[derive(Clone, Copy)]
pub(super) struct Register(u16);

impl Register {
    const ID: Self = Self(0x20);
    const VERSION: Self = Self(0x30);
    const TASK_PRIORITY: Self = Self(0x80);
    const END_OF_INTERRUPT: Self = Self(0xb0);
    const SPURIOUS: Self = Self(0xf0);
    /// The first of eight with a bit for each vector that is in service.
    const IN_SERVICE: Self = Self(0x100);
    /// The same for vectors that came and were not taken yet.
    const REQUESTED: Self = Self(0x200);
    const ERROR_STATUS: Self = Self(0x280);
    const LVT_CORRECTED_ERRORS: Self = Self(0x2f0);
    const LVT_THERMAL: Self = Self(0x330);
    const LVT_COUNTERS: Self = Self(0x340);
    const LVT_LINT0: Self = Self(0x350);
    const LVT_LINT1: Self = Self(0x360);
    const LVT_ERROR: Self = Self(0x370);
    pub(super) const LVT_TIMER: Self = Self(0x320);
    pub(super) const INITIAL_COUNT: Self = Self(0x380);
    pub(super) const CURRENT_COUNT: Self = Self(0x390);
    pub(super) const DIVIDE: Self = Self(0x3e0);
}

/// In a local vector table entry: no interrupt.
pub(super) const LVT_MASKED: u32 = 1 << 16;
/// In the spurious-interrupt register: the APIC works.
const SOFTWARE_ENABLE: u32 = 1 << 8;
/// In a local vector table entry: how it is delivered.
const DELIVERY: u32 = 7 << 8;
/// As a non-maskable interrupt.
const DELIVER_NMI: u32 = 4 << 8;
/// As a system management interrupt.
const DELIVER_SMI: u32 = 2 << 8;
/// The number of the local entry for corrected machine checks, counted from 0.
const ENTRY_OF_CORRECTED_ERRORS: u32 = 6;

/// Which further registers there are.
const ARCHITECTURAL_CAPABILITIES: u32 = 0x10a;
/// In it: there is [`XAPIC_DISABLE_STATUS`].
const HAS_XAPIC_DISABLE_STATUS: u64 = 1 << 21;
/// Whether x2APIC mode can be left.
const XAPIC_DISABLE_STATUS: u32 = 0xbd;
/// In it: it cannot.
const LEGACY_XAPIC_DISABLED: u64 = 1 << 0;

/// The way to the APIC's registers.
#[derive(Debug)]
struct Apic {
    /// Absent if firmware had left it in x2APIC mode.
    window: Option<Mmio>,
    x2apic: AtomicBool,
}

static APIC: Once<Apic> = Once::new();

/// Turns the local APIC on with everything masked but errors and NMI, and ends what firmware left in service.
///
/// # Errors
/// If its registers cannot be mapped.
pub fn start() -> Result<(), MmioError> {
    let (frame, flags) = ApicBase::read();
    let mode = if flags.contains(ApicBaseFlags::X2APIC_ENABLE) { Mode::X2Apic } else { Mode::XApic };
    let window = match mode {
        Mode::X2Apic => None,
        Mode::XApic => Some(Mmio::of_platform(PhysAddr::new(frame.start_address().as_u64()), 0x1000)?),
    };
    if !flags.contains(ApicBaseFlags::LAPIC_ENABLE) {
        // SAFETY: turns the APIC on where it lies; nothing else of the register changes.
        unsafe { ApicBase::write(frame, flags | ApicBaseFlags::LAPIC_ENABLE) };
    }
    APIC.call_once(|| Apic { window, x2apic: AtomicBool::new(mode == Mode::X2Apic) });
    for entry in [Register::LVT_TIMER, Register::LVT_COUNTERS, Register::LVT_LINT0] {
        write(entry, LVT_MASKED);
    }
    mask_unless_firmwares(Register::LVT_THERMAL);
    if read(Register::VERSION) >> 16 & 0xff >= ENTRY_OF_CORRECTED_ERRORS {
        mask_unless_firmwares(Register::LVT_CORRECTED_ERRORS);
    }
    write(Register::LVT_LINT1, DELIVER_NMI);
    write(Register::LVT_ERROR, u32::from(APIC_ERROR_VECTOR));
    write(Register::TASK_PRIORITY, 0);
    write(Register::SPURIOUS, SOFTWARE_ENABLE | u32::from(APIC_SPURIOUS_VECTOR));
    vectors::register(APIC_ERROR_VECTOR, on_error);
    end_what_is_in_service();
    Ok(())
}

/// Masks a local entry that firmware may have given to its system management, which has it then.
fn mask_unless_firmwares(entry: Register) {
    if read(entry) & DELIVERY != DELIVER_SMI {
        write(entry, LVT_MASKED);
    }
}

/// Ends interrupts that were never ended: one would hold back all of its priority and below.
fn end_what_is_in_service() {
    for _ in 0..=u8::MAX {
        if vectors_in(Register::IN_SERVICE).next().is_none() {
            return;
        }
        end_of_interrupt();
    }
}

/// Vectors that came and were not taken yet.
pub(super) fn pending() -> Vec<u8> {
    vectors_in(Register::REQUESTED).collect()
}

/// The vectors whose bits are set in one of the APIC's three sets of eight registers.
fn vectors_in(Register(first): Register) -> impl Iterator<Item = u8> {
    let words = (0..8_u16).map(move |word| (word, read(Register(first + word * 0x10))));
    words.filter(|(_, bits)| *bits != 0).flat_map(|(word, bits)| {
        (0..32_u16).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| (word * 32 + bit) as u8)
    })
}

/// Goes over to x2APIC mode where that is safe, and says which mode is used and why. To be called once, before any message
/// is made that names this processor.
pub fn settle(wish: Wish, routing: Routing) {
    let Some(found) = mode() else { return };
    let offer = if cpu::has(Features::X2APIC) { Offer::Both } else { Offer::XApicAlone };
    let routing = match routing {
        Routing::Unremapped if cpu::has(Features::HYPERVISOR) => Routing::Hypervisor,
        routing => routing,
    };
    let choice = choose(Situation { found, lock: lock(found), offer, wish, routing });
    if found != choice.mode {
        switch_to_x2apic();
    }
    log::info!("local APIC {} in {} mode: {}", id(), choice.mode, choice.reason);
}

/// Whether firmware locked x2APIC mode (SDM "IA32_ARCH_CAPABILITIES", "IA32_XAPIC_DISABLE_STATUS").
fn lock(found: Mode) -> ModeLock {
    if found == Mode::XApic || !cpu::has(Features::ARCHITECTURAL_CAPABILITIES) {
        return ModeLock::Free;
    }
    // SAFETY: CPUID says that the processor has the register.
    let capabilities = unsafe { cpu::read_msr(ARCHITECTURAL_CAPABILITIES) };
    if capabilities & HAS_XAPIC_DISABLE_STATUS == 0 {
        return ModeLock::Free;
    }
    // SAFETY: the capabilities say that the processor has the register.
    let status = unsafe { cpu::read_msr(XAPIC_DISABLE_STATUS) };
    if status & LEGACY_XAPIC_DISABLED == 0 { ModeLock::Free } else { ModeLock::Locked }
}

/// Goes over to x2APIC mode, which the processor has, for good; what was set up stays (SDM "x2APIC State Transitions").
fn switch_to_x2apic() {
    let Some(apic) = APIC.get() else { return };
    // Each processor has an APIC of its own: a handler of this one's must not use it in between.
    let _off = InterruptsOff::new();
    let (frame, flags) = ApicBase::read();
    // SAFETY: the processor has the mode, and every access from here goes by model-specific registers.
    unsafe { ApicBase::write(frame, flags | ApicBaseFlags::X2APIC_ENABLE) };
    apic.x2apic.store(true, Ordering::Release);
}

/// The mode that the hardware says it is in; `None` if there is no local APIC.
pub fn mode() -> Option<Mode> {
    APIC.get()?;
    let x2apic = ApicBase::read().1.contains(ApicBaseFlags::X2APIC_ENABLE);
    Some(if x2apic { Mode::X2Apic } else { Mode::XApic })
}

/// Ends the interrupt that is being handled.
pub fn end_of_interrupt() {
    write(Register::END_OF_INTERRUPT, 0);
}

/// Tells whether an interrupt or a message with this vector is being handled: an exception never is, nor a withdrawn
/// interrupt.
pub fn is_in_service(vector: u8) -> bool {
    let Register(first) = Register::IN_SERVICE;
    read(Register(first + u16::from(vector / 32) * 0x10)) & 1 << (vector % 32) != 0
}

/// Lets no interrupt in whose vector's class is this one's or lower (SDM "Task Priority Register").
pub(super) fn hold_back(highest: u8) {
    write(Register::TASK_PRIORITY, u32::from(highest));
}

/// Lets every interrupt in.
pub(super) fn let_all_in() {
    write(Register::TASK_PRIORITY, 0);
}

/// The id of this processor's APIC.
pub fn id() -> ApicId {
    ApicId(match APIC.get().map(Apic::window) {
        Some(Some(_)) => read(Register::ID) >> 24,
        Some(None) => read(Register::ID),
        None => 0,
    })
}

/// Reads a register; 0 while there is no APIC.
pub(super) fn read(register: Register) -> u32 {
    match APIC.get().map(Apic::window) {
        Some(Some(window)) => window.read32(usize::from(register.0)),
        // SAFETY: the register exists in x2APIC mode, which is on.
        Some(None) => unsafe { cpu::read_msr(msr(register)) as u32 },
        None => 0,
    }
}

/// Writes a register; does nothing while there is no APIC.
pub(super) fn write(register: Register, value: u32) {
    match APIC.get().map(Apic::window) {
        Some(Some(window)) => window.write32(usize::from(register.0), value),
        // SAFETY: the register exists in x2APIC mode, which is on, and concerns interrupts only.
        Some(None) => unsafe { cpu::write_msr(msr(register), u64::from(value)) },
        None => {}
    }
}

/// Tells whether there is a local APIC to talk to.
pub(super) fn is_present() -> bool {
    APIC.get().is_some()
}

impl Apic {
    /// The registers in memory; `None` in x2APIC mode, where they are model-specific ones.
    fn window(&self) -> Option<&Mmio> {
        if self.x2apic.load(Ordering::Acquire) { None } else { self.window.as_ref() }
    }
}

const fn msr(register: Register) -> u32 {
    0x800 + (register.0 >> 4) as u32
}

/// Errors that are said one by one; a device may cause them at will.
const ERRORS_TOLD: u64 = 4;

/// Notes errors of the APIC; the register must be written before it is read.
fn on_error(_frame: &TrapFrame) {
    static ERRORS: AtomicU64 = AtomicU64::new(0);
    write(Register::ERROR_STATUS, 0);
    let status = read(Register::ERROR_STATUS);
    let before = ERRORS.fetch_add(1, Ordering::Relaxed);
    gate::note_unwanted();
    if before < ERRORS_TOLD {
        log::warn!("local APIC error {status:#x}: a device may have sent a message with a vector below 16");
    } else if (before + 1).is_power_of_two() {
        log::warn!("{} local APIC errors so far, the latest {status:#x}", before + 1);
    }
}
