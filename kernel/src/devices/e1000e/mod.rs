//! The driver of Intel's 82574, a network card: frames in and out, each buffer the device's only while it
//! needs it.
//!
//! Receive buffers are mapped one by one, and unmapped before anybody looks at a frame; so a frame cannot
//! change once it was checked. What the device writes, descriptors above all, is judged by the library of the
//! same name. One that describes nonsense, sends nothing, or does not come out of a reset is cut off.

mod hardware;
mod overreach;
mod receive;
mod transmit;

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use dma_types::Iova;
use e1000e::spec::control::Status;
use e1000e::{Controller, IDS, MacAddress, Mode, RingSize, Stall, WINDOW};

use self::overreach::OwnParts;
use self::receive::ReceiveQueue;
use self::transmit::TransmitQueue;
use super::{
    DeviceRecord, Driver, Function, Kind, Link, Messages, Nic, NicError, Received, Settling, StartError,
    cut_off,
};
use crate::devices::Overreach;
use crate::dma::{self, PageBuffer};
use crate::memory::mmio::Mmio;
use crate::platform::clock::{Deadline, KernelClock};
use crate::sync::{Mutex, rank};

/// The driver.
pub const KIND: Kind = Kind { name: DRIVER, serves, start };

const DRIVER: &str = "e1000e";

/// Descriptors of each ring: as many buffers less one may be the device's at once.
const RING: RingSize = match RingSize::new(64) {
    Some(size) => size,
    None => panic!("the device has no ring of this size"),
};

/// Buffers that go to the device together while frames keep coming.
const BATCH: usize = 16;

/// Longest time for the first interrupt message to arrive.
const FIRST_MESSAGE: Duration = Duration::from_secs(5);

/// A controller at work.
struct E1000e {
    record: &'static DeviceRecord,
    controller: Controller<Mmio>,
    address: MacAddress,
    messages: Messages,
    /// Set while the first message is waited for.
    first_message: Mutex<Option<Deadline>, rank::Expectation>,
    state: Mutex<State, rank::Driver>,
    dma: dma::Device,
}

/// What changes while the driver works.
struct State {
    work: Work,
    receive: ReceiveQueue,
    transmit: TransmitQueue,
    own_parts: OwnParts,
}

/// What the controller does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// It sends and receives.
    Network,
    /// It moves bytes for an attack, until it is done or its time is over.
    Attack(Deadline),
    /// Nothing: it is cut off, or did not come up.
    Nothing,
}

fn serves(function: &pci::Function) -> bool {
    IDS.contains(&(function.vendor, function.device))
}

fn start(function: &Function) -> Result<Box<dyn Driver>, StartError> {
    let controller = Controller::new(function.window(0, WINDOW)?);
    // Before it may master the bus: firmware may have left it receiving.
    controller.reset(&KernelClock)?;
    let address = controller.address()?;
    let dma = function.claim(DRIVER, Iova::new(u64::MAX))?;
    let state = State {
        work: Work::Nothing,
        receive: ReceiveQueue::new(function.record(), &dma, RING)?,
        transmit: TransmitQueue::new(&dma, RING)?,
        own_parts: OwnParts::new(&dma)?,
    };
    let driver = E1000e {
        record: function.record(),
        controller,
        address,
        messages: function.messages()?,
        first_message: Mutex::new(None),
        state: Mutex::new(state),
        dma,
    };
    driver.begin_work(&mut driver.state.lock())?;
    driver.controller.raise();
    *driver.first_message.lock() = Some(Deadline::after(FIRST_MESSAGE));
    Ok(Box::new(driver))
}

impl E1000e {
    /// Brings a controller that was reset onto the network, with all buffers it can have.
    fn begin_work(&self, state: &mut State) -> Result<(), StartError> {
        state.transmit.rewind();
        state.receive.rewind();
        state.receive.fill(&self.dma);
        self.messages.program()?;
        let mode = Mode::Network(self.address);
        self.controller.bring_up(mode, state.receive.place(), state.transmit.place());
        self.controller.offer(state.receive.tail());
        state.work = Work::Network;
        Ok(())
    }

    /// Resets the controller, and puts it to work again if it may.
    fn start_again(&self, state: &mut State) -> Result<(), StartError> {
        state.work = Work::Nothing;
        self.controller.reset(&KernelClock)?;
        if self.dma.is_open() { self.begin_work(state) } else { Ok(()) }
    }

    /// The next good frame, with its buffer back from the device. Buffers without one are given to it anew.
    fn next_frame(&self) -> Option<(PageBuffer, usize)> {
        let mut state = self.state.lock();
        self.end_overdue_attack(&mut state);
        if state.work != Work::Network || !self.dma.is_open() {
            return None;
        }
        state.transmit.reclaim();
        self.end_stall(&mut state);
        let frame = match state.receive.next_frame() {
            Ok(None) => {
                // What came before the causes were cleared raises no further message, so it is looked for again.
                self.controller.acknowledge();
                state.receive.next_frame()
            }
            found => found,
        };
        let frame = frame.unwrap_or_else(|nonsense| {
            self.give_up(&mut state, &nonsense);
            None
        });
        if frame.is_none() {
            self.refill(&mut state);
        }
        frame
    }

    /// Resets a controller that has a link and sends nothing, or gives it up.
    fn end_stall(&self, state: &mut State) {
        if state.work != Work::Network || !state.transmit.is_stalled() || self.link() == Link::Down {
            return;
        }
        match state.transmit.note_stall() {
            Stall::Reset => {
                log::warn!("{}: it sends nothing although there is a link, and is reset", self.record);
                if let Err(error) = self.start_again(state) {
                    self.give_up(state, &error);
                }
            }
            Stall::GiveUp => self.give_up(state, &"it sends nothing, not even after a reset"),
        }
    }

    /// Cuts off a controller that cannot be worked with; `release` gives it another chance.
    fn give_up(&self, state: &mut State, why: &dyn fmt::Display) {
        state.work = Work::Nothing;
        log::error!("{}: {why}; it is given up and cut off", self.record);
        cut_off(self.record);
    }

    /// Gives the device the buffers that it can have.
    fn refill(&self, state: &mut State) {
        if state.work == Work::Network && state.receive.fill(&self.dma) {
            self.controller.offer(state.receive.tail());
        }
    }
}

impl Driver for E1000e {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn overreach(&self) -> Option<&dyn Overreach> {
        Some(self)
    }

    fn nic(&self) -> Option<&dyn Nic> {
        Some(self)
    }

    /// Checks that the interrupt message arrives. Without it frames wait until somebody looks for them.
    fn settle(&self) -> Settling {
        let mut first_message = self.first_message.lock();
        let Some(deadline) = *first_message else { return Settling::Done };
        let arrived = self.messages.arrived() > 0;
        if !arrived && !deadline.expired() {
            return Settling::Going;
        }
        *first_message = None;
        let (address, status) = (self.address, self.controller.status());
        match self.link() {
            Link::Up => log::info!("{}: {address}, link up at {} Mb/s", self.record, status.megabits()),
            Link::Down => log::info!("{}: {address}, no link", self.record),
        }
        if arrived {
            log::info!("{}: its interrupt message arrives", self.record);
        } else {
            log::warn!("{}: its interrupt message does not arrive, so frames wait for a look", self.record);
        }
        Settling::Done
    }

    /// The device reaches nothing any more, so nothing has to be taken from it; [`restart`](Self::restart)
    /// does.
    fn cut_off(&self) {
        self.state.lock().work = Work::Nothing;
    }

    fn restart(&self) -> Result<(), StartError> {
        self.start_again(&mut self.state.lock())
    }
}

impl Nic for E1000e {
    fn address(&self) -> [u8; 6] {
        self.address.0
    }

    fn link(&self) -> Link {
        let status = self.controller.status();
        let up = status != Status::ABSENT && status.contains(Status::LINK_UP);
        if up { Link::Up } else { Link::Down }
    }

    fn receive(&self, take: &mut dyn FnMut(&[u8])) -> Received {
        let Some((buffer, length)) = self.next_frame() else { return Received::Nothing };
        // Without the lock, since the taker may well send an answer.
        take(buffer.bytes().get(..length).unwrap_or_default());
        let mut state = self.state.lock();
        if state.receive.put_back(buffer) >= BATCH {
            self.refill(&mut state);
        }
        Received::Frame
    }

    fn send(&self, frame: &[u8]) -> Result<(), NicError> {
        let mut state = self.state.lock();
        self.end_overdue_attack(&mut state);
        self.end_stall(&mut state);
        match state.work {
            Work::Network if self.dma.is_open() => {}
            Work::Attack(_) => return Err(NicError::Busy),
            Work::Network | Work::Nothing => return Err(NicError::CutOff),
        }
        let tail = state.transmit.send(&self.dma, frame)?;
        self.controller.send(tail);
        Ok(())
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }
}
