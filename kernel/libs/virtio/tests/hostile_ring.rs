//! Rings in the hands of a device that writes whatever it likes, at any moment.
//!
//! What is tested is the crate's queue together with [`InFlight`], as the kernel joins them: a device can give back what it
//! was given and nothing else, no request twice, and nothing that it writes makes the driver panic or go on for ever.
#![expect(unsafe_code, reason = "UNSAFETY: plays the memory of a device that has no hardware")]

use std::cell::RefCell;
use std::ptr::NonNull;

use proptest::prelude::*;
use virtio::{Given, InFlight, RingError};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Error, Hal, PAGE_SIZE, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const SIZE: usize = 32;
/// Where the used ring has its flags, its index, and its entries of eight bytes.
const FLAGS: usize = 0;
const INDEX: usize = 2;
const ENTRIES: usize = 4;

thread_local! {
    /// Memory for rings, for as long as the test's thread lives. The used ring is the second one.
    static MEMORY: RefCell<Vec<Box<[u64]>>> = const { RefCell::new(Vec::new()) };
}

struct HostHal;

// SAFETY: the memory is zeroed, nobody else has it, and it stays until the thread ends.
unsafe impl Hal for HostHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // Room to begin at a page's start.
        let words = (pages + 1) * PAGE_SIZE / 8;
        let mut memory = vec![0_u64; words].into_boxed_slice();
        let start = memory.as_mut_ptr().cast::<u8>();
        let aligned = start.wrapping_add(start.align_offset(PAGE_SIZE));
        MEMORY.with_borrow_mut(|all| all.push(memory));
        (aligned.expose_provenance() as PhysAddr, NonNull::new(aligned).unwrap())
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("there are no registers")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.as_ptr().cast::<u8>().expose_provenance() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// A device that is nothing but the place of its used ring.
#[derive(Default)]
struct Device {
    used: PhysAddr,
}

impl Device {
    fn write(&self, at: usize, bytes: &[u8]) {
        let ring = std::ptr::with_exposed_provenance_mut::<u8>(self.used as usize);
        for (index, byte) in bytes.iter().enumerate() {
            // SAFETY: the ring's page, which nobody refers to between the queue's calls.
            unsafe { ring.wrapping_add(at + index).write_volatile(*byte) };
        }
    }

    fn write_entry(&self, slot: usize, id: u32, length: u32) {
        self.write(ENTRIES + 8 * (slot % SIZE), &[id.to_le_bytes(), length.to_le_bytes()].concat());
    }
}

impl Transport for Device {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }

    fn read_device_features(&mut self) -> u64 {
        0
    }

    fn write_driver_features(&mut self, _: u64) {}

    fn max_queue_size(&mut self, _: u16) -> u32 {
        SIZE as u32
    }

    fn notify(&mut self, _: u16) {}

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::empty()
    }

    fn set_status(&mut self, _: DeviceStatus) {}

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, _: u16, _: u32, _: PhysAddr, _: PhysAddr, used: PhysAddr) {
        self.used = used;
    }

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, _: u16) -> bool {
        false
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, _: usize) -> Result<T> {
        Err(Error::ConfigSpaceMissing)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _: usize, _: T) -> Result<()> {
        Err(Error::ConfigSpaceMissing)
    }
}

/// A request: its number, and its buffers.
#[derive(Debug)]
struct Request {
    number: usize,
    read: Vec<Box<[u8]>>,
    written: Vec<Box<[u8]>>,
}

/// A driver that joins queue and account as the kernel does.
struct Driver {
    device: Device,
    queue: VirtQueue<HostHal, SIZE>,
    in_flight: InFlight<Request>,
    given: usize,
}

/// Why the driver gives the device up.
#[derive(Debug, PartialEq)]
enum GivenUp {
    Ring(RingError),
    Queue(Error),
}

impl Driver {
    fn new() -> Self {
        let mut device = Device::default();
        let queue = VirtQueue::new(&mut device, 0, false, false).unwrap();
        Self { device, queue, in_flight: InFlight::new(SIZE), given: 0 }
    }

    /// Gives the device a request; its token, if there is room for it.
    fn submit(&mut self, reads: usize, writes: usize) -> Option<u16> {
        let buffers = |count| (0..count).map(|_| vec![0; 16].into_boxed_slice()).collect();
        let mut request = Request { number: self.given, read: buffers(reads), written: buffers(writes) };
        let token = request.lend(|read, written| {
            // SAFETY: the account keeps the buffers until they are taken back, and nobody looks at them.
            unsafe { self.queue.add(read, written) }
        });
        let token = token.ok()?;
        self.given += 1;
        self.in_flight.give(token, Given { request, room: 16 * writes });
        Some(token)
    }

    /// Takes the next request that the device gives back: its number and what the device wrote of it.
    fn pop(&mut self) -> std::result::Result<Option<(usize, usize)>, GivenUp> {
        let Some(token) = self.queue.peek_used() else { return Ok(None) };
        let mut given = self.in_flight.take_back(token).map_err(GivenUp::Ring)?;
        let written = given.request.lend(|read, written| {
            // SAFETY: these are the buffers that went in with this token.
            unsafe { self.queue.pop_used(token, read, written) }
        });
        let written = given.check_length(written.map_err(GivenUp::Queue)?).map_err(GivenUp::Ring)?;
        Ok(Some((given.request.number, written)))
    }
}

impl Request {
    fn lend<T>(&mut self, call: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> T) -> T {
        let read: Vec<&[u8]> = self.read.iter().map(|buffer| &**buffer).collect();
        let mut written: Vec<&mut [u8]> = self.written.iter_mut().map(|buffer| &mut **buffer).collect();
        call(&read, &mut written)
    }
}

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    Submit { reads: usize, writes: usize },
    Entry { slot: usize, id: u32, length: u32 },
    Index(u16),
    Flags(u16),
    Pop,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let id = prop_oneof![0..SIZE as u32, any::<u32>()];
    let length = prop_oneof![0..64_u32, any::<u32>()];
    let index = prop_oneof![0..64_u16, any::<u16>()];
    let event = prop_oneof![
        (0..3_usize, 0..3_usize).prop_map(|(reads, writes)| Event::Submit { reads, writes }),
        (0..SIZE, id, length).prop_map(|(slot, id, length)| Event::Entry { slot, id, length }),
        index.prop_map(Event::Index),
        any::<u16>().prop_map(Event::Flags),
        Just(Event::Pop),
    ];
    prop::collection::vec(event, 1..200)
}

proptest! {
    #[test]
    fn a_device_gives_back_what_it_was_given_and_each_once(events in events()) {
        let mut driver = Driver::new();
        let mut returned = vec![false; events.len()];
        for event in events {
            match event {
                Event::Submit { reads, writes } => {
                    driver.submit(reads, writes);
                }
                Event::Entry { slot, id, length } => driver.device.write_entry(slot, id, length),
                Event::Index(index) => driver.device.write(INDEX, &index.to_le_bytes()),
                Event::Flags(flags) => driver.device.write(FLAGS, &flags.to_le_bytes()),
                // All that is there, as who takes sent frames back does.
                Event::Pop => loop {
                    match driver.pop() {
                        Ok(None) => break,
                        Ok(Some((number, written))) => {
                            prop_assert!(!std::mem::replace(&mut returned[number], true));
                            prop_assert!(written <= 32);
                        }
                        // The device is given up: nobody looks at its ring again.
                        Err(_) => return Ok(()),
                    }
                },
            }
            prop_assert!(driver.queue.available_desc() <= SIZE);
        }
    }
}

#[test]
fn an_honest_device_is_served() {
    let mut driver = Driver::new();
    for round in 0..100_usize {
        let token = driver.submit(1, 2).unwrap();
        driver.device.write_entry(round, token.into(), 32);
        driver.device.write(INDEX, &(round as u16 + 1).to_le_bytes());
        assert_eq!(driver.pop(), Ok(Some((round, 32))));
        assert_eq!(driver.pop(), Ok(None));
    }
}

#[test]
fn of_all_ids_only_the_one_that_was_given_comes_back() {
    for id in 0..=u16::MAX {
        let mut driver = Driver::new();
        let token = driver.submit(1, 2).unwrap();
        driver.device.write_entry(0, id.into(), 32);
        driver.device.write(INDEX, &1_u16.to_le_bytes());
        let expected = if id == token {
            Ok(Some((0, 32)))
        } else {
            Err(GivenUp::Ring(RingError::NotGiven { token: id }))
        };
        assert_eq!(driver.pop(), expected);
        MEMORY.with_borrow_mut(Vec::clear);
    }
}

#[test]
fn whatever_the_index_says_no_more_comes_back_than_was_given() {
    for index in 0..=u16::MAX {
        let mut driver = Driver::new();
        let token = driver.submit(1, 1).unwrap();
        (0..SIZE).for_each(|slot| driver.device.write_entry(slot, token.into(), 16));
        driver.device.write(INDEX, &index.to_le_bytes());
        let came = std::iter::from_fn(|| driver.pop().transpose()).take(4).collect::<Vec<_>>();
        let again = Err(GivenUp::Ring(RingError::NotGiven { token }));
        match index {
            0 => assert!(came.is_empty()),
            1 => assert_eq!(came, [Ok((0, 16))]),
            _ => assert_eq!(came[..2], [Ok((0, 16)), again]),
        }
        MEMORY.with_borrow_mut(Vec::clear);
    }
}

#[test]
fn no_length_beyond_the_room_is_believed() {
    let lengths = (0..4096).chain((0..32).map(|bit| 1 << bit)).chain([u32::MAX - 1, u32::MAX]);
    for written in lengths {
        let mut driver = Driver::new();
        let token = driver.submit(1, 2).unwrap();
        driver.device.write_entry(0, token.into(), written);
        driver.device.write(INDEX, &1_u16.to_le_bytes());
        let expected = match written {
            0..=32 => Ok(Some((0, written as usize))),
            _ => Err(GivenUp::Ring(RingError::TooLong { written, room: 32 })),
        };
        assert_eq!(driver.pop(), expected);
        MEMORY.with_borrow_mut(Vec::clear);
    }
}
