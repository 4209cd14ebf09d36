//! The controller as a whole: reset, bring-up, link, interrupts.

use core::fmt;

use dma_types::Iova;
use mmio_regs::{Clock, Registers, TypedAccess};

use crate::loopback;
use crate::ring::RingSize;
use crate::spec::address::MacAddress;
use crate::spec::control::{Control, NvmControl, Status};
use crate::spec::interrupt::{Causes, VectorAllocation};
use crate::spec::receive::{FilterControl, ReceiveControl};
use crate::spec::registers::{self as register, MULTICAST_WORDS};
use crate::spec::transmit::{InterPacketGap, TransmitControl, TransmitDescriptorControl};

/// Longest wait for requests under way to end before a reset; it takes place in any case.
const DRAIN_NS: u64 = 100_000_000;

/// Longest wait for a reset and for what it loads from the NVM; the NVM takes some 10 ms.
const RESET_NS: u64 = 200_000_000;

/// A controller behind its register window.
#[derive(Clone, Debug)]
pub struct Controller<R> {
    registers: R,
}

/// What the controller is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Frames go out, and those for this address or for all come in. Receive buffers have
    /// [`Mode::NETWORK_BUFFER`] bytes.
    Network(MacAddress),
    /// Frames come back and never get out; see [`loopback`]. Nothing interrupts.
    Loopback,
}

impl Mode {
    /// Bytes that the controller may write to one receive buffer of the network.
    pub const NETWORK_BUFFER: usize = 2048;
}

/// Where a ring lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPlace {
    /// Its first descriptor.
    pub base: Iova,
    /// How many.
    pub size: RingSize,
}

/// Why a controller does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControllerError {
    /// The window reads as all ones.
    Absent,
    /// A reset did not end in time.
    Reset {
        /// CTRL as last read.
        control: u32,
        /// EECD as last read.
        nvm: u32,
    },
    /// The NVM holds no station's address.
    Address(MacAddress),
}

impl<R: Registers> Controller<R> {
    /// Takes a register window.
    pub const fn new(registers: R) -> Self {
        Self { registers }
    }

    /// Stops and resets the controller (82574 "Master Disable", "Reset Operation"). Afterwards it does
    /// nothing, and knows no memory.
    ///
    /// # Errors
    /// If it does not come out of the reset in time.
    pub fn reset(&self, clock: &impl Clock) -> Result<(), ControllerError> {
        if self.registers.get(register::STATUS) == Status::ABSENT {
            return Err(ControllerError::Absent);
        }
        self.quiesce();
        let control = self.registers.get(register::CTRL);
        self.registers.set(register::CTRL, control | Control::MASTER_DISABLE);
        let drained = || !self.registers.get(register::STATUS).contains(Status::MASTER_ENABLED);
        // One that does not come to rest is reset all the same: the reset ends its requests.
        wait(DRAIN_NS, clock, drained);
        self.registers.set(register::CTRL, control | Control::RESET);
        let done = || {
            !self.registers.get(register::CTRL).contains(Control::RESET)
                && self.registers.get(register::EECD).contains(NvmControl::AUTO_READ_DONE)
        };
        if !wait(RESET_NS, clock, done) {
            let (control, nvm) = (self.registers.get(register::CTRL), self.registers.get(register::EECD));
            return Err(ControllerError::Reset { control: control.bits(), nvm: nvm.bits() });
        }
        self.quiesce();
        Ok(())
    }

    /// Stops interrupts, receiving and sending.
    fn quiesce(&self) {
        self.registers.set(register::IMC, Causes::EVERY);
        self.registers.set(register::RCTL, ReceiveControl::empty());
        self.registers.set(register::TCTL, TransmitControl::empty());
        self.acknowledge();
    }

    /// The address that the NVM gave it.
    ///
    /// # Errors
    /// If that is no station's.
    pub fn address(&self) -> Result<MacAddress, ControllerError> {
        let address =
            MacAddress::from_registers(self.registers.get(register::RAL), self.registers.get(register::RAH));
        if address.is_station() { Ok(address) } else { Err(ControllerError::Address(address)) }
    }

    /// Brings a controller up that was [`reset`](Self::reset) (82574 "Initialization Sequence"). Both rings
    /// begin empty, at slot 0; [`offer`](Self::offer) and [`send`](Self::send) hand slots over.
    pub fn bring_up(&self, mode: Mode, receive: RingPlace, transmit: RingPlace) {
        let forced = Control::FORCE_SPEED | Control::FORCE_DUPLEX;
        let unwanted = forced
            | Control::MASTER_DISABLE
            | Control::RESET
            | Control::RECEIVE_FLOW_CONTROL
            | Control::TRANSMIT_FLOW_CONTROL
            | Control::VLAN_MODE;
        let speed = match mode {
            Mode::Network(_) => Control::empty(),
            // What the PHY finds on the wire does not matter then.
            Mode::Loopback => forced | Control::SPEED_1000,
        };
        let control = self.registers.get(register::CTRL).difference(unwanted);
        self.registers.set(register::CTRL, control | speed | Control::SET_LINK_UP | Control::FULL_DUPLEX);
        self.bring_up_receiver(mode, receive);
        self.bring_up_transmitter(transmit);
        if let Mode::Network(_) = mode {
            self.registers.set(register::IVAR, VectorAllocation::ALL_TO_VECTOR_0);
            self.registers.set(register::IMS, Causes::WANTED);
        }
    }

    /// 82574 "Receive Initialization".
    fn bring_up_receiver(&self, mode: Mode, ring: RingPlace) {
        let (address, control) = match mode {
            Mode::Network(address) => (address, ReceiveControl::ACCEPT_BROADCAST),
            Mode::Loopback => {
                (loopback::ADDRESS, ReceiveControl::MAC_LOOPBACK | ReceiveControl::BUFFERS_OF_256)
            }
        };
        let (low, high) = address.into_registers();
        self.registers.set(register::RAL, low);
        self.registers.set(register::RAH, high);
        (0..MULTICAST_WORDS).for_each(|word| self.registers.set(register::mta(word), 0));
        self.registers.set(register::MRQC, 0);
        let filter = self.registers.get(register::RFCTL).difference(FilterControl::EXTENDED_DESCRIPTORS);
        self.registers.set(register::RFCTL, filter);
        self.registers.set(register::RDBAL, ring.base.as_u64() as u32);
        self.registers.set(register::RDBAH, (ring.base.as_u64() >> 32) as u32);
        self.registers.set(register::RDLEN, ring.size.bytes());
        self.registers.set(register::RDH, 0);
        self.registers.set(register::RDT, 0);
        self.registers.set(register::RCTL, control | ReceiveControl::ENABLE | ReceiveControl::STRIP_CRC);
    }

    /// 82574 "Transmit Initialization".
    fn bring_up_transmitter(&self, ring: RingPlace) {
        self.registers.set(register::TDBAL, ring.base.as_u64() as u32);
        self.registers.set(register::TDBAH, (ring.base.as_u64() >> 32) as u32);
        self.registers.set(register::TDLEN, ring.size.bytes());
        self.registers.set(register::TDH, 0);
        self.registers.set(register::TDT, 0);
        self.registers.set(register::TXDCTL, TransmitDescriptorControl::WRITE_BACK_EACH);
        self.registers.set(register::TIPG, InterPacketGap::RECOMMENDED);
        self.registers.set(register::TCTL, TransmitControl::all());
    }

    /// Hands receive slots over, up to the ring's tail. Their descriptors must be written.
    pub fn offer(&self, tail: u16) {
        self.registers.set(register::RDT, u32::from(tail));
    }

    /// Hands transmit slots over, up to the ring's tail. Their descriptors must be written.
    pub fn send(&self, tail: u16) {
        self.registers.set(register::TDT, u32::from(tail));
    }

    /// What the controller says of itself, the link above all.
    pub fn status(&self) -> Status {
        self.registers.get(register::STATUS)
    }

    /// Takes note of the causes that stand, so that they can interrupt anew. What they stand for must be
    /// looked at after this, not before.
    pub fn acknowledge(&self) -> Causes {
        let causes = self.registers.get(register::ICR);
        self.registers.clear(register::ICR, causes);
        causes
    }

    /// Raises an interrupt, as if the link had changed (82574 "Interrupt Cause Set Register").
    pub fn raise(&self) {
        self.registers.set(register::ICS, Causes::LINK_CHANGE);
    }
}

/// Waits for a condition; looks once more after the deadline, for a caller that was held up elsewhere.
fn wait(limit_ns: u64, clock: &impl Clock, condition: impl Fn() -> bool) -> bool {
    let start = clock.now_ns();
    while clock.now_ns().saturating_sub(start) < limit_ns {
        if condition() {
            return true;
        }
        clock.relax();
    }
    condition()
}

impl fmt::Display for ControllerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("the controller does not answer"),
            Self::Reset { control, nvm } => {
                write!(f, "the controller's reset did not end: control {control:#x}, nvm {nvm:#x}")
            }
            Self::Address(address) => write!(f, "{address} is no station's address"),
        }
    }
}

impl core::error::Error for ControllerError {}

#[cfg(test)]
mod tests;
