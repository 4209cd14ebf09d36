//! Our own device made of software.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dma_types::Iova;
use serde_json::json;
use tempfile::TempDir;
use vfio_device::{ConfigSpace, Device, Identity, PlainCard};

use super::{MARK, Requester, Standing, TRANSFER, let_work};
use crate::machine::Port;

/// How long QEMU may take to connect.
const CONNECTED_WITHIN: Duration = Duration::from_secs(20);

/// A device that listens for QEMU, and QEMU's words for it.
pub(super) fn listen(socket: &Path) -> (Device, String) {
    let config = ConfigSpace::new(Identity { vendor: 0x1234, device: 0xbad0, class: 0xff_0000 });
    let card = PlainCard::new(config.express_endpoint());
    let device = Device::listen(socket, Arc::new(Mutex::new(card))).unwrap();
    let words = json!({
        "driver": "vfio-user-pci",
        "addr": "08.0",
        "socket": {"type": "unix", "path": socket.to_string_lossy()},
    });
    (device, words.to_string())
}

/// Our own device, a process as the machine sees it.
pub(super) struct Attacker {
    device: Device,
    /// Where it listens.
    _folder: TempDir,
}

impl Attacker {
    /// Waits for QEMU, and lets the device work.
    pub(super) fn open(port: &Port, place: (u8, u8), device: Device, folder: TempDir) -> Self {
        assert!(device.port().wait_connected(CONNECTED_WITHIN), "QEMU does not connect to its device");
        let_work(port, place, None);
        Self { device, _folder: folder }
    }
}

impl Requester for Attacker {
    fn name(&self) -> &'static str {
        "attacker"
    }

    fn send(&self, to: Iova) {
        // Refused or not: memory and the unit's record are what is judged.
        let _ = self.device.port().write(to.as_u64(), &MARK.to_le_bytes());
    }

    fn fetch(&self, from: Iova, _standing: Standing) -> Option<u64> {
        let bytes = self.device.port().read(from.as_u64(), TRANSFER as usize).ok()?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}
