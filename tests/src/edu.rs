//! Registers and commands of `edu` (QEMU "EDU device").

/// Where a transfer begins.
pub const SOURCE: u64 = 0x80;
/// Where it leads.
pub const DESTINATION: u64 = 0x88;
/// How many bytes it moves.
pub const COUNT: u64 = 0x90;
/// What to do; reads as [`START`] while a transfer runs.
pub const COMMAND: u64 = 0x98;
/// The device's own buffer, as an address of a transfer.
pub const BUFFER: u64 = 0x4_0000;

/// Command: begin.
pub const START: u64 = 0b01;
/// Command: from the buffer to memory, not the other way.
pub const TO_MEMORY: u64 = 0b10;
