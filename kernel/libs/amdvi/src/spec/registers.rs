//! The register table of a unit: name, offset, width and access kind (AMD I/O Virtualization "MMIO Registers").

use mmio_regs::{ReadOnly, ReadWrite, Register, WriteOneToClear};

use super::control::Control;
use super::features::Features;
use super::ring::{DeviceTableBase, RingBase, RingPosition};
use super::status::Status;

/// Where the device table lies, and how long it is.
pub const DEVICE_TABLE: Register<DeviceTableBase, ReadWrite> = Register::new("DevTabBase", 0x00);
/// Where the command buffer lies, and how long it is.
pub const COMMANDS: Register<RingBase, ReadWrite> = Register::new("ComBase", 0x08);
/// Where the event log lies, and how long it is.
pub const EVENTS: Register<RingBase, ReadWrite> = Register::new("EventBase", 0x10);
/// What the unit does at all.
pub const CONTROL: Register<Control, ReadWrite> = Register::new("Control", 0x18);
/// The first page that passes untranslated, and whether any does.
pub const EXCLUSION_BASE: Register<u64, ReadWrite> = Register::new("ExclBase", 0x20);
/// The last page that passes untranslated.
pub const EXCLUSION_LIMIT: Register<u64, ReadWrite> = Register::new("ExclLimit", 0x28);
/// What the unit can do; reserved where its capability header does not announce it.
pub const FEATURES: Register<Features, ReadOnly> = Register::new("ExtFeature", 0x30);
/// The command that the unit fetches next.
pub const COMMAND_HEAD: Register<RingPosition, ReadWrite> = Register::new("CmdHead", 0x2000);
/// The end of the commands.
pub const COMMAND_TAIL: Register<RingPosition, ReadWrite> = Register::new("CmdTail", 0x2008);
/// The oldest event that software has not taken.
pub const EVENT_HEAD: Register<RingPosition, ReadWrite> = Register::new("EventHead", 0x2010);
/// Where the unit writes the next event.
pub const EVENT_TAIL: Register<RingPosition, ReadWrite> = Register::new("EventTail", 0x2018);
/// What runs, and what happened.
pub const STATUS: Register<Status, WriteOneToClear> = Register::new("Status", 0x2020);

/// Bytes from the first to the last register that is used here: what a unit has at least.
pub const WINDOW: usize = 0x4000;
