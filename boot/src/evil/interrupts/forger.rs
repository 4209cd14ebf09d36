//! The forging device, held by its socket, and the machine around it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vfio_device::{Device, DmaError, Port};

use super::SLOT;
use crate::Error;
use crate::evil::arena::Arena;
use crate::qemu::config_space;

/// In the control word of its messages: they are on (PCI "MSI-X Capability Structure").
const MSIX_ENABLE: u16 = 1 << 15;

/// A function's command register, and its bit for bus mastering.
const COMMAND: u64 = 4;
const BUS_MASTER: u32 = 1 << 2;

/// Messages between two looks at the machine.
const BATCH: usize = 64;

/// Longest time until QEMU has told the device of its interrupt.
const ENABLED_WITHIN: Duration = Duration::from_secs(5);

/// The device, the machine around it, and where in its configuration space its messages are switched on.
pub(super) struct Forger<'a> {
    pub(super) device: &'a Device,
    pub(super) arena: Arena,
    pub(super) capability: usize,
}

/// What became of some messages.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) refused: usize,
    /// Not made, since the device did not master the bus.
    pub(super) unmade: usize,
    /// Addresses and data of those that the device does not know to be refused.
    pub(super) taken: Vec<(u64, u32)>,
}

impl Forger<'_> {
    pub(super) fn port(&self) -> Port {
        self.device.port()
    }

    /// Writes messages, each as one request of the device's for four bytes. Those count that were made while the device
    /// mastered the bus: others are refused by QEMU before they reach the unit.
    pub(super) fn write(&mut self, messages: impl IntoIterator<Item = (u64, u32)>) -> Result<Sent, Error> {
        let (port, mut sent) = (self.port(), Sent::default());
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            self.arena.runs()?;
            self.arena.hold_bus_master(0, SLOT)?;
            let mut refused = 0;
            for (address, data) in messages.by_ref().take(BATCH) {
                match port.write(address, &data.to_le_bytes()) {
                    Ok(()) => sent.taken.push((address, data)),
                    Err(DmaError::Refused(_)) => refused += 1,
                    Err(error) => return Err(Error::Control(format!("the device's connection: {error}"))),
                }
            }
            if self.arena.outside.read32(config_space(0, SLOT, 0) + COMMAND)? & BUS_MASTER != 0 {
                sent.refused += refused;
            } else {
                sent.unmade += refused;
            }
        }
        Ok(sent)
    }

    /// How often each vector was raised, as the kernel says.
    pub(super) fn counts(&mut self) -> Result<BTreeMap<u32, (u64, String)>, Error> {
        Ok(counts(&self.arena.run_command("interrupts")?.unwrap_or_default()))
    }

    /// Programs the device's own message from outside, as its driver would, and has the device send it. Gives false where
    /// QEMU never let it send any.
    pub(super) fn send_own(&mut self, (address, data): (u64, u32)) -> Result<bool, Error> {
        self.arena.hold_bus_master(0, SLOT)?;
        let config = config_space(0, SLOT, 0);
        let window = u64::from(self.arena.outside.read32(config + 0x10)? & !0xf);
        let control = config + self.capability as u64 + 2;
        let outside = &mut self.arena.outside;
        outside.write64(window, address)?;
        outside.write32(window + 8, data)?;
        outside.write32(window + 12, 0)?;
        outside.write16(control, MSIX_ENABLE)?;
        let (port, since) = (self.port(), Instant::now());
        while port.enabled_interrupts() == 0 {
            if since.elapsed() > ENABLED_WITHIN {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let sent = port.raise(0).is_ok();
        // QEMU has taken it once it answers again.
        for _ in 0..2 {
            self.arena.outside.read32(config)?;
        }
        Ok(sent)
    }
}

impl Sent {
    /// All that were asked for.
    pub(super) fn tried(&self) -> usize {
        self.refused + self.unmade + self.taken.len()
    }
}

/// The lines of the console's table of vectors: how often each was raised, and whose it is.
pub(super) fn counts(said: &str) -> BTreeMap<u32, (u64, String)> {
    let line = |line: &str| {
        let (vector, rest) = line.trim().strip_prefix("vector 0x")?.split_once(": ")?;
        let (count, owner) = rest.split_once(' ')?;
        Some((u32::from_str_radix(vector, 16).ok()?, (count.parse().ok()?, owner.to_owned())))
    };
    said.lines().filter_map(line).collect()
}
