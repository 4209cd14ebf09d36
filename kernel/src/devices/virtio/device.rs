//! A virtio device at work: reset, agreed with, its queues set up; and again after it broke.

use alloc::vec::Vec;

use dma_types::Iova;
use report::DeviceState;
use virtio_drivers::transport::Transport;

use super::VirtioError;
use super::chain::Chain;
use super::hal::Lender;
use super::queue::{Finished, Queue};
use super::transport::IsolatedTransport;
use crate::devices::{DeviceRecord, Function, StartError};
use crate::dma::{self, DmaError};
use crate::memory::arc::Arc;

/// What a driver wants of its device.
#[derive(Clone, Copy)]
pub struct Wishes {
    /// The driver's name.
    pub driver: &'static str,
    /// Features that it can use.
    pub features: u64,
    /// Queues, from 0 on, once these features are agreed on.
    pub queues: fn(u64) -> u16,
}

/// A device that is driven.
pub struct VirtioDevice {
    record: &'static DeviceRecord,
    queues: Vec<Queue>,
    transport: IsolatedTransport,
    lender: Lender,
    wishes: Wishes,
    features: u64,
    health: Health,
}

/// Whether a device may be started again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    /// It may.
    Sound,
    /// It gave back what it did not have, or did not reset: every further attempt would only cost time.
    GivenUp,
}

impl VirtioDevice {
    /// Claims a device; it does nothing before [`restart`](Self::restart).
    ///
    /// # Errors
    /// If the device is none that can be driven, is not to be had, or there is no memory.
    #[track_caller]
    pub fn claim(function: &Function, wishes: Wishes) -> Result<(Self, Arc<dma::Device>), StartError> {
        let record = function.record();
        if record.state() == DeviceState::BypassesIommu {
            return Err(DmaError::State { device: record.bdf, state: record.state() }.into());
        }
        // What firmware left under way must end before the device gets its domain and bus mastering.
        let transport = IsolatedTransport::new(function)?;
        let dma =
            Arc::try_new(function.claim(wishes.driver, Iova::new(u64::MAX))?).map_err(DmaError::from)?;
        let lender = Lender::new(dma.clone())?;
        Ok((
            Self {
                record,
                queues: Vec::new(),
                transport,
                lender,
                wishes,
                features: 0,
                health: Health::Sound,
            },
            dma,
        ))
    }

    /// Resets the device, takes back everything it had, and starts it again.
    ///
    /// # Errors
    /// If the device does not agree or there is no memory for its queues, or it was given up.
    pub fn restart(&mut self) -> Result<(), VirtioError> {
        if self.health == Health::Sound {
            self.stop();
        }
        if self.health == Health::GivenUp {
            return Err(VirtioError::GivenUp);
        }
        self.features = self.transport.negotiate(self.wishes.features).map_err(VirtioError::Negotiation)?;
        let queues = (self.wishes.queues)(self.features);
        for index in 0..queues {
            self.queues.push(Queue::new(&self.lender, &mut self.transport, index)?);
        }
        self.transport.go(queues)
    }

    /// Resets the device and takes back everything it had. Requests under way are lost.
    ///
    /// A device that does not say that its reset is over loses the memory all the same: its unit sees to it.
    pub fn stop(&mut self) {
        if let Err(error) = self.transport.reset() {
            log::warn!("{}: {error}; it is given up", self.record);
            self.health = Health::GivenUp;
        }
        self.queues.clear();
    }

    /// Gives a device that was given up another chance, once it was contained and released.
    pub fn trust_again(&mut self) {
        self.health = Health::Sound;
    }

    /// The kernel's record of it.
    pub fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    /// The features that the device offers.
    pub fn offered(&mut self) -> u64 {
        self.transport.read_device_features()
    }

    /// The features that both sides agreed on.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// The way to the device.
    pub fn transport(&self) -> &IsolatedTransport {
        &self.transport
    }

    /// Tells whether the device takes requests.
    pub fn works(&self) -> bool {
        !self.queues.is_empty() && !self.transport.is_broken()
    }

    /// Hands the device a request and notifies it.
    ///
    /// # Errors
    /// If the queue is full or does not exist, or the request is malformed; its buffers are taken back.
    pub fn submit(&mut self, queue: u16, chain: Chain) -> Result<(), VirtioError> {
        let ring = self.queues.get_mut(usize::from(queue));
        let ring = ring.ok_or(VirtioError::Missing)?;
        ring.submit(chain)?;
        if ring.wants_notice() {
            self.transport.notify(queue);
        }
        Ok(())
    }

    /// Takes the next request of a queue that the device has given back. Each was given to it before, so there are never
    /// more in a row than the queue holds.
    ///
    /// # Errors
    /// If the device gives back what it does not have. It is reset then, for good.
    pub fn pop(&mut self, queue: u16) -> Result<Option<Finished>, VirtioError> {
        let popped = self.queues.get_mut(usize::from(queue)).map_or(Ok(None), Queue::pop);
        if popped.is_err() {
            self.stop();
            self.health = Health::GivenUp;
        }
        popped
    }

    /// Tells whether [`pop`](Self::pop) has something to say.
    pub fn has_finished(&self, queue: u16) -> bool {
        self.queues.get(usize::from(queue)).is_some_and(Queue::has_finished)
    }

    /// Requests of one buffer that a queue has room for.
    pub fn room(&self, queue: u16) -> usize {
        self.queues.get(usize::from(queue)).map_or(0, Queue::room)
    }
}
