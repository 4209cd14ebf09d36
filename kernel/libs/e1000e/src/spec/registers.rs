//! The registers that a driver needs: name, offset and access kind (82574 "Driver Programming Interface").
//!
//! What a register holds follows from the value's type, how it may be touched from a marker type.

use mmio_regs::{ReadOnly, ReadWrite, Register, WriteOneToClear, WriteOnly};

use super::address::ReceiveAddressHigh;
use super::control::{Control, NvmControl, Status};
use super::interrupt::{Causes, VectorAllocation};
use super::receive::{FilterControl, ReceiveControl};
use super::transmit::{InterPacketGap, TransmitControl, TransmitDescriptorControl};

/// 82574 "Device Control Register".
pub const CTRL: Register<Control, ReadWrite> = Register::new("CTRL", 0x0000);
/// 82574 "Device Status Register".
pub const STATUS: Register<Status, ReadOnly> = Register::new("STATUS", 0x0008);
/// 82574 "EEPROM/Flash Control Register".
pub const EECD: Register<NvmControl, ReadOnly> = Register::new("EECD", 0x0010);

/// 82574 "Interrupt Cause Read Register".
pub const ICR: Register<Causes, WriteOneToClear> = Register::new("ICR", 0x00c0);
/// 82574 "Interrupt Cause Set Register".
pub const ICS: Register<Causes, WriteOnly> = Register::new("ICS", 0x00c8);
/// 82574 "Interrupt Mask Set/Read Register": writing 1 lets a cause interrupt.
pub const IMS: Register<Causes, ReadWrite> = Register::new("IMS", 0x00d0);
/// 82574 "Interrupt Mask Clear Register": writing 1 masks a cause.
pub const IMC: Register<Causes, WriteOnly> = Register::new("IMC", 0x00d8);
/// 82574 "Interrupt Vector Allocation Registers".
pub const IVAR: Register<VectorAllocation, ReadWrite> = Register::new("IVAR", 0x00e4);

/// 82574 "Receive Control Register".
pub const RCTL: Register<ReceiveControl, ReadWrite> = Register::new("RCTL", 0x0100);
/// 82574 "Receive Descriptor Base Address Low".
pub const RDBAL: Register<u32, ReadWrite> = Register::new("RDBAL", 0x2800);
/// 82574 "Receive Descriptor Base Address High".
pub const RDBAH: Register<u32, ReadWrite> = Register::new("RDBAH", 0x2804);
/// 82574 "Receive Descriptor Length": bytes of the ring.
pub const RDLEN: Register<u32, ReadWrite> = Register::new("RDLEN", 0x2808);
/// 82574 "Receive Descriptor Head": the descriptor that the device fills next.
pub const RDH: Register<u32, ReadWrite> = Register::new("RDH", 0x2810);
/// 82574 "Receive Descriptor Tail": the first descriptor that the device must not touch.
pub const RDT: Register<u32, ReadWrite> = Register::new("RDT", 0x2818);
/// 82574 "Receive Filter Control Register".
pub const RFCTL: Register<FilterControl, ReadWrite> = Register::new("RFCTL", 0x5008);
/// 82574 "Multiple Receive Queues Command Register"; zero is one queue.
pub const MRQC: Register<u32, ReadWrite> = Register::new("MRQC", 0x5818);

/// 82574 "Transmit Control Register".
pub const TCTL: Register<TransmitControl, ReadWrite> = Register::new("TCTL", 0x0400);
/// 82574 "Transmit IPG Register".
pub const TIPG: Register<InterPacketGap, ReadWrite> = Register::new("TIPG", 0x0410);
/// 82574 "Transmit Descriptor Base Address Low".
pub const TDBAL: Register<u32, ReadWrite> = Register::new("TDBAL", 0x3800);
/// 82574 "Transmit Descriptor Base Address High".
pub const TDBAH: Register<u32, ReadWrite> = Register::new("TDBAH", 0x3804);
/// 82574 "Transmit Descriptor Length": bytes of the ring.
pub const TDLEN: Register<u32, ReadWrite> = Register::new("TDLEN", 0x3808);
/// 82574 "Transmit Descriptor Head": the descriptor that the device sends next.
pub const TDH: Register<u32, ReadWrite> = Register::new("TDH", 0x3810);
/// 82574 "Transmit Descriptor Tail": the first descriptor that holds nothing to send.
pub const TDT: Register<u32, ReadWrite> = Register::new("TDT", 0x3818);
/// 82574 "Transmit Descriptor Control".
pub const TXDCTL: Register<TransmitDescriptorControl, ReadWrite> = Register::new("TXDCTL", 0x3828);

/// 82574 "Receive Address Low": the first four bytes of the address that frames are taken for.
pub const RAL: Register<u32, ReadWrite> = Register::new("RAL", 0x5400);
/// 82574 "Receive Address High": its last two bytes.
pub const RAH: Register<ReceiveAddressHigh, ReadWrite> = Register::new("RAH", 0x5404);

/// Words of the 82574 "Multicast Table Array".
pub const MULTICAST_WORDS: usize = 128;

/// 82574 "Multicast Table Array": one word.
pub const fn mta(word: usize) -> Register<u32, ReadWrite> {
    Register::new("MTA", 0x5200 + 4 * (word % MULTICAST_WORDS))
}
