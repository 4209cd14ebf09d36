//! A controller's registers: reset, enabling, doorbells.

use core::time::Duration;

use dma_types::{Iova, PAGE_SIZE};
use mmio_regs::TypedAccess;
use nvme::spec::registers::{
    ACQ, AQA, ASQ, CAP, CC, CSTS, Capabilities, Configuration, ControllerStatus, QueueId, VS,
    admin_queue_attributes,
};

use super::error::NvmeError;
use crate::devices::{Function, StartError};
use crate::memory::mmio::Mmio;
use crate::platform::clock::{self, Deadline};

/// The base address register with the registers.
const BAR: u8 = 0;

/// Bytes of registers with doorbells that follow each other closely.
const USUAL_BYTES: usize = 0x2000;

/// How often a controller is looked at that resets or starts.
const TICK: Duration = Duration::from_millis(1);

/// Controllers of version 1.1 and later list their namespaces.
const LISTS_NAMESPACES: u32 = 0x0001_0100;

/// The registers, and what they say that never changes.
pub struct Controller {
    registers: Mmio,
    capabilities: Capabilities,
}

/// Where the admin queues lie.
#[derive(Clone, Copy)]
pub struct AdminQueues {
    /// The submission queue.
    pub submission: Iova,
    /// The completion queue.
    pub completion: Iova,
    /// Entries of each.
    pub entries: u16,
}

impl Controller {
    /// Maps the registers, doorbells of the queues up to `last` included.
    ///
    /// # Errors
    /// If there are none, or the controller cannot work the way that this driver does.
    pub fn new(function: &Function, last: QueueId) -> Result<Self, StartError> {
        let mut registers = function.window(BAR, USUAL_BYTES)?;
        let capabilities = registers.get(CAP);
        let bytes = capabilities.completion_doorbell(last).offset() + size_of::<u32>();
        if bytes > registers.len() {
            registers = function.window(BAR, bytes)?;
        }
        let this = Self { registers, capabilities };
        this.check(bytes)?;
        Ok(this)
    }

    fn check(&self, bytes: usize) -> Result<(), NvmeError> {
        if self.status() == ControllerStatus::GONE {
            return Err(NvmeError::Gone);
        }
        if !self.capabilities.has_nvm_commands() {
            return Err(NvmeError::NoBlocks);
        }
        if self.capabilities.min_page_bytes() > PAGE_SIZE {
            return Err(NvmeError::PageSize { bytes: self.capabilities.min_page_bytes() });
        }
        if bytes > self.registers.len() {
            return Err(NvmeError::Doorbells { bytes });
        }
        Ok(())
    }

    /// What the controller can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Whether it can list its active namespaces.
    pub fn lists_namespaces(&self) -> bool {
        self.registers.get(VS) >= LISTS_NAMESPACES
    }

    fn status(&self) -> ControllerStatus {
        self.registers.get(CSTS)
    }

    /// Resets the controller: afterwards it has forgotten its queues and every command.
    ///
    /// # Errors
    /// If it does not follow in the time that it states.
    pub fn reset(&self) -> Result<(), NvmeError> {
        let configuration = self.registers.get(CC);
        if configuration.is_enabled() {
            // Before it is ready it must not be disabled; one that fails instead may.
            let _ = self.wait(|status| status.is_ready() || status.is_fatal());
        }
        self.registers.set(CC, configuration.disabled());
        self.wait(|status| !status.is_ready())
    }

    /// Enables a controller that was reset.
    ///
    /// # Errors
    /// If it fails, or does not become ready in the time that it states.
    pub fn enable(&self, admin: AdminQueues) -> Result<(), NvmeError> {
        self.registers.set(AQA, admin_queue_attributes(admin.entries));
        self.registers.set(ASQ, admin.submission.as_u64());
        self.registers.set(ACQ, admin.completion.as_u64());
        self.registers.set(CC, Configuration::enabled());
        self.wait(|status| status.is_ready() || status.is_fatal())?;
        if self.status().is_fatal() { Err(NvmeError::Fatal) } else { Ok(()) }
    }

    fn wait(&self, reached: impl Fn(ControllerStatus) -> bool) -> Result<(), NvmeError> {
        let deadline = Deadline::after(self.capabilities.ready_timeout());
        loop {
            // Looked at before the clock, so that a late look still counts.
            let expired = deadline.expired();
            let status = self.status();
            if status == ControllerStatus::GONE {
                return Err(NvmeError::Gone);
            }
            if reached(status) {
                return Ok(());
            }
            if expired {
                return Err(NvmeError::NotReady);
            }
            clock::sleep(TICK);
        }
    }

    /// Tells the controller where a submission queue ends.
    pub fn ring_submission(&self, queue: QueueId, tail: u16) {
        self.registers.set(self.capabilities.submission_doorbell(queue), u32::from(tail));
    }

    /// Tells the controller how far a completion queue was read.
    pub fn ring_completion(&self, queue: QueueId, head: u16) {
        self.registers.set(self.capabilities.completion_doorbell(queue), u32::from(head));
    }
}
