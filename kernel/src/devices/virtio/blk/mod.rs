//! The virtio block device: one namespace of blocks of 512 bytes, one request at a time.

mod attack;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use ::virtio::block::{self, Request, Status};
use ::virtio::is_virtio;

use self::attack::Strike;
use super::VirtioError;
use super::chain::{Chain, Loan, Part};
use super::device::{VirtioDevice, Wishes};
use super::queue::Finished;
use crate::devices::{
    DeviceRecord, Disk, DiskError, Driver, Function, Kind, Messages, Namespace, Overreach, StartError,
};
use crate::dma::{self, DmaError, PageBuffer};
use crate::memory::arc::Arc;
use crate::platform::clock::Deadline;
use crate::sync::{Mutex, MutexGuard, rank};

/// The driver.
pub const KIND: Kind = Kind { name: DRIVER, serves, start };

const DRIVER: &str = "virtio-blk";

/// What the device is called, before its serial number.
const NAME: &str = "virtio disk ";

/// Longest time for a request.
const REQUEST: Duration = Duration::from_secs(30);

/// The one namespace.
const NAMESPACE: u32 = 1;

/// The driver of one device.
struct BlkDriver {
    record: &'static DeviceRecord,
    dma: Arc<dma::Device>,
    messages: Messages,
    name: String,
    identity: Vec<u8>,
    state: Mutex<State, rank::Driver>,
}

/// What changes.
struct State {
    device: VirtioDevice,
    blocks: u64,
    strike: Option<Strike>,
}

fn serves(function: &pci::Function) -> bool {
    is_virtio(function) && block::DEVICES.contains(&function.device)
}

fn start(function: &Function) -> Result<Box<dyn Driver>, StartError> {
    let wishes = Wishes { driver: DRIVER, features: block::READ_ONLY | block::FLUSH, queues: |_| 1 };
    let messages = function.messages()?;
    let (device, dma) = VirtioDevice::claim(function, wishes)?;
    let state = Mutex::new(State { device, blocks: 0, strike: None });
    let mut driver = BlkDriver {
        record: function.record(),
        dma,
        messages,
        name: String::new(),
        identity: Vec::new(),
        state,
    };
    driver.restart()?;
    driver.identity = driver.learn_identity();
    driver.name = driver.describe();
    Ok(Box::new(driver))
}

impl Driver for BlkDriver {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn overreach(&self) -> Option<&dyn Overreach> {
        (!self.identity.is_empty()).then_some(self)
    }

    fn disk(&self) -> Option<&dyn Disk> {
        Some(self)
    }

    fn cut_off(&self) {
        let mut state = self.state.lock();
        state.strike = None;
        state.device.stop();
    }

    fn restart(&self) -> Result<(), StartError> {
        self.messages.program()?;
        let mut state = self.state.lock();
        state.strike = None;
        state.device.trust_again();
        state.device.restart()?;
        let [low, high]: [u32; 2] = state.device.transport().config(block::CAPACITY)?;
        state.blocks = u64::from(high) << 32 | u64::from(low);
        Ok(())
    }
}

impl Disk for BlkDriver {
    fn description(&self) -> &str {
        &self.name
    }

    fn namespaces(&self) -> Vec<Namespace> {
        alloc::vec![self.state.lock().namespace()]
    }

    fn read(
        &self,
        namespace: u32,
        block: u64,
        buffer: PageBuffer,
        blocks: u32,
    ) -> Result<PageBuffer, DiskError> {
        let mut state = self.ready()?;
        let bytes = state.check(namespace, block, &buffer, blocks)?;
        let data = Part::Written(Loan::new(&self.dma, buffer, bytes, "virtio-blk data")?);
        self.transfer(&mut state, Request::Read { block }, data)
    }

    fn write(
        &self,
        namespace: u32,
        block: u64,
        buffer: PageBuffer,
        blocks: u32,
    ) -> Result<PageBuffer, DiskError> {
        let mut state = self.ready()?;
        let bytes = state.check(namespace, block, &buffer, blocks)?;
        let data = Part::Read(Loan::new(&self.dma, buffer, bytes, "virtio-blk data")?);
        self.transfer(&mut state, Request::Write { block }, data)
    }

    /// A device without the feature writes through.
    fn flush(&self, namespace: u32) -> Result<(), DiskError> {
        if namespace != NAMESPACE {
            return Err(DiskError::NoNamespace(namespace));
        }
        let mut state = self.ready()?;
        if state.device.features() & block::FLUSH == 0 {
            return Ok(());
        }
        self.request(&mut state, Request::Flush, None).map(|_| ())
    }
}

impl State {
    const fn namespace(&self) -> Namespace {
        Namespace { id: NAMESPACE, blocks: self.blocks, block_bytes: block::BLOCK }
    }

    /// Checks a range of blocks, and gives its bytes.
    fn check(
        &self,
        namespace: u32,
        block: u64,
        buffer: &PageBuffer,
        blocks: u32,
    ) -> Result<usize, DiskError> {
        if namespace != NAMESPACE {
            return Err(DiskError::NoNamespace(namespace));
        }
        Ok(self.namespace().bytes(block, blocks, buffer)? as usize)
    }
}

impl BlkDriver {
    /// Makes a request with a buffer, and gives the buffer back.
    fn transfer(&self, state: &mut State, request: Request, data: Part) -> Result<PageBuffer, DiskError> {
        // A request with a buffer gives it back, or fails.
        self.request(state, request, Some(data))?.ok_or(DiskError::BufferLost)
    }

    /// Makes a request of a device that is ready, and waits until it is done.
    fn request(
        &self,
        state: &mut State,
        request: Request,
        data: Option<Part>,
    ) -> Result<Option<PageBuffer>, DiskError> {
        let header = self.header(request)?;
        self.submit(&mut state.device, header, data)?;
        let device = &state.device;
        self.messages.wait_until(Deadline::after(REQUEST), || {
            device.has_finished(block::QUEUE) || device.transport().is_broken() || !self.dma.is_open()
        });
        match state.device.pop(block::QUEUE) {
            Ok(Some(finished)) => {
                let (written, of) = (finished.written, finished.room);
                let answer = Answer::of(finished)?;
                match answer.status {
                    // What a device does not write of its name is told otherwise.
                    Status::OK if written < of && request != Request::Identify => {
                        Err(DiskError::Incomplete { written, of })
                    }
                    Status::OK => Ok(answer.data),
                    status => Err(DiskError::Refused(u16::from(status.0))),
                }
            }
            Ok(None) => {
                // The request is lost: the device must not come back to it.
                state.device.stop();
                Err(if self.dma.is_open() { DiskError::Timeout } else { DiskError::CutOff })
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The device, started again if the request before broke it, or an attack was left behind.
    fn ready(&self) -> Result<MutexGuard<'_, State, rank::Driver>, DiskError> {
        if !self.dma.is_open() {
            return Err(DiskError::CutOff);
        }
        let mut state = self.state.lock();
        if state.strike.take().is_some() || !state.device.works() {
            state.device.restart().map_err(|error| self.failed(&error))?;
        }
        Ok(state)
    }

    /// What the device reads first.
    fn header(&self, request: Request) -> Result<Part, DmaError> {
        Part::to_read(&self.dma, &request.header(), "virtio-blk header")
    }

    /// Hands the device a request, with a page for its status.
    fn submit(&self, device: &mut VirtioDevice, header: Part, data: Option<Part>) -> Result<(), DiskError> {
        let status = Part::to_write(&self.dma, &[Status::NONE.0], "virtio-blk status")?;
        let chain: Chain = [Some(header), data, Some(status)].into_iter().flatten().collect();
        device.submit(block::QUEUE, chain).map_err(|error| self.failed(&error))
    }

    /// The error that a failure of the device or its queue is to those who use the disk.
    fn failed(&self, error: &VirtioError) -> DiskError {
        log::warn!("{}: {error}", self.record);
        DiskError::Broken
    }

    /// What the device is, for people.
    fn describe(&self) -> String {
        let serial = self.identity.iter().take_while(|byte| byte.is_ascii_graphic());
        let mut name = String::from(NAME);
        name.extend(serial.map(|byte| char::from(*byte)));
        name.truncate(name.trim_end().len());
        name
    }
}

/// A request that is over, with its buffers taken back.
struct Answer {
    status: Status,
    data: Option<PageBuffer>,
}

impl Answer {
    fn of(finished: Finished) -> Result<Self, DmaError> {
        // The header goes first, the status last; between them is what the request moved.
        let mut pages = finished.end()?;
        let status = pages.pop().flatten().map_or(Status::NONE, |page| Status(page.bytes()[0]));
        let data = if pages.len() > 1 { pages.pop().flatten() } else { None };
        Ok(Self { status, data })
    }
}
