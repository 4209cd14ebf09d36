//! The high-precision event timer, which firmware may have left running (IA-PC HPET "Register Definitions").

use core::fmt;

use mmio_regs::{ReadOnly, ReadWrite, Register, Registers, TypedAccess};

const CAPABILITIES: Register<u32, ReadOnly> = Register::new("GCAP_ID", 0x000);
const CONFIGURATION: Register<u32, ReadWrite> = Register::new("GEN_CONF", 0x010);

/// Bytes of the registers of as many timers as can be claimed.
pub const REGISTER_BYTES: usize = 0x500;
/// Where the registers of the first timer lie, and how far the next one's are.
const FIRST_TIMER: usize = 0x100;
const TIMER_BYTES: usize = 0x20;
/// In the general configuration: the counter counts.
const ENABLE: u32 = 1 << 0;
/// In the general configuration: timers take the place of the interval timer and the clock.
const LEGACY_REPLACEMENT: u32 = 1 << 1;
/// In a timer's configuration: it interrupts.
const INTERRUPT_ENABLE: u32 = 1 << 2;
/// In a timer's configuration: it does so by a message of its own.
const MESSAGE_ENABLE: u32 = 1 << 14;

/// What was found and done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How many timers there are.
    pub timers: u8,
    /// The counter was running.
    pub ran: bool,
    /// A bit for each timer that would have interrupted.
    pub armed: u32,
}

/// Why a timer is not believed to have fallen silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStopped {
    /// Nothing answers where it should be.
    Silent {
        /// What its capability register reads as.
        capabilities: u32,
    },
    /// It goes on.
    Stuck {
        /// Its general configuration.
        configuration: u32,
        /// A bit for each timer that still interrupts.
        armed: u32,
    },
}

impl fmt::Display for NotStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { capabilities } => {
                write!(f, "nothing answers there (capabilities {capabilities:#x})")
            }
            Self::Stuck { configuration, armed } => {
                write!(f, "it does not stop (configuration {configuration:#x}, timers {armed:#x})")
            }
        }
    }
}

impl core::error::Error for NotStopped {}

/// Stops the counter and every timer's interrupt.
///
/// # Errors
/// If there is no such timer, or it does not stop.
pub fn stop(registers: &impl Registers) -> Result<Stopped, NotStopped> {
    let capabilities = registers.get(CAPABILITIES);
    if capabilities == 0 || capabilities == u32::MAX {
        return Err(NotStopped::Silent { capabilities });
    }
    let timers = ((capabilities >> 8) as u8 & 0x1f).saturating_add(1);
    let found = registers.get(CONFIGURATION);
    registers.set(CONFIGURATION, found & !(ENABLE | LEGACY_REPLACEMENT));
    let armed = armed(registers, timers);
    for timer in (0..timers).filter(|timer| armed >> timer & 1 == 1) {
        let register = configuration_of(timer);
        registers.set(register, registers.get(register) & !(INTERRUPT_ENABLE | MESSAGE_ENABLE));
    }
    let (left, still) = (registers.get(CONFIGURATION), self::armed(registers, timers));
    if left & (ENABLE | LEGACY_REPLACEMENT) != 0 || still != 0 {
        return Err(NotStopped::Stuck { configuration: left, armed: still });
    }
    Ok(Stopped { timers, ran: found & ENABLE != 0, armed })
}

/// A bit for each timer that interrupts.
fn armed(registers: &impl Registers, timers: u8) -> u32 {
    let interrupts = |timer: &u8| registers.get(configuration_of(*timer)) & INTERRUPT_ENABLE != 0;
    (0..timers.min(32)).filter(interrupts).fold(0, |armed, timer| armed | 1 << timer)
}

const fn configuration_of(timer: u8) -> Register<u32, ReadWrite> {
    Register::new("TIMn_CONF", FIRST_TIMER.saturating_add(TIMER_BYTES.saturating_mul(timer as usize)))
}

#[cfg(test)]
mod tests;
