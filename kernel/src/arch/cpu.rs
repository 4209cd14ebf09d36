//! What the processor is and can do, and its registers.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: reads model-specific and debug registers and the time-stamp counter"
)]

use core::arch::x86_64::{__cpuid, __cpuid_count, _rdtsc, CpuidResult};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use bitflags::bitflags;
use exceptions::{ControlState, CpuState, TrapFrame};
use spin::Once;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr2, Cr3, Cr4, Cr4Flags};
use x86_64::registers::debug::{DebugAddressRegister, Dr0, Dr1, Dr2, Dr3, Dr6, Dr7};
use x86_64::registers::model_specific::{Efer, FsBase, GsBase, Msr};

bitflags! {
    /// Abilities that the kernel makes use of where they are there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u32 {
        /// Pages of 1 GiB.
        const PAGES_1G = 1 << 0;
        /// No execution of user pages in kernel mode.
        const SMEP = 1 << 1;
        /// No access to user pages in kernel mode.
        const SMAP = 1 << 2;
        /// No reading of descriptor tables in user mode.
        const UMIP = 1 << 3;
        /// Cache lines can be written back without ordering.
        const CLFLUSHOPT = 1 << 4;
        /// There is a hypervisor below.
        const HYPERVISOR = 1 << 5;
        /// Memory types can be chosen by page (page attribute table).
        const PAT = 1 << 6;
        /// Errors of the hardware raise an exception.
        const MACHINE_CHECK = 1 << 7;
        /// They are noted in banks of registers.
        const MACHINE_CHECK_BANKS = 1 << 8;
        /// The local APIC can be reached through model-specific registers.
        const X2APIC = 1 << 9;
        /// It draws random numbers.
        const RDRAND = 1 << 10;
        /// A register tells of abilities that CPUID has no room for.
        const ARCHITECTURAL_CAPABILITIES = 1 << 11;
    }
}

/// What CPUID says.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    vendor: [u8; 12],
    brand: [u8; 48],
    /// Abilities.
    pub features: Features,
    physical_bits: u8,
}

static IDENTITY: Once<Identity> = Once::new();

/// [`Features::CLFLUSHOPT`], once it has been asked for.
static FLUSHES_UNORDERED: AtomicBool = AtomicBool::new(false);

/// What CPUID says, asked once.
pub fn identity() -> &'static Identity {
    IDENTITY.call_once(Identity::read)
}

/// Bits of a physical address.
pub fn physical_address_bits() -> u8 {
    identity().physical_bits
}

/// Tells whether the processor has all of these abilities.
pub fn has(features: Features) -> bool {
    identity().features.contains(features)
}

/// Tells whether cache lines can be written back without ordering; cheap enough to ask each time.
#[inline]
pub fn flushes_unordered() -> bool {
    FLUSHES_UNORDERED.load(Ordering::Relaxed)
}

impl Identity {
    /// The maker, such as `GenuineIntel`.
    pub fn vendor(&self) -> &str {
        printable(&self.vendor)
    }

    /// The model as the maker calls it; empty where it is not told.
    pub fn brand(&self) -> &str {
        printable(&self.brand)
    }

    fn read() -> Self {
        let basic = __cpuid(0);
        let mut vendor = [0; 12];
        for (bytes, register) in vendor.chunks_exact_mut(4).zip([basic.ebx, basic.edx, basic.ecx]) {
            bytes.copy_from_slice(&register.to_le_bytes());
        }
        let one = __cpuid(1);
        Self {
            vendor,
            brand: read_brand(),
            features: read_features(&one),
            physical_bits: match extended(0x8000_0008) {
                Some(leaf) => leaf.eax as u8,
                None => 36,
            },
        }
    }
}

/// An extended leaf, if the processor has it.
fn extended(leaf: u32) -> Option<CpuidResult> {
    (__cpuid(0x8000_0000).eax >= leaf).then(|| __cpuid(leaf))
}

/// A basic leaf, if the processor has it.
pub(crate) fn basic(leaf: u32) -> Option<CpuidResult> {
    (__cpuid(0).eax >= leaf).then(|| __cpuid_count(leaf, 0))
}

/// A leaf of the hypervisor, if there is one and it has that leaf.
pub(crate) fn hypervisor(leaf: u32) -> Option<CpuidResult> {
    let maximum = __cpuid(0x4000_0000).eax;
    // A processor without that range repeats its highest basic leaf there.
    let plausible = (0x4000_0000..0x4001_0000).contains(&maximum) && maximum >= leaf;
    (has(Features::HYPERVISOR) && plausible).then(|| __cpuid(leaf))
}

fn read_brand() -> [u8; 48] {
    let mut brand = [0; 48];
    for (bytes, leaf) in brand.chunks_exact_mut(16).zip(0x8000_0002..) {
        let Some(CpuidResult { eax, ebx, ecx, edx }) = extended(leaf) else { break };
        for (bytes, register) in bytes.chunks_exact_mut(4).zip([eax, ebx, ecx, edx]) {
            bytes.copy_from_slice(&register.to_le_bytes());
        }
    }
    brand
}

/// Collects the bits of several leaves (SDM "CPUID—CPU Identification").
fn read_features(one: &CpuidResult) -> Features {
    let seven = basic(7);
    let (seven_ebx, seven_ecx, seven_edx) = seven.map_or((0, 0, 0), |leaf| (leaf.ebx, leaf.ecx, leaf.edx));
    let extended_edx = extended(0x8000_0001).map_or(0, |leaf| leaf.edx);
    let mut features = Features::empty();
    for (feature, register, bit) in [
        (Features::MACHINE_CHECK, one.edx, 7),
        (Features::MACHINE_CHECK_BANKS, one.edx, 14),
        (Features::PAT, one.edx, 16),
        (Features::X2APIC, one.ecx, 21),
        (Features::RDRAND, one.ecx, 30),
        (Features::HYPERVISOR, one.ecx, 31),
        (Features::SMEP, seven_ebx, 7),
        (Features::SMAP, seven_ebx, 20),
        (Features::CLFLUSHOPT, seven_ebx, 23),
        (Features::UMIP, seven_ecx, 2),
        (Features::ARCHITECTURAL_CAPABILITIES, seven_edx, 29),
        (Features::PAGES_1G, extended_edx, 26),
    ] {
        features.set(feature, register >> bit & 1 == 1);
    }
    FLUSHES_UNORDERED.store(features.contains(Features::CLFLUSHOPT), Ordering::Relaxed);
    features
}

/// Text up to the first zero byte, without blanks around it; empty if it is no UTF-8.
fn printable(bytes: &[u8]) -> &str {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or(&[]);
    core::str::from_utf8(text).unwrap_or("").trim()
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {} bits of physical address", self.vendor(), self.brand(), self.physical_bits)
    }
}

/// The time-stamp counter.
pub fn time_stamp() -> u64 {
    // SAFETY: reading the counter has no effect, and CR4.TSD does not apply to the kernel.
    unsafe { _rdtsc() }
}

/// Joins a saved frame with control, debug and model-specific registers. They are read, never written.
pub fn state(frame: &TrapFrame) -> CpuState {
    CpuState { frame: *frame, control: control_state() }
}

/// The registers of a frame that nothing saved: what a panic can say about the processor.
pub fn state_without_frame() -> CpuState {
    CpuState { frame: TrapFrame::default(), control: control_state() }
}

fn control_state() -> ControlState {
    let (table, flags) = Cr3::read_raw();
    ControlState {
        cr0: Cr0::read_raw(),
        cr2: Cr2::read_raw(),
        cr3: table.start_address().as_u64() | u64::from(flags),
        cr4: Cr4::read_raw(),
        efer: Efer::read_raw(),
        dr: [Dr0::read(), Dr1::read(), Dr2::read(), Dr3::read()],
        dr6: Dr6::read_raw(),
        dr7: Dr7::read_raw(),
        fs_base: FsBase::read().as_u64(),
        gs_base: GsBase::read().as_u64(),
    }
}

/// Reads an architectural model-specific register.
///
/// # Safety
/// The processor must have it: otherwise the read raises a general protection fault.
pub(crate) unsafe fn read_msr(number: u32) -> u64 {
    // SAFETY: the caller vouches for the register.
    unsafe { Msr::new(number).read() }
}

/// Writes a model-specific register.
///
/// # Safety
/// The processor must have it, and the value must keep what the kernel relies on.
pub(crate) unsafe fn write_msr(number: u32, value: u64) {
    let mut register = Msr::new(number);
    // SAFETY: the caller vouches for register and value.
    unsafe { register.write(value) }
}

/// Makes every floating-point and vector instruction fault, so that none goes unseen: entry stubs do not save
/// that state, and the kernel has no use for it (SDM "CR0", TS and MP).
pub fn forbid_floating_point() {
    // SAFETY: the kernel is compiled without such instructions.
    unsafe { Cr0::update(|flags| flags.insert(Cr0Flags::TASK_SWITCHED | Cr0Flags::MONITOR_COPROCESSOR)) };
}

/// Lets floating-point and vector instructions, and the exceptions that they may raise, through.
pub fn permit_floating_point() {
    // SAFETY: nothing holds floating-point state that could be mixed up.
    unsafe {
        Cr0::update(|flags| {
            flags.remove(Cr0Flags::TASK_SWITCHED | Cr0Flags::EMULATE_COPROCESSOR);
            flags.insert(Cr0Flags::NUMERIC_ERROR);
        });
    };
    // SAFETY: every 64-bit processor has both.
    unsafe { Cr4::update(|flags| flags.insert(Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE)) };
}

/// Lets no interrupt in on this processor from here.
pub fn interrupts_off() {
    x86_64::instructions::interrupts::disable();
}

/// Stops this processor for good.
pub fn halt_forever() -> ! {
    loop {
        interrupts_off();
        x86_64::instructions::hlt();
    }
}
