//! A device that tries to read a page of memory once a second, and says what came of it.
//!
//! `cargo run -p vfio_device --example look -- /tmp/device`, then a machine:
//! `qemu-system-x86_64 -machine q35 -device intel-iommu,intremap=on,caching-mode=on
//! -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/tmp/device"}}' …`

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vfio_device::{Bar, ConfigSpace, Device, Identity, PlainCard};

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/tmp/vfio-device".to_owned());
    let identity = Identity { vendor: 0x1234, device: 0xbad0, class: 0xff_0000 };
    let card = PlainCard::new(ConfigSpace::new(identity).express_endpoint()).with_bar(0, Bar::Memory32, 4096);
    let device = Device::listen(path.as_ref(), Arc::new(Mutex::new(card)))?;
    let port = device.port();
    println!("waiting on {path}");
    while !port.wait_connected(Duration::from_secs(1)) {}
    while port.is_connected() {
        let live = port.with_books(|books| books.live().count());
        match port.read(0x10_0000, 16) {
            Ok(bytes) => println!("{live} ranges live; 0x100000 holds {bytes:02x?}"),
            Err(error) => println!("{live} ranges live; 0x100000: {error}"),
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}
