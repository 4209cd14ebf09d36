//! A PCI Express device as a process of the host: the server's side of `vfio-user`, as QEMU's `vfio-user-pci` speaks it.
//!
//! QEMU asks for configuration space and base address registers ([`Card`]); the device reads and writes guest memory and
//! raises interrupts ([`Port`]), at any moment, whatever the guest told it. Every access goes through the machine's
//! IOMMU with the requester id of the place where the device is plugged in. Which memory may be reached just now is
//! told to the device as well ([`Books`]), in order with the invalidations of the guest.
//!
//! - [`ConfigSpace`] builds a configuration space; [`PlainCard`] is a card made of one and of plain registers.
//! - [`Device`] listens on a socket and serves one machine; dropping it pulls the device out.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use vfio_device::{Bar, ConfigSpace, Device, DmaError, Identity, PlainCard};
//!
//! let config = ConfigSpace::new(Identity { vendor: 0x1234, device: 0xbad0, class: 0xff_0000 }).express_endpoint();
//! let card = PlainCard::new(config).with_bar(0, Bar::Memory32, 4096);
//! let socket = std::env::temp_dir().join(format!("device-{}", std::process::id()));
//! let device = Device::listen(&socket, Arc::new(Mutex::new(card)))?;
//! // qemu-system-x86_64 … -device intel-iommu,caching-mode=on \
//! //     -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"…"}}'
//! let port = device.port();
//! // Nobody has plugged it in yet.
//! assert_eq!(port.read(0x10_0000, 64), Err(DmaError::Gone));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! QEMU stands still while it waits for an answer, and serves the device's own requests only when it does not. So one
//! thread answers, and never waits for anything else; [`Port`]'s calls wait, and belong on any other thread.
//!
//! Needs QEMU 11.1 or newer (10.1 sends other lengths), and `caching-mode=on` with `intel-iommu`.
#![forbid(unsafe_code)]

mod books;
mod card;
mod config_space;
mod device;
mod link;
mod port;
mod wire;

pub use books::{Books, Change, Permission};
pub use card::{Access, Card, PlainCard, Region};
pub use config_space::{Bar, ConfigSpace, Identity, MsixTable};
pub use device::Device;
pub use port::{DmaError, NoInterrupt, Port, Ticket};
