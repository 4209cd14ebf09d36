//! The registers of a virtio device (virtio "PCI Device Layout").

use std::sync::mpsc::Sender;
use std::time::Duration;

use vfio_device::{Bar, Card, ConfigSpace, Identity, MsixTable, PlainCard, Region};

use super::ring::Place;
use super::trick::Trick;
use crate::evil::random::Random;

/// The maker of every virtio device.
const VENDOR: u16 = 0x1af4;
/// The structures, each a page of the same window.
const COMMON: u32 = 0x0000;
const INTERRUPTS: u32 = 0x1000;
const DEVICE: u32 = 0x2000;
const NOTIFY: u32 = 0x3000;
const MSIX: u32 = 0x4000;
const BAR_BYTES: usize = 0x8000;
const STRUCTURE: u32 = 0x1000;
/// Bytes between the places where two queues are notified.
const MULTIPLIER: u32 = 4;
/// Entries of every queue.
const QUEUE: u16 = 64;
/// Bytes of the common configuration.
const COMMON_BYTES: usize = 0x38;

/// Feature: version 1 or later of the specification.
const VERSION_1: u64 = 1 << 32;
/// Feature: requests pass through the IOMMU.
const ACCESS_PLATFORM: u64 = 1 << 33;
/// Device status.
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
const NEEDS_RESET: u8 = 0x40;
/// No entry of the message table.
const NO_VECTOR: u16 = 0xffff;

/// What kind of device the registers belong to.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) device: u16,
    pub(super) class: u32,
    pub(super) features: u64,
    pub(super) queues: u16,
    /// The device's own configuration.
    pub(super) config: Vec<u8>,
}

/// What the registers tell the rest of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The driver is ready: its queues, where it has set them up.
    Ready(Vec<Option<Place>>),
    /// The driver wants everything forgotten; it waits until [`VirtioCard::end_reset`].
    Reset,
    /// A queue has something new.
    Notified(u16),
}

/// The registers.
#[derive(Debug)]
pub(super) struct VirtioCard {
    plain: PlainCard,
    news: Sender<News>,
    trick: Trick,
    random: Random,
    kind: Kind,
    status: u8,
    resetting: bool,
    generation: u8,
    device_half: u32,
    driver_half: u32,
    selected: u16,
    config_vector: u16,
    queues: Vec<QueueRegisters>,
}

#[derive(Clone, Debug)]
struct QueueRegisters {
    place: Place,
    enabled: bool,
}

impl VirtioCard {
    pub(super) fn new(kind: Kind, news: Sender<News>, trick: Trick) -> Self {
        let identity = Identity { vendor: VENDOR, device: kind.device, class: kind.class };
        let table = MsixTable { vectors: 2, bar: 0, table: MSIX, pending: MSIX + 0x1000 };
        let mut config = ConfigSpace::new(identity).express_endpoint().power_management().msix(table);
        let places = [(1, COMMON), (2, NOTIFY), (3, INTERRUPTS), (4, DEVICE)];
        for (structure, offset) in places {
            config = config.capability(0x09, &structure_at(structure, offset));
        }
        let plain = PlainCard::new(config).with_bar(0, Bar::Memory64, BAR_BYTES).with_vectors(2);
        let mut card = Self {
            plain,
            news,
            trick,
            random: Random::new(11),
            queues: Vec::new(),
            kind,
            status: 0,
            resetting: false,
            generation: 0,
            device_half: 0,
            driver_half: 0,
            selected: 0,
            config_vector: NO_VECTOR,
        };
        card.forget();
        card
    }

    fn forget(&mut self) {
        let size = match self.trick {
            Trick::NoQueue => 0,
            Trick::OddQueue => 33,
            Trick::HugeQueue => 32_768,
            _ => QUEUE,
        };
        let place = Place { size, vector: NO_VECTOR, ..Place::default() };
        self.queues = vec![QueueRegisters { place, enabled: false }; usize::from(self.kind.queues)];
        (self.config_vector, self.selected) = (NO_VECTOR, 0);
    }

    /// Says that a reset is over.
    pub(super) fn end_reset(&mut self) {
        if self.resetting && self.trick != Trick::NeverResets {
            (self.resetting, self.status) = (false, 0);
        }
    }

    /// Says that nothing works any more until a reset.
    pub(super) fn want_reset(&mut self) {
        if self.status & DRIVER_OK != 0 {
            self.status |= NEEDS_RESET;
        }
    }

    fn features(&mut self) -> u64 {
        let all = self.kind.features | VERSION_1 | ACCESS_PLATFORM;
        match self.trick {
            Trick::PassesBy => all & !ACCESS_PLATFORM,
            Trick::OtherFeatures => self.random.next() | ACCESS_PLATFORM,
            _ => all,
        }
    }

    /// The common configuration as it reads now.
    fn common(&mut self) -> [u8; COMMON_BYTES] {
        let queue = self.queues.get(usize::from(self.selected)).cloned();
        let QueueRegisters { place, enabled } =
            queue.unwrap_or(QueueRegisters { place: Place::default(), enabled: false });
        let half = if self.device_half < 2 { (self.features() >> (32 * self.device_half)) as u32 } else { 0 };
        let count = if self.trick == Trick::AbsurdQueueCount { u16::MAX } else { self.kind.queues };
        let status = if self.trick == Trick::StatusOfChance && self.status & DRIVER_OK != 0 {
            self.random.next() as u8
        } else {
            self.status
        };
        let notify = if self.trick == Trick::NotifiedOutside { u16::MAX } else { self.selected };
        let mut image = [0; COMMON_BYTES];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x00, &self.device_half.to_le_bytes());
        put(0x04, &half.to_le_bytes());
        put(0x08, &self.driver_half.to_le_bytes());
        put(0x10, &self.config_vector.to_le_bytes());
        put(0x12, &count.to_le_bytes());
        put(0x14, &[status, self.generation]);
        put(0x16, &self.selected.to_le_bytes());
        put(0x18, &place.size.to_le_bytes());
        put(0x1a, &place.vector.to_le_bytes());
        put(0x1c, &u16::from(enabled).to_le_bytes());
        put(0x1e, &notify.to_le_bytes());
        put(0x20, &place.descriptors.to_le_bytes());
        put(0x28, &place.driver.to_le_bytes());
        put(0x30, &place.device.to_le_bytes());
        image
    }

    fn write_common(&mut self, offset: usize, data: &[u8]) {
        let mut image = self.common();
        for (place, byte) in image.iter_mut().skip(offset).zip(data) {
            *place = *byte;
        }
        let long = |at: usize| u64::from_le_bytes(image[at..].first_chunk().copied().unwrap_or_default());
        let short = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
        match offset {
            0x00 => self.device_half = long(0) as u32,
            0x08 => self.driver_half = long(8) as u32,
            0x10 => self.config_vector = short(0x10),
            0x14 => self.set_status(image[0x14]),
            0x16 => self.selected = short(0x16),
            _ => {
                let refuses = self.trick == Trick::RefusesVector;
                let Some(queue) = self.queues.get_mut(usize::from(self.selected)) else { return };
                let place = &mut queue.place;
                match offset {
                    0x18 => place.size = short(0x18),
                    0x1a => place.vector = if refuses { NO_VECTOR } else { short(0x1a) },
                    0x1c => queue.enabled = short(0x1c) == 1,
                    0x20..0x28 => place.descriptors = long(0x20),
                    0x28..0x30 => place.driver = long(0x28),
                    0x30..0x38 => place.device = long(0x30),
                    _ => (),
                }
            }
        }
    }

    fn set_status(&mut self, status: u8) {
        if status == 0 {
            self.resetting = true;
            if self.trick == Trick::NeverResets {
                self.status |= DRIVER_OK;
            }
            self.forget();
            self.tell(News::Reset);
            return;
        }
        let newly_ready = status & DRIVER_OK != 0 && self.status & DRIVER_OK == 0;
        let refused = if self.trick == Trick::RefusesFeatures { FEATURES_OK } else { 0 };
        self.status = status & !refused;
        if newly_ready {
            let places = self.queues.iter().map(|queue| queue.enabled.then_some(queue.place)).collect();
            self.tell(News::Ready(places));
        }
    }

    fn tell(&self, news: News) {
        // Nobody listens any more while the machine is being ended.
        let _ = self.news.send(news);
    }

    /// The device's own configuration as it reads now.
    fn own_config(&mut self) -> Vec<u8> {
        let mut config = self.kind.config.clone();
        let changing = match self.trick {
            Trick::RestlessConfig => {
                self.generation = self.generation.wrapping_add(1);
                8
            }
            Trick::OtherCapacity => 8,
            Trick::OtherAddress => 6,
            _ => 0,
        };
        for byte in config.iter_mut().take(changing) {
            *byte = self.random.next() as u8 & !1;
        }
        config
    }

    fn read_registers(&mut self, offset: usize, data: &mut [u8]) {
        if self.trick == Trick::SlowRegisters {
            std::thread::sleep(Duration::from_millis(100));
        }
        let ready = self.status & DRIVER_OK != 0;
        if self.trick == Trick::OnesOnceReady && ready {
            data.fill(0xff);
            return;
        }
        let (structure, at) = (offset as u32 & !(STRUCTURE - 1), offset & (STRUCTURE as usize - 1));
        let stored = match structure {
            COMMON => self.common().to_vec(),
            DEVICE => self.own_config(),
            _ => Vec::new(),
        };
        for (byte, value) in data.iter_mut().zip(stored.iter().skip(at).chain(std::iter::repeat(&0))) {
            *byte = *value;
        }
    }
}

impl Card for VirtioCard {
    fn bar_bytes(&self, bar: u8) -> u64 {
        self.plain.bar_bytes(bar)
    }

    fn vectors(&self) -> u32 {
        self.plain.vectors()
    }

    fn read(&mut self, region: Region, offset: u64, data: &mut [u8]) {
        let at = usize::try_from(offset).unwrap_or(usize::MAX / 2);
        match region {
            Region::Bar(0) if at < MSIX as usize => self.read_registers(at, data),
            Region::Bar(_) | Region::Config => self.plain.read(region, offset, data),
        }
    }

    fn write(&mut self, region: Region, offset: u64, data: &[u8]) {
        let at = usize::try_from(offset).unwrap_or(usize::MAX / 2);
        match region {
            Region::Bar(0) if at < COMMON_BYTES => self.write_common(at, data),
            Region::Bar(0) if (NOTIFY as usize..MSIX as usize).contains(&at) => {
                let queue = (at - NOTIFY as usize) / MULTIPLIER as usize;
                self.tell(News::Notified(u16::try_from(queue).unwrap_or(u16::MAX)));
            }
            Region::Bar(_) => (),
            Region::Config => self.plain.write(region, offset, data),
        }
    }

    fn reset(&mut self) {
        self.plain.reset();
        (self.status, self.resetting) = (0, false);
        self.forget();
        self.tell(News::Reset);
    }
}

/// The body of a capability that says where a structure lies.
fn structure_at(kind: u8, offset: u32) -> Vec<u8> {
    let is_notify = offset == NOTIFY;
    let mut body = vec![if is_notify { 20 } else { 16 }, kind, 0, 0, 0, 0];
    body.extend(offset.to_le_bytes());
    body.extend(STRUCTURE.to_le_bytes());
    if is_notify {
        body.extend(MULTIPLIER.to_le_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const KIND: Kind =
        Kind { device: 0x1042, class: 0x01_0000, features: 1 << 9, queues: 1, config: Vec::new() };

    fn read(card: &mut VirtioCard, at: u64) -> u32 {
        let mut data = [0; 4];
        card.read(Region::Bar(0), at, &mut data);
        u32::from_le_bytes(data)
    }

    #[test]
    fn a_driver_sets_a_queue_up_and_is_ready() {
        let (sender, news) = mpsc::channel();
        let mut card = VirtioCard::new(KIND, sender, Trick::None);
        assert_eq!(read(&mut card, 4), 1 << 9);
        card.write(Region::Bar(0), 0, &[1, 0, 0, 0]);
        assert_eq!(read(&mut card, 4), 3);
        card.write(Region::Bar(0), 0x18, &[32, 0]);
        card.write(Region::Bar(0), 0x1a, &[0, 0]);
        card.write(Region::Bar(0), 0x20, &0x1_2345_6000_u64.to_le_bytes());
        card.write(Region::Bar(0), 0x28, &0x7000_u32.to_le_bytes());
        card.write(Region::Bar(0), 0x30, &0x8000_u64.to_le_bytes());
        card.write(Region::Bar(0), 0x1c, &[1, 0]);
        card.write(Region::Bar(0), 0x14, &[0x0f]);
        card.write(Region::Bar(0), 0x3000, &[0, 0]);
        let place = Place { size: 32, vector: 0, descriptors: 0x1_2345_6000, driver: 0x7000, device: 0x8000 };
        assert_eq!(news.try_recv(), Ok(News::Ready(vec![Some(place)])));
        assert_eq!(news.try_recv(), Ok(News::Notified(0)));
        assert_eq!(read(&mut card, 0x14) as u8, 0x0f);
    }

    #[test]
    fn a_reset_is_over_when_the_rest_of_the_device_says_so() {
        let (sender, news) = mpsc::channel();
        let mut card = VirtioCard::new(KIND, sender, Trick::None);
        card.write(Region::Bar(0), 0x14, &[0x0f]);
        card.want_reset();
        card.write(Region::Bar(0), 0x14, &[0]);
        assert_eq!(read(&mut card, 0x14) as u8, 0x4f);
        assert_eq!(news.try_recv(), Ok(News::Ready(vec![None])));
        assert_eq!(news.try_recv(), Ok(News::Reset));
        card.end_reset();
        assert_eq!(read(&mut card, 0x14) as u8, 0);
        assert_eq!(read(&mut card, 0x18) as u16, QUEUE);
    }
}
