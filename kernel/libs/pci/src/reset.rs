//! What a function loses in a function-level reset, and how it gets it back.
//!
//! PCIe "Function Level Reset" leaves little: the windows' addresses, what the command register allows, message
//! and isolation controls are as after power-on. Drivers program their messages anew; the rest is kept here.

use core::fmt;

use dma_types::Bdf;

use crate::config::{Command, ConfigSpace, register};
use crate::control::{Transactions, start_function_reset, transactions};
use crate::express::{DEVICE_CONTROL, INITIATE_RESET};
use crate::function::Function;

/// Base address registers of an endpoint.
const BARS: usize = 6;

/// Settings of a function that a reset takes away, as they were read.
///
/// Only of an endpoint: no bridge is ever reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    bars: Option<[u32; BARS]>,
    /// Cache line size, latency timer.
    timing: u16,
    /// Interrupt line and pin.
    interrupt: u16,
    command: Command,
    device_control: Option<(u16, u16)>,
    acs: Option<(u16, u16)>,
}

impl Settings {
    /// Reads the settings of a function. Its windows are those that were found when they were checked: what it says
    /// of them later counts for nothing.
    pub fn read(config: &impl ConfigSpace, function: &Function) -> Self {
        let bdf = function.bdf;
        let at = |offset: u16| (offset, config.read16(bdf, offset));
        Self {
            bars: function.windows.registers(),
            timing: config.read16(bdf, register::CACHE_LINE),
            interrupt: config.read16(bdf, register::INTERRUPT_LINE),
            command: Command::from_bits_retain(config.read16(bdf, register::COMMAND)),
            device_control: function.express.map(|express| at(express.offset + DEVICE_CONTROL)),
            acs: function.acs.map(|acs| at(acs.control())),
        }
    }

    /// Writes them back: isolation controls first, the command register last, all of it without bus mastering,
    /// which whoever switched it off gives back.
    pub fn restore(&self, config: &impl ConfigSpace, function: Bdf) {
        if let Some((offset, control)) = self.acs {
            config.write16(function, offset, control);
        }
        if let Some((offset, control)) = self.device_control {
            config.write16(function, offset, control & !INITIATE_RESET);
        }
        for (bar, offset) in self.bars.into_iter().flatten().zip(bar_registers()) {
            config.write32(function, offset, bar);
        }
        config.write16(function, register::CACHE_LINE, self.timing);
        config.write16(function, register::INTERRUPT_LINE, self.interrupt);
        config.write16(function, register::COMMAND, self.command.difference(Command::BUS_MASTER).bits());
    }
}

fn bar_registers() -> impl Iterator<Item = u16> {
    (register::BAR0..).step_by(4).take(BARS)
}

/// Why a function is not reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It offers no reset of its own, and has nothing under way as far as it can tell.
    NotOffered,
    /// It offers none, and requests that it has begun do not end: when they do, they may find memory that is
    /// somebody's by then.
    Pending,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "the function offers no reset of its own",
            Self::Pending => {
                "requests that the function has begun do not end, and it offers no reset of its own"
            }
        })
    }
}

impl core::error::Error for Refused {}

/// Starts a function-level reset of a function whose bus mastering is off, and gives what it takes away. See
/// [`start_function_reset`] for the time that has to pass.
///
/// `under_way` is the answer after a wait as long as completions may take (PCIe "Function Level Reset": what is under
/// way then is never completed, and the reset ends it).
///
/// # Errors
/// [`Refused`].
pub fn start(
    config: &impl ConfigSpace,
    function: &Function,
    under_way: Transactions,
) -> Result<Settings, Refused> {
    let settings = Settings::read(config, function);
    match (start_function_reset(config, function), under_way) {
        (Ok(()), _) => Ok(settings),
        (Err(_), Transactions::Pending) => Err(Refused::Pending),
        (Err(_), Transactions::Done | Transactions::Unknown) => Err(Refused::NotOffered),
    }
}

/// Tells whether a function answers again after a reset (PCIe "Configuration Request Retry Status") and has forgotten
/// what was under way.
pub fn is_back(config: &impl ConfigSpace, function: &Function) -> bool {
    config.read16(function.bdf, register::VENDOR) == function.vendor
        && transactions(config, function) != Transactions::Pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Claims;
    use crate::testing::{FakeSpace, bdf};

    #[test]
    fn everything_but_bus_mastering_comes_back() {
        let at = bdf("00:05.0");
        let settings =
            [(0x04_u16, 0x0407_u16), (0x0c, 0x2010), (0x3c, 0x010b), (0x48, 0x2910), (0x106, 0x001d)];
        let space = FakeSpace::new().express_endpoint("00:05.0", 0x1b36, 0x10).acs("00:05.0", 0x001f);
        let space = space.with("00:05.0", |f| {
            let f = f.bar(0, 0xfea0_0004, 0xffff_c004).bar(1, 0x80, 0xffff_ffff);
            settings.iter().fold(f, |f, (offset, value)| f.set16(usize::from(*offset), *value))
        });
        let mut topology = space.enumerate();
        topology.check_windows(&space, &Claims::of_machine(48));
        let function = topology.get(at).unwrap();
        // What it says of its windows from now on is not asked.
        for offset in [0x10, 0x14] {
            space.write32(at, offset, 0);
        }
        let kept = Settings::read(&space, function);
        settings.iter().for_each(|(offset, _)| space.write16(at, *offset, 0));

        kept.restore(&space, at);
        assert_eq!((space.read32(at, 0x10), space.read32(at, 0x14)), (0xfea0_0004, 0x80));
        for (offset, value) in settings {
            let expected = if offset == 0x04 { value & !0x4 } else { value };
            assert_eq!(space.read16(at, offset), expected, "{offset:#x}");
        }
        assert!(is_back(&space, function));
        let writes = space.writes();
        assert!(writes.iter().all(|write| write.offset != 0x48 || write.value & 0x8000 == 0));
        assert_eq!(writes.last().map(|write| write.offset), Some(0x04), "windows before decoding");
    }
    #[test]
    fn what_does_not_end_is_reset_or_stays_out() {
        let (resets, pending) = (1 << 28, 0x0020);
        for (capabilities, under_way, expected) in [
            (resets, Transactions::Done, None),
            (resets, Transactions::Pending, None),
            (0, Transactions::Done, Some(Refused::NotOffered)),
            (0, Transactions::Unknown, Some(Refused::NotOffered)),
            (0, Transactions::Pending, Some(Refused::Pending)),
        ] {
            let space = FakeSpace::new()
                .express_endpoint("00:05.0", 0x1b36, 0x10)
                .with("00:05.0", |f| f.set32(0x44, capabilities).set16(0x4a, pending));
            let topology = space.enumerate();
            let function = topology.get(bdf("00:05.0")).unwrap();
            assert_eq!(start(&space, function, under_way).err(), expected, "{capabilities:#x} {under_way:?}");
            let was_reset =
                space.writes().iter().any(|write| write.offset == 0x48 && write.value & 0x8000 != 0);
            assert_eq!(was_reset, expected.is_none());
            // It answers, but not as after a reset.
            assert!(!is_back(&space, function));
            space.write16(function.bdf, 0x4a, 0);
            assert!(is_back(&space, function));
        }
    }
}
