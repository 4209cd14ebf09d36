//! Controller registers (Base "Controller Properties", PCIe "Doorbell Registers").
//!
//! The doorbells have no fixed place: [`Capabilities::doorbell_stride`] says how far they lie apart.

use core::fmt;
use core::time::Duration;

use mmio_regs::{ReadOnly, ReadWrite, Register, WriteOnly, register_value};

use super::command::SubmissionEntry;
use super::completion::CompletionEntry;

/// Base "Controller Capabilities".
pub const CAP: Register<Capabilities, ReadOnly> = Register::new("CAP", 0x00);
/// Base "Version": the major number above bit 16, the minor above bit 8.
pub const VS: Register<u32, ReadOnly> = Register::new("VS", 0x08);
/// Base "Controller Configuration".
pub const CC: Register<Configuration, ReadWrite> = Register::new("CC", 0x14);
/// Base "Controller Status".
pub const CSTS: Register<ControllerStatus, ReadOnly> = Register::new("CSTS", 0x1c);
/// Base "Admin Queue Attributes"; see [`admin_queue_attributes`].
pub const AQA: Register<u32, ReadWrite> = Register::new("AQA", 0x24);
/// Base "Admin Submission Queue Base Address".
pub const ASQ: Register<u64, ReadWrite> = Register::new("ASQ", 0x28);
/// Base "Admin Completion Queue Base Address".
pub const ACQ: Register<u64, ReadWrite> = Register::new("ACQ", 0x30);

/// Where the first doorbell lies, in bytes from the window's start.
const DOORBELLS: usize = 0x1000;

register_value!(fields Capabilities: u64);
register_value!(fields Configuration: u32);
register_value!(fields ControllerStatus: u32);

/// CAP: what the controller can do (Base "Controller Capabilities").
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// MQES: the most entries of an I/O queue, 1 to 65,536.
    pub const fn max_queue_entries(self) -> u32 {
        (self.0 & 0xffff) as u32 + 1
    }

    /// TO: the longest time for a change of CSTS.RDY; where the controller states none, one unit of 500 ms.
    pub const fn ready_timeout(self) -> Duration {
        let units = self.0 >> 24 & 0xff;
        Duration::from_millis(500 * if units == 0 { 1 } else { units })
    }

    /// DSTRD: bytes from one doorbell to the next.
    pub const fn doorbell_stride(self) -> usize {
        4 << (self.0 >> 32 & 0xf)
    }

    /// CSS: whether it knows the NVM command set.
    pub const fn has_nvm_commands(self) -> bool {
        self.0 >> 37 & 1 != 0
    }

    /// MPSMIN: bytes of the smallest page that it can work with.
    pub const fn min_page_bytes(self) -> u64 {
        4096 << (self.0 >> 48 & 0xf)
    }

    /// Where the controller is told how far a submission queue is filled (PCIe "Doorbell Registers").
    pub const fn submission_doorbell(self, queue: QueueId) -> Register<u32, WriteOnly> {
        Register::new("SQyTDBL", DOORBELLS + 2 * queue.0 as usize * self.doorbell_stride())
    }

    /// Where the controller is told how far a completion queue was read (PCIe "Doorbell Registers").
    pub const fn completion_doorbell(self, queue: QueueId) -> Register<u32, WriteOnly> {
        Register::new("CQyHDBL", DOORBELLS + (2 * queue.0 as usize + 1) * self.doorbell_stride())
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capabilities({:#x})", self.0)
    }
}

/// The number of a queue; 0 is the admin queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueId(pub u16);

impl QueueId {
    /// The admin queue.
    pub const ADMIN: Self = Self(0);
}

/// CC: how the controller shall work (Base "Controller Configuration").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration(pub u32);

impl Configuration {
    const ENABLE: u32 = 1 << 0;
    const SHUTDOWN: u32 = 0b11 << 14;
    const NORMAL_SHUTDOWN: u32 = 0b01 << 14;

    /// Enabled, with the NVM command set, pages of 4 KiB, round robin, and entries of the sizes used here.
    pub const fn enabled() -> Self {
        let submission = size_of::<SubmissionEntry>().ilog2() << 16;
        let completion = size_of::<CompletionEntry>().ilog2() << 20;
        Self(Self::ENABLE | submission | completion)
    }

    /// The same, disabled: the controller resets.
    pub const fn disabled(self) -> Self {
        Self(self.0 & !Self::ENABLE)
    }

    /// The same, with a normal shutdown asked for.
    pub const fn shutting_down(self) -> Self {
        Self(self.0 & !Self::SHUTDOWN | Self::NORMAL_SHUTDOWN)
    }

    /// Whether the controller is to work.
    pub const fn is_enabled(self) -> bool {
        self.0 & Self::ENABLE != 0
    }
}

/// CSTS: what the controller does (Base "Controller Status").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerStatus(pub u32);

impl ControllerStatus {
    /// What a device gives that is not there.
    pub const GONE: Self = Self(u32::MAX);

    /// Whether it processes commands.
    pub const fn is_ready(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether it has met an error that it cannot tell of otherwise.
    pub const fn is_fatal(self) -> bool {
        self.0 & 1 << 1 != 0
    }
}

/// The value of AQA for admin queues of so many entries, 2 to 4096 (Base "Admin Queue Attributes").
pub const fn admin_queue_attributes(entries: u16) -> u32 {
    let zero_based = entries.saturating_sub(1) as u32 & 0xfff;
    zero_based << 16 | zero_based
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CAP of a controller with 2048 entries, 7.5 s, stride 4, pages of 4 KiB to 64 KiB.
    const CAPABILITIES: Capabilities = Capabilities(0x0040_0020_0f01_07ff);

    #[test]
    fn capabilities_split_into_their_fields() {
        assert_eq!(CAPABILITIES.max_queue_entries(), 2048);
        assert_eq!(CAPABILITIES.ready_timeout(), Duration::from_millis(7500));
        assert_eq!(CAPABILITIES.doorbell_stride(), 4);
        assert!(CAPABILITIES.has_nvm_commands());
        assert_eq!(CAPABILITIES.min_page_bytes(), 4096);
        assert_eq!(Capabilities(0).ready_timeout(), Duration::from_millis(500));
        assert_eq!(Capabilities(u64::MAX).min_page_bytes(), 4096 << 15);
    }

    #[test]
    fn doorbells_follow_the_stride() {
        let queues = [QueueId::ADMIN, QueueId(1), QueueId(3)];
        let doorbells = |cap: Capabilities| {
            queues.map(|queue| {
                (cap.submission_doorbell(queue).offset(), cap.completion_doorbell(queue).offset())
            })
        };
        assert_eq!(doorbells(CAPABILITIES), [(0x1000, 0x1004), (0x1008, 0x100c), (0x1018, 0x101c)]);
        let wide = Capabilities(2 << 32);
        assert_eq!(doorbells(wide), [(0x1000, 0x1010), (0x1020, 0x1030), (0x1060, 0x1070)]);
    }

    #[test]
    fn configuration_is_the_word_of_the_specification() {
        let enabled = Configuration::enabled();
        assert_eq!(enabled.0, 0x0046_0001);
        assert_eq!(enabled.disabled().0, 0x0046_0000);
        assert_eq!(enabled.shutting_down().0, 0x0046_4001);
        assert!(enabled.is_enabled() && !enabled.disabled().is_enabled());
        assert_eq!(admin_queue_attributes(16), 0x000f_000f);
        assert_eq!(admin_queue_attributes(0), 0);
    }

    #[test]
    fn status_bits_are_told_apart() {
        assert!(ControllerStatus(1).is_ready() && !ControllerStatus(1).is_fatal());
        assert!(!ControllerStatus(2).is_ready() && ControllerStatus(2).is_fatal());
    }
}
