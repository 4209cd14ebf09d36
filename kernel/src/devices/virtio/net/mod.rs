//! The virtio network device: one pair of queues, no offloads, a page for each frame.

mod attack;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use ::virtio::net::{self, FRAME, HEADER};
use ::virtio::{NegotiationError, is_virtio};

use self::attack::Strike;
use super::VirtioError;
use super::chain::{Chain, Loan, Part};
use super::device::{VirtioDevice, Wishes};
use super::queue::{Finished, SIZE};
use crate::devices::{
    DeviceRecord, Driver, Function, Kind, Link, Messages, Nic, NicError, Overreach, Received, StartError,
};
use crate::dma::{self, DmaError, PageBuffer};
use crate::memory::arc::Arc;
use crate::sync::{Mutex, rank};

/// The driver.
pub const KIND: Kind = Kind { name: DRIVER, serves, start };

const DRIVER: &str = "virtio-net";

/// Pages that are kept for the next frames.
const SPARE: usize = SIZE;

/// Features that the driver can use.
const FEATURES: u64 = net::ADDRESS | net::STATUS | CONTROL;

/// Features that commands to the device need.
const CONTROL: u64 = net::CONTROL_QUEUE | net::CONTROL_ADDRESS;

/// The driver of one device.
struct NetDriver {
    record: &'static DeviceRecord,
    dma: Arc<dma::Device>,
    messages: Messages,
    address: [u8; 6],
    state: Mutex<State, rank::Driver>,
}

/// What changes.
struct State {
    device: VirtioDevice,
    strike: Option<Strike>,
    /// Pages that came back, for the next frames.
    spare: Vec<PageBuffer>,
}

fn serves(function: &pci::Function) -> bool {
    is_virtio(function) && net::DEVICES.contains(&function.device)
}

/// Without the commands there are the two queues of frames alone.
fn queues(features: u64) -> u16 {
    if features & CONTROL == CONTROL { 3 } else { 2 }
}

fn start(function: &Function) -> Result<Box<dyn Driver>, StartError> {
    let messages = function.messages()?;
    let wishes = Wishes { driver: DRIVER, features: FEATURES, queues };
    let (device, dma) = VirtioDevice::claim(function, wishes)?;
    let state = Mutex::new(State { device, strike: None, spare: Vec::new() });
    let mut driver = NetDriver { record: function.record(), dma, messages, address: [0; 6], state };
    driver.restart()?;
    driver.address = driver.state.get_mut().address()?;
    Ok(Box::new(driver))
}

impl Driver for NetDriver {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn overreach(&self) -> Option<&dyn Overreach> {
        let takes_commands = self.state.lock().device.features() & CONTROL == CONTROL;
        takes_commands.then_some(self)
    }

    fn nic(&self) -> Option<&dyn Nic> {
        Some(self)
    }

    fn cut_off(&self) {
        self.state.lock().stop();
    }

    fn restart(&self) -> Result<(), StartError> {
        self.messages.program()?;
        let mut state = self.state.lock();
        state.device.trust_again();
        Ok(state.restart(&self.dma)?)
    }
}

impl Nic for NetDriver {
    fn address(&self) -> [u8; 6] {
        self.address
    }

    fn link(&self) -> Link {
        let state = self.state.lock();
        if state.device.features() & net::STATUS == 0 {
            return Link::Up;
        }
        match state.device.transport().config::<u16>(net::CONFIG_STATUS) {
            Ok(status) if status & net::LINK_UP != 0 => Link::Up,
            Ok(_) | Err(_) => Link::Down,
        }
    }

    fn receive(&self, take: &mut dyn FnMut(&[u8])) -> Received {
        let Some((page, place)) = self.state.lock().arrived(&self.dma) else { return Received::Nothing };
        // Nothing is locked meanwhile: who takes a frame may answer it.
        take(&page.bytes()[place]);
        self.state.lock().keep(page);
        Received::Frame
    }

    fn send(&self, frame: &[u8]) -> Result<(), NicError> {
        if !FRAME.contains(&frame.len()) {
            return Err(NicError::Length(frame.len()));
        }
        if !self.dma.is_open() {
            return Err(NicError::CutOff);
        }
        let mut state = self.state.lock();
        if !state.device.works() {
            state.restart(&self.dma).map_err(|error| {
                log::warn!("{}: {error}", self.record);
                NicError::Broken
            })?;
        }
        state.take_sent();
        if state.device.room(net::SEND) == 0 {
            return Err(NicError::Busy);
        }
        let bytes = HEADER + frame.len();
        let mut page = state.page()?;
        page.bytes_mut()[..HEADER].fill(0);
        page.bytes_mut()[HEADER..bytes].copy_from_slice(frame);
        let part = Part::Read(Loan::new(&self.dma, page, bytes, "virtio-net frame to send")?);
        state.device.submit(net::SEND, Chain::from_iter([part])).map_err(|error| {
            log::warn!("{}: {error}", self.record);
            NicError::Broken
        })
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }
}

impl State {
    fn stop(&mut self) {
        self.strike = None;
        self.device.stop();
    }

    /// Starts the device, or starts it again, with buffers for frames.
    fn restart(&mut self, dma: &dma::Device) -> Result<(), VirtioError> {
        self.strike = None;
        self.device.restart()?;
        self.fill(dma);
        Ok(())
    }

    /// The device's address.
    fn address(&self) -> Result<[u8; 6], VirtioError> {
        if self.device.features() & net::ADDRESS == 0 {
            return Err(VirtioError::Negotiation(NegotiationError::Missing { features: net::ADDRESS }));
        }
        self.device.transport().config(net::CONFIG_ADDRESS)
    }

    /// Gives the device as many buffers for frames as it has room for, or memory allows.
    fn fill(&mut self, dma: &dma::Device) {
        while self.device.room(net::RECEIVE) > 0 {
            if let Err(error) = self.lend(dma) {
                log::warn!("{} gets no buffer for another frame: {error}", self.device.record());
                return;
            }
        }
    }

    fn lend(&mut self, dma: &dma::Device) -> Result<(), VirtioError> {
        let page = self.page()?;
        let part = Part::Written(Loan::new(dma, page, net::BUFFER, "virtio-net frame received")?);
        self.device.submit(net::RECEIVE, Chain::from_iter([part]))
    }

    /// The next frame that arrived: its page, taken back from the device, and its place there. What is no frame is
    /// dropped, no more in a row than the queue holds.
    fn arrived(&mut self, dma: &dma::Device) -> Option<(PageBuffer, Range<usize>)> {
        self.take_sent();
        for _ in 0..SIZE {
            let finished = self.pop(net::RECEIVE)?;
            let place = net::frame_in(finished.written);
            let page = finished.end().ok()?.pop().flatten()?;
            self.fill(dma);
            match place {
                Some(place) => return Some((page, place)),
                None => self.keep(page),
            }
        }
        None
    }

    /// Takes back the buffers of frames that have left.
    fn take_sent(&mut self) {
        while let Some(finished) = self.pop(net::SEND) {
            if let Some(page) = finished.end().ok().and_then(|mut pages| pages.pop()?) {
                self.keep(page);
            }
        }
    }

    /// A page for a frame; one that came back holds what this device sent or received before.
    fn page(&mut self) -> Result<PageBuffer, DmaError> {
        match self.spare.pop() {
            Some(page) => Ok(page),
            None => Ok(PageBuffer::new(0)?),
        }
    }

    /// Keeps a page for the next frame, if there are not enough.
    fn keep(&mut self, page: PageBuffer) {
        if self.spare.len() < SPARE {
            self.spare.push(page);
        }
    }

    /// Takes what the device has given back. A device that gives back what it did not have is not used any more.
    fn pop(&mut self, queue: u16) -> Option<Finished> {
        self.device.pop(queue).unwrap_or_else(|error| {
            log::error!("{}: {error}; it is not used any more", self.device.record());
            self.strike = None;
            None
        })
    }

    /// Starts the device again, if it is not cut off.
    fn revive(&mut self, dma: &dma::Device) {
        if !dma.is_open() {
            return self.stop();
        }
        if let Err(error) = self.restart(dma) {
            log::warn!("{} does not start again: {error}", self.device.record());
        }
    }
}
