//! A device that is plugged into a machine.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::books::Permission;
use crate::card::{Card, Region};
use crate::link::{Link, Message};
use crate::port::Port;
use crate::wire::{Body, Command, DATA, Fields, INVALID, RangeChange, RegionAccess, SetIrqs};

/// How often a device without a machine looks whether it was given up.
const POLL: Duration = Duration::from_millis(5);
/// The index of configuration space among the regions, and how many there are.
const CONFIG_REGION: u32 = 7;
const REGIONS: u32 = 9;
/// Bytes of configuration space.
const CONFIG_BYTES: u64 = 4096;
/// The index of MSI-X among the kinds of interrupts, and how many kinds there are.
const MSIX: u32 = 2;
const KINDS_OF_INTERRUPTS: u32 = 5;

/// A device that waits on a socket for a machine, and then serves it. Dropping it pulls the device out.
#[derive(Debug)]
pub struct Device {
    port: Port,
    stop: Arc<AtomicBool>,
    connection: Arc<Mutex<Option<Arc<Link>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    /// Listens on a new socket. The card is shared, so that the device's own threads may look at it and change it.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn listen<C: Card>(path: &Path, card: Arc<Mutex<C>>) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let (port, stop) = (Port::new(), Arc::<AtomicBool>::default());
        let connection = Arc::<Mutex<Option<Arc<Link>>>>::default();
        let thread = std::thread::spawn({
            let (port, stop, connection) = (port.clone(), Arc::clone(&stop), Arc::clone(&connection));
            move || {
                if let Some(stream) = accept(&listener, &stop) {
                    let link = Arc::new(Link::new(stream));
                    *connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&link));
                    // Whoever stops the device in between finds no connection to close.
                    if !stop.load(Ordering::SeqCst) {
                        serve(&link, &port, &card);
                    }
                    port.disconnected();
                }
            }
        });
        Ok(Self { port, stop, connection, thread: Some(thread) })
    }

    /// The device's way into the machine.
    pub fn port(&self) -> Port {
        self.port.clone()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(link) = &*self.connection.lock().unwrap_or_else(PoisonError::into_inner) {
            link.close();
        }
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn accept(listener: &UnixListener, stop: &AtomicBool) -> Option<UnixStream> {
    while !stop.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => return stream.set_nonblocking(false).is_ok().then_some(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(POLL),
            Err(_) => return None,
        }
    }
    None
}

/// Answers a machine until it goes or the connection is closed.
fn serve<C: Card>(link: &Arc<Link>, port: &Port, card: &Mutex<C>) {
    port.connected(Arc::clone(link));
    while let Ok(message) = link.receive() {
        if message.header.is_answer() {
            port.answered(&message.header, &message.body);
            continue;
        }
        let (header, wanted) = (message.header, message.header.wants_answer());
        let answer = answer(message, port, card);
        let body = answer.as_deref().unwrap_or_default();
        let errno = if answer.is_some() { None } else { Some(INVALID) };
        if wanted && link.send(&header.answer(body.len(), errno), body).is_err() {
            break;
        }
    }
}

/// The body of the answer to a request; `None` where it is not understood.
fn answer<C: Card>(message: Message, port: &Port, card: &Mutex<C>) -> Option<Vec<u8>> {
    let Message { header, body, descriptors } = message;
    let card = || card.lock().unwrap_or_else(PoisonError::into_inner);
    match header.command {
        // Version 0.0 without capabilities; never longer than what was asked.
        Command::VERSION => Some(Body::default().u32(0).bytes(b"{}\0").0),
        Command::DMA_MAP => {
            let change = RangeChange::map(&body);
            port.change_books(|books| {
                books.map(change.iova, change.size, Permission::from_flags(change.flags));
            });
            Some(Vec::new())
        }
        Command::DMA_UNMAP => {
            let change = RangeChange::unmap(&body);
            port.change_books(|books| match change.flags & RangeChange::ALL {
                0 => books.unmap(change.iova, change.size),
                _ => books.unmap_all(),
            });
            Some(body)
        }
        // Can be reset, and is a PCI device.
        Command::DEVICE_INFO => Some(Body::default().u32(16).u32(3).u32(REGIONS).u32(KINDS_OF_INTERRUPTS).0),
        Command::REGION_INFO => {
            let index = Fields(&body).u32(8);
            let size = match region(index)? {
                Region::Config => CONFIG_BYTES,
                Region::Bar(bar) => card().bar_bytes(bar),
            };
            Some(region_info(index, size))
        }
        Command::IRQ_INFO => {
            let index = Fields(&body).u32(8);
            let count = if index == MSIX { card().vectors() } else { 0 };
            Some(Body::default().u32(16).u32(1).u32(index).u32(count).0)
        }
        Command::SET_IRQS => {
            let irqs = SetIrqs::decode(&body);
            if irqs.index == MSIX {
                port.set_interrupts(irqs.start, irqs.count, descriptors);
            }
            Some(Vec::new())
        }
        Command::REGION_READ => {
            let access = RegionAccess::decode(&body);
            let mut data = vec![0; usize::try_from(access.count).ok().filter(|count| *count <= 4096)?];
            card().read(region(access.region)?, access.offset, &mut data);
            Some(Body::default().bytes(body.get(..DATA)?).bytes(&data).0)
        }
        Command::REGION_WRITE => {
            let access = RegionAccess::decode(&body);
            card().write(region(access.region)?, access.offset, body.get(DATA..)?);
            Some(body.get(..DATA)?.to_vec())
        }
        Command::RESET => {
            card().reset();
            Some(Vec::new())
        }
        _ => None,
    }
}

/// The region of an index. Those for a ROM and for VGA are empty bars beyond the sixth.
fn region(index: u32) -> Option<Region> {
    match index {
        CONFIG_REGION => Some(Region::Config),
        0..REGIONS => u8::try_from(index).ok().map(Region::Bar),
        _ => None,
    }
}

fn region_info(index: u32, size: u64) -> Vec<u8> {
    let flags = if size > 0 { 3 } else { 0 };
    Body::default().u32(32).u32(flags).u32(index).u32(0).u64(size).u64(0).0
}
