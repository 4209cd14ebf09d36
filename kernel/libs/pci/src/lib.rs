//! PCI topology: functions, bridges, capabilities, requester ids and isolation groups.
//!
//! [`enumerate()`] walks configuration space and gives a [`Topology`]. From that follow the questions an
//! IOMMU driver has: which id does a function's DMA carry ([`Topology::requester`]), which ids may it carry
//! ([`Topology::for_each_alias`]), and which functions can reach one another without passing the IOMMU
//! ([`Topology::groups`]). The other modules switch things on and off in one function.
//!
//! Everything read from configuration space is untrusted: walks are bounded, bus numbers are checked, and
//! what makes no sense becomes a [`BusFinding`], never a panic or an endless loop. Hardware is reached only
//! through the trait [`ConfigSpace`], and nothing here waits.
//!
//! Documents: PCI Local Bus 3.0, PCI Express Base 6.0 (PCIe), PCI Express to PCI/PCI-X Bridge 1.0,
//! PCI Code and ID Assignment 1.15, PCI Firmware 3.3.
//!
//! # Example
//! ```
//! use dma_types::{Bdf, Segment};
//! use pci::{BusRange, ConfigSpace, enumerate};
//!
//! /// One function at 00:03.0; nothing else answers.
//! struct OneDevice;
//!
//! impl ConfigSpace for OneDevice {
//!     fn read8(&self, function: Bdf, offset: u16) -> u8 {
//!         (self.read32(function, offset & !3) >> (8 * (offset & 3))) as u8
//!     }
//!
//!     fn read16(&self, function: Bdf, offset: u16) -> u16 {
//!         (self.read32(function, offset & !3) >> (8 * (offset & 2))) as u16
//!     }
//!
//!     fn read32(&self, function: Bdf, offset: u16) -> u32 {
//!         match (function.source.bits(), offset) {
//!             (0x18, 0x00) => 0x11e8_1234,
//!             (0x18, 0x08) => 0x00ff_0010,
//!             (0x18, _) => 0,
//!             _ => u32::MAX,
//!         }
//!     }
//!
//!     fn write16(&self, _: Bdf, _: u16, _: u16) {}
//!     fn write32(&self, _: Bdf, _: u16, _: u32) {}
//! }
//!
//! let topology = enumerate(&OneDevice, &[BusRange { segment: Segment(0), first: 0, last: 0 }]);
//! let [device] = topology.functions() else { panic!("there is one") };
//! assert_eq!((device.vendor, topology.requester(device).bits()), (0x1234, 0x18));
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(test, feature = "testing")),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod acs;
mod bar;
mod capability;
mod class;
pub mod config;
pub mod control;
pub mod ecam;
pub mod enumerate;
pub mod express;
mod fabric;
pub mod function;
pub mod groups;
pub mod identity;
pub mod msi;
pub mod names;
mod passage;
mod refusal;
mod requester;
pub mod reset;
pub mod slot;
pub mod sriov;
mod sweep;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod ties;
pub mod topology;
pub mod windows;

pub use acs::{Acs, AcsControls};
pub use capability::for_each_vendor_capability;
pub use class::{ClassCode, HeaderType};
pub use config::{Command, ConfigSpace};
pub use ecam::{EcamError, EcamWindow};
pub use enumerate::{BusFinding, BusRange, enumerate};
pub use express::{ExpressCapability, PortType};
pub use function::{BridgeKind, Buses, Function, Kind, header_type};
pub use groups::{Group, GroupId, Groups};
pub use identity::Identity;
pub use msi::{MsiCapability, MsixCapability};
pub use names::Names;
pub use passage::Passage;
pub use refusal::{Conflict, Refusal};
pub use slot::Slot;
pub use sriov::SrIov;
pub use sweep::{FunctionSet, may_serve_firmware, sweep};
pub use ties::Tie;
pub use topology::Topology;
pub use windows::{AddressRange, Claims, Owner, VectorTable, Window};
