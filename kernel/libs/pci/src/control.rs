//! Switching one function: bus mastering, decoding, interrupts, reset.
//!
//! Nothing here allocates or waits, so the stop path may use it.

use crate::config::{Command, ConfigSpace, register, update_command};
use crate::express::{DEVICE_CONTROL, DEVICE_STATUS, INITIATE_RESET, NO_SNOOP_ENABLE, TRANSACTIONS_PENDING};
use crate::function::Function;
use core::fmt;
use dma_types::Bdf;

/// Advanced features: capabilities, PCI ECN "Advanced Capabilities": TP 0, FLR 1.
const AF_CAPABILITIES: u16 = 0x03;
/// Advanced features: control, initiate FLR 0; the status byte above it is read-only.
const AF_CONTROL: u16 = 0x04;
/// Advanced features: status, transactions pending 0.
const AF_STATUS: u16 = 0x05;

/// Whether a function may start requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusMaster {
    /// The function may make requests of its own.
    On,
    /// It may not: neither DMA nor message-signalled interrupts.
    Off,
}

/// Asks whether a function may start requests.
pub fn bus_master(config: &impl ConfigSpace, function: Bdf) -> BusMaster {
    let command = Command::from_bits_retain(config.read16(function, register::COMMAND));
    if command.contains(Command::BUS_MASTER) { BusMaster::On } else { BusMaster::Off }
}

/// Lets a function start requests or forbids it; gives what the function then says.
///
/// Some functions of chipsets cannot be switched off.
pub fn set_bus_master(config: &impl ConfigSpace, function: Bdf, to: BusMaster) -> BusMaster {
    match to {
        BusMaster::On => update_command(config, function, Command::BUS_MASTER, Command::empty()),
        BusMaster::Off => update_command(config, function, Command::empty(), Command::BUS_MASTER),
    }
    bus_master(config, function)
}

/// Whether a function answers accesses to its memory windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryDecode {
    /// The function answers at its windows.
    On,
    /// The function does not answer at its windows.
    Off,
}

/// Asks whether a function answers accesses to its memory windows.
pub fn memory_decode(config: &impl ConfigSpace, function: Bdf) -> MemoryDecode {
    let command = Command::from_bits_retain(config.read16(function, register::COMMAND));
    if command.contains(Command::MEMORY_SPACE) { MemoryDecode::On } else { MemoryDecode::Off }
}

/// Switches the answers to memory accesses.
pub fn set_memory_decode(config: &impl ConfigSpace, function: Bdf, to: MemoryDecode) {
    match to {
        MemoryDecode::On => update_command(config, function, Command::MEMORY_SPACE, Command::empty()),
        MemoryDecode::Off => update_command(config, function, Command::empty(), Command::MEMORY_SPACE),
    }
}

/// Whether a function may assert its interrupt pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinInterrupt {
    /// The function may raise its interrupt pin.
    Enabled,
    /// The function may not raise its interrupt pin.
    Disabled,
}

/// Switches the interrupt pin.
pub fn set_pin_interrupt(config: &impl ConfigSpace, function: Bdf, to: PinInterrupt) {
    match to {
        PinInterrupt::Enabled => update_command(config, function, Command::empty(), Command::INTX_DISABLE),
        PinInterrupt::Disabled => update_command(config, function, Command::INTX_DISABLE, Command::empty()),
    }
}

/// Whether requests of a function see what the processors' caches hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snooping {
    /// They do, as far as the function keeps to its settings.
    Always,
    /// It may ask that they do not.
    AsRequested,
}

/// Forbids a function to ask for requests that do not snoop; gives what it then says (PCIe "Device Control Register",
/// Enable No Snoop).
///
/// Such a request could read what memory held before it was zeroed, while the zeros are in a cache. To be called before
/// bus mastering goes on, where the unit cannot force snooping; a function-level reset done by [`crate::reset`] keeps
/// it.
pub fn forbid_no_snoop(config: &impl ConfigSpace, function: &Function) -> Snooping {
    // Conventional PCI has no such requests.
    let Some(express) = &function.express else { return Snooping::Always };
    let at = express.offset + DEVICE_CONTROL;
    let control = config.read16(function.bdf, at);
    if control & NO_SNOOP_ENABLE != 0 {
        config.write16(function.bdf, at, control & !(NO_SNOOP_ENABLE | INITIATE_RESET));
    }
    match config.read16(function.bdf, at) & NO_SNOOP_ENABLE {
        0 => Snooping::Always,
        _ => Snooping::AsRequested,
    }
}

/// What a function says of the requests that it has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transactions {
    /// Some are not completed.
    Pending,
    /// All requests that it had made are completed.
    Done,
    /// The function cannot tell.
    Unknown,
}

/// Asks whether requests of the function are under way (PCIe "Device Status Register").
///
/// Meaningful after bus mastering went off; posted writes are not covered.
pub fn transactions(config: &impl ConfigSpace, function: &Function) -> Transactions {
    let pending = if let Some(express) = &function.express {
        config.read16(function.bdf, express.offset + DEVICE_STATUS) & TRANSACTIONS_PENDING != 0
    } else if let Some(offset) = advanced_features(config, function, 1 << 0) {
        config.read8(function.bdf, offset + AF_STATUS) & 1 != 0
    } else {
        return Transactions::Unknown;
    };
    if pending { Transactions::Pending } else { Transactions::Done }
}

/// Whether whoever waits goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Whoever waits looks once more.
    Left,
    /// Whoever waits gives up.
    Ended,
}

/// Asks until no requests of the function are under way, or the patience of `pause`, which lets a while go by, has
/// ended. Gives the last answer; it is not asked again after that.
///
/// Bus mastering must be off.
pub fn drain(
    config: &impl ConfigSpace,
    function: &Function,
    mut pause: impl FnMut() -> Patience,
) -> Transactions {
    let mut patience = Patience::Left;
    loop {
        match transactions(config, function) {
            Transactions::Pending if patience == Patience::Left => patience = pause(),
            answer => return answer,
        }
    }
}

/// The function offers no reset of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFunctionReset;

impl fmt::Display for NoFunctionReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the function offers no function-level reset")
    }
}

impl core::error::Error for NoFunctionReset {}

/// Milliseconds that the function is left alone after [`start_function_reset`], PCIe "Function Level Reset".
pub const FUNCTION_RESET_MS: u64 = 100;

/// Starts a function-level reset.
///
/// Bus mastering must be off and [`transactions`] done. Afterwards the caller leaves the function alone for
/// [`FUNCTION_RESET_MS`]; then command register, interrupts and windows are as after power-on and have to
/// be set up again.
pub fn start_function_reset(config: &impl ConfigSpace, function: &Function) -> Result<(), NoFunctionReset> {
    match &function.express {
        Some(express) if express.function_level_reset => {
            let control = config.read16(function.bdf, express.offset + DEVICE_CONTROL);
            config.write16(function.bdf, express.offset + DEVICE_CONTROL, control | INITIATE_RESET);
            Ok(())
        }
        _ => {
            let offset = advanced_features(config, function, 1 << 1).ok_or(NoFunctionReset)?;
            config.write16(function.bdf, offset + AF_CONTROL, 1);
            Ok(())
        }
    }
}

/// The offset of the advanced features, if the function has this one.
fn advanced_features(config: &impl ConfigSpace, function: &Function, feature: u8) -> Option<u16> {
    let offset = function.advanced_features?;
    (config.read8(function.bdf, offset + AF_CAPABILITIES) & feature != 0).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};

    #[test]
    fn bus_mastering_changes_one_bit_and_never_writes_the_status() {
        let at = bdf("00:03.0");
        let space = FakeSpace::new()
            .endpoint("00:03.0", 0x1234, 0x11e8)
            .with("00:03.0", |f| f.set16(0x04, 0x0507).set16(0x06, 0xf910));
        assert_eq!(set_bus_master(&space, at, BusMaster::Off), BusMaster::Off);
        assert_eq!((space.read16(at, 4), space.read16(at, 6)), (0x0503, 0xf910));
        assert_eq!(set_bus_master(&space, at, BusMaster::On), BusMaster::On);
        assert_eq!((space.read16(at, 4), space.read16(at, 6)), (0x0507, 0xf910));
        let stuck = space.with("00:03.0", |f| f.read_only16(4, !0x0004));
        assert_eq!(set_bus_master(&stuck, at, BusMaster::Off), BusMaster::On);
        assert_eq!(set_bus_master(&stuck, bdf("00:04.0"), BusMaster::Off), BusMaster::On, "absent: all ones");
    }

    #[test]
    fn decoding_and_the_pin_are_switched_alone() {
        let at = bdf("00:03.0");
        let space = FakeSpace::new().endpoint("00:03.0", 0x1234, 0x11e8);
        set_memory_decode(&space, at, MemoryDecode::On);
        set_pin_interrupt(&space, at, PinInterrupt::Disabled);
        assert_eq!(space.read16(at, 4), 0x0402);
        assert_eq!(memory_decode(&space, at), MemoryDecode::On);
        set_memory_decode(&space, at, MemoryDecode::Off);
        set_pin_interrupt(&space, at, PinInterrupt::Enabled);
        assert_eq!(space.read16(at, 4), 0);
        assert_eq!(memory_decode(&space, at), MemoryDecode::Off);
    }

    #[test]
    fn no_snoop_is_forbidden_alone_and_what_keeps_it_says_so() {
        let space = FakeSpace::new()
            .express_endpoint("00:05.0", 0x1b36, 0x10)
            .with("00:05.0", |f| f.set16(0x48, 0xa910).set16(0x4a, 0x000f))
            .express_endpoint("00:06.0", 0x1b36, 0x10)
            .with("00:06.0", |f| f.set16(0x48, 0x2810).read_only16(0x48, !0x0800))
            .express_endpoint("00:07.0", 0x1b36, 0x10)
            .with("00:07.0", |f| f.set16(0x48, 0x2010))
            .endpoint("00:08.0", 0x1234, 0x11e8);
        let topology = space.enumerate();
        let forbid = |at| forbid_no_snoop(&space, topology.get(bdf(at)).unwrap());
        assert_eq!(forbid("00:05.0"), Snooping::Always);
        // Neither a reset is started nor an error bit cleared.
        assert_eq!((space.read16(bdf("00:05.0"), 0x48), space.read16(bdf("00:05.0"), 0x4a)), (0x2110, 0xf));
        assert_eq!(forbid("00:06.0"), Snooping::AsRequested);
        assert_eq!(forbid("00:07.0"), Snooping::Always);
        assert_eq!(space.read16(bdf("00:07.0"), 0x48), 0x2010);
        assert_eq!(forbid("00:08.0"), Snooping::Always);
    }

    #[test]
    fn what_never_ends_is_waited_for_no_longer_than_patience_lasts() {
        let space = FakeSpace::new()
            .express_endpoint("00:05.0", 0x1b36, 0x10)
            .with("00:05.0", |f| f.set16(0x4a, TRANSACTIONS_PENDING))
            .endpoint("00:07.0", 0x1234, 0x11e8);
        let topology = space.enumerate();
        let function = topology.get(bdf("00:05.0")).unwrap();
        let wait = |function: &Function, clears_after: usize| {
            let mut pauses = 0;
            let end = drain(&space, function, || {
                pauses += 1;
                if pauses == clears_after {
                    space.write16(function.bdf, 0x4a, 0);
                }
                if pauses == 5 { Patience::Ended } else { Patience::Left }
            });
            (end, pauses)
        };
        assert_eq!(wait(function, usize::MAX), (Transactions::Pending, 5));
        assert_eq!(wait(function, 3), (Transactions::Done, 3));
        assert_eq!(wait(function, 0), (Transactions::Done, 0), "already ended");
        assert_eq!(wait(topology.get(bdf("00:07.0")).unwrap(), 0), (Transactions::Unknown, 0));
    }

    #[test]
    fn the_last_moment_counts() {
        let space = FakeSpace::new()
            .express_endpoint("00:05.0", 0x1b36, 0x10)
            .with("00:05.0", |f| f.set16(0x4a, TRANSACTIONS_PENDING));
        let topology = space.enumerate();
        let function = topology.get(bdf("00:05.0")).unwrap();
        let end = drain(&space, function, || {
            space.write16(function.bdf, 0x4a, 0);
            Patience::Ended
        });
        assert_eq!(end, Transactions::Done);
    }

    #[test]
    fn pending_transactions_and_reset_use_what_the_function_has() {
        let space = FakeSpace::new()
            .express_endpoint("00:05.0", 0x1b36, 0x10)
            .with("00:05.0", |f| f.set32(0x44, 1 << 28).set16(0x48, 0x2810).set16(0x4a, 0x20))
            .endpoint("00:06.0", 0x8086, 1)
            .with("00:06.0", |f| f.set16(6, 0x10).set8(0x34, 0x50).set32(0x50, 0x0306_0013))
            .endpoint("00:07.0", 0x1234, 0x11e8);
        let topology = space.enumerate();
        let [express, advanced, neither] =
            ["00:05.0", "00:06.0", "00:07.0"].map(|at| topology.get(bdf(at)).unwrap());
        assert_eq!(transactions(&space, express), Transactions::Pending);
        assert_eq!(transactions(&space, advanced), Transactions::Done);
        assert_eq!(transactions(&space, neither), Transactions::Unknown);
        assert_eq!(start_function_reset(&space, express), Ok(()));
        assert_eq!(space.read16(express.bdf, 0x48), 0xa810);
        assert_eq!(start_function_reset(&space, advanced), Ok(()));
        assert_eq!(space.read16(advanced.bdf, 0x54), 1);
        assert_eq!(start_function_reset(&space, neither), Err(NoFunctionReset));
    }
}
