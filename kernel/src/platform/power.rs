//! Switching the machine off, and starting it again.
//!
//! Both try one way after the other and never return: what the ACPI tables say, then what the emulator or
//! the chipset is known for, and in the end a halt with a line of text, or a processor that cannot go on.
//!
//! Documents: ACPI "PM1 Control Registers", "Legacy/ACPI Select and the SCI Interrupt", "Reset Register".
#![expect(unsafe_code, reason = "UNSAFETY: writes the I/O ports that switch the machine off or reset it")]

use acpi_tables::SoftOff;
use spin::Once;
use x86_64::instructions::interrupts;
use x86_64::instructions::port::Port;

use crate::arch::cpu;
use crate::platform::fw_cfg::FwCfg;

/// What the FADT and the `\_S5` object say. All registers are I/O ports; one that firmware puts elsewhere is
/// left out, and the next way is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct PowerRegisters {
    /// The PM1a control register.
    pub pm1a_control: Option<u16>,
    /// The PM1b control register, where the machine has two.
    pub pm1b_control: Option<u16>,
    /// What to write into them to switch the machine off.
    pub soft_off: Option<SoftOff>,
    /// How to ask firmware for the control registers, where it still owns them.
    pub acpi_enable: Option<PortWrite>,
    /// How to reset the machine.
    pub reset: Option<PortWrite>,
}

/// A byte that means something at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortWrite {
    /// The port.
    pub port: u16,
    /// The byte.
    pub value: u8,
}

/// PM1 control: the registers are ours (`SCI_EN`).
const ACPI_ENABLED: u16 = 1 << 0;
/// PM1 control: the sleep type, 3 bits.
const SLEEP_TYPE_SHIFT: u32 = 10;
const SLEEP_TYPE_MASK: u16 = 7 << SLEEP_TYPE_SHIFT;
/// PM1 control: go to sleep now (`SLP_EN`).
const SLEEP_NOW: u16 = 1 << 13;

/// The PM1a control register of QEMU's q35 machine, where its firmware sets it up.
const QEMU_PM1A_CONTROL: u16 = 0x604;
/// The sleep type that switches this machine off.
const QEMU_SOFT_OFF: u8 = 0;

/// The chipset's reset control register, and a full reset in two steps: choose, then go.
const RESET_CONTROL: u16 = 0xcf9;
const RESET_STEPS: [u8; 2] = [0x02, 0x06];

/// The keyboard controller's command port, and the command that pulses the processor's reset line.
const KEYBOARD_CONTROLLER: PortWrite = PortWrite { port: 0x64, value: 0xfe };

/// How often a register is read while the machine is given time to act; about a microsecond each.
const PATIENCE: usize = 200_000;

static REGISTERS: Once<PowerRegisters> = Once::new();

/// Takes what the tables say; before that, only the ways that need no table are tried.
pub fn init(registers: PowerRegisters) {
    REGISTERS.call_once(|| registers);
}

/// Switches the machine off; returns, with interrupts off, where software cannot.
pub fn power_off() {
    interrupts::disable();
    let registers = REGISTERS.get().copied().unwrap_or_default();
    soft_off(&registers);
    if FwCfg::detect().is_some() {
        write_control(QEMU_PM1A_CONTROL, QEMU_SOFT_OFF);
        wait(QEMU_PM1A_CONTROL);
    }
}

/// Starts the machine again.
pub fn reboot() -> ! {
    interrupts::disable();
    let reset = REGISTERS.get().and_then(|registers| registers.reset);
    let chipset = RESET_STEPS.map(|value| PortWrite { port: RESET_CONTROL, value });
    for step in reset.into_iter().chain(chipset).chain([KEYBOARD_CONTROLLER]) {
        write_byte(step);
        wait(step.port);
    }
    triple_fault()
}

/// Switches off as the tables say; returns if they do not, or if it does not work.
fn soft_off(registers: &PowerRegisters) {
    let (Some(pm1a), Some(soft_off)) = (registers.pm1a_control, registers.soft_off) else { return };
    if let Some(enable) = registers.acpi_enable
        && read_control(pm1a) & ACPI_ENABLED == 0
    {
        write_byte(enable);
        // Firmware that never answers may still listen to the registers.
        let _ = (0..PATIENCE).find(|_| read_control(pm1a) & ACPI_ENABLED != 0);
    }
    write_control(pm1a, soft_off.pm1a);
    if let Some(pm1b) = registers.pm1b_control {
        write_control(pm1b, soft_off.pm1b);
    }
    wait(pm1a);
}

/// Puts a sleep type into a control register, then the order to go to sleep, as the specification asks.
fn write_control(port: u16, sleep_type: u8) {
    let kept = read_control(port) & !(SLEEP_TYPE_MASK | SLEEP_NOW);
    let value = kept | u16::from(sleep_type) << SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK;
    for value in [value, value | SLEEP_NOW] {
        // SAFETY: by the tables, or on a machine known to be QEMU's, this is a PM1 control register; the
        // worst a wrong one can do to memory is nothing, since ports are not memory.
        unsafe { Port::new(port).write(value) };
    }
}

fn read_control(port: u16) -> u16 {
    // SAFETY: reading a control register has no effect.
    unsafe { Port::new(port).read() }
}

fn write_byte(write: PortWrite) {
    // SAFETY: the tables or the chipset give this byte at this port the meaning that the caller wants; the
    // caller never returns to code that a reset could harm.
    unsafe { Port::new(write.port).write(write.value) };
}

/// Gives the machine time to act on a write to a port.
fn wait(port: u16) {
    for _ in 0..PATIENCE {
        // SAFETY: reading the register that was just written has no effect.
        let _: u8 = unsafe { Port::new(port).read() };
    }
}

/// Leaves the processor without a way to handle an interrupt, and raises one.
fn triple_fault() -> ! {
    let no_table = x86_64::structures::DescriptorTablePointer { limit: 0, base: x86_64::VirtAddr::zero() };
    // SAFETY: interrupts are off, and the processor is to fail at the next exception.
    unsafe { x86_64::instructions::tables::lidt(&no_table) };
    interrupts::int3();
    cpu::halt_forever()
}
