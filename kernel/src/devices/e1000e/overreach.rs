//! The controller as one that can be told to overreach: in loopback it copies from any address to any other.
//!
//! Nothing gets out meanwhile and nothing gets in. Every transfer begins with a reset and ends with one, so
//! what a blocked request leaves behind does not last.

use core::time::Duration;

use dma_types::{Access, Iova};
use e1000e::Mode;
use e1000e::loopback::{self, FIRST_PART, SLOTS, Transfer};
use e1000e::spec::receive::ReceiveDescriptor;

use super::{E1000e, State, Work};
use crate::devices::{DeviceRecord, Overreach};
use crate::dma::{self, Both, DmaError, Shared};
use crate::platform::clock::{Deadline, KernelClock};
use ::attack::{Progress, Skill, StartRefused};

/// Bytes of one transfer.
const BYTES: u16 = 64;

/// Longest time for one; a frame that cannot be read never comes back.
const TRANSFER: Duration = Duration::from_millis(20);

/// Memory for transfers: the parts of a frame that are not at the address in question.
pub struct OwnParts {
    parts: Shared<[u8; FIRST_PART], Both>,
}

/// What lies where in [`OwnParts`].
mod part {
    /// The first part of every frame.
    pub const FIRST: usize = 0;
    /// Where it arrives.
    pub const FIRST_ARRIVED: usize = 1;
    /// What stands for the device's own memory: what it read, and will write.
    pub const HELD: usize = 2;
    /// How many.
    pub const COUNT: usize = 3;
}

impl OwnParts {
    /// Sets memory aside.
    pub fn new(dma: &dma::Device) -> Result<Self, DmaError> {
        let parts = dma.share(part::COUNT, "e1000e loopback")?;
        parts.write(part::FIRST, loopback::first_part());
        Ok(Self { parts })
    }

    /// A transfer between the device's own memory and an address.
    fn transfer(&self, access: Access, iova: Iova) -> Result<Transfer, StartRefused> {
        let held = self.parts.iova_of(part::HELD);
        let (from, to) = match access {
            Access::Read => (iova, held),
            Access::Write => (held, iova),
            other => return Err(StartRefused::Access(other)),
        };
        let first_part = self.parts.iova_of(part::FIRST);
        let first_buffer = self.parts.iova_of(part::FIRST_ARRIVED);
        Ok(Transfer { first_part, first_buffer, from, to, bytes: BYTES })
    }
}

impl E1000e {
    /// Lets a reset controller move bytes.
    fn begin_transfer(&self, state: &mut State, transfer: &Transfer) {
        let (receive, transmit) = (state.receive.descriptors(), state.transmit.descriptors());
        let pairs = transfer.receive().into_iter().zip(transfer.transmit());
        for (slot, (received, sent)) in pairs.enumerate() {
            receive.write(slot, received.0);
            transmit.write(slot, sent.0);
        }
        self.controller.bring_up(Mode::Loopback, state.receive.place(), state.transmit.place());
        self.controller.offer(SLOTS as u16);
        self.controller.send(SLOTS as u16);
    }

    /// Puts the controller back to work if an attack's time is over and nobody asked.
    pub(super) fn end_overdue_attack(&self, state: &mut State) {
        if let Work::Attack(deadline) = state.work
            && deadline.expired()
        {
            self.end_attack(state);
        }
    }

    fn end_attack(&self, state: &mut State) {
        if let Err(error) = self.start_again(state) {
            self.give_up(state, &error);
        }
    }
}

impl Overreach for E1000e {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn dma(&self) -> &dma::Device {
        &self.dma
    }

    fn skill(&self) -> Skill {
        Skill::Copies { bytes: u32::from(BYTES) }
    }

    fn start(&self, access: Access, iova: Iova) -> Result<(), StartRefused> {
        let mut state = self.state.lock();
        self.end_overdue_attack(&mut state);
        if matches!(state.work, Work::Attack(_)) {
            return Err(StartRefused::Busy);
        }
        let transfer = state.own_parts.transfer(access, iova)?;
        state.work = Work::Nothing;
        if let Err(error) = self.controller.reset(&KernelClock) {
            self.give_up(&mut state, &error);
            return Err(StartRefused::Dead);
        }
        self.begin_transfer(&mut state, &transfer);
        state.work = Work::Attack(Deadline::after(TRANSFER));
        Ok(())
    }

    /// As if its link had changed.
    fn interrupt(&self) -> Result<(), StartRefused> {
        let mut state = self.state.lock();
        self.end_overdue_attack(&mut state);
        match state.work {
            Work::Network => {
                self.controller.acknowledge();
                self.controller.raise();
                Ok(())
            }
            Work::Attack(_) => Err(StartRefused::Busy),
            Work::Nothing => Err(StartRefused::Dead),
        }
    }

    fn poll(&self) -> Progress {
        let mut state = self.state.lock();
        let Work::Attack(deadline) = state.work else { return Progress::Done };
        let last = ReceiveDescriptor(state.receive.descriptors().read(SLOTS - 1));
        if !loopback::has_arrived(last) && !deadline.expired() && self.dma.is_open() {
            return Progress::Busy;
        }
        self.end_attack(&mut state);
        Progress::Done
    }
}
