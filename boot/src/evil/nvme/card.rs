//! The registers of an NVMe controller.

use std::sync::mpsc::Sender;
use std::time::Duration;

use vfio_device::{Bar, Card, ConfigSpace, Identity, MsixTable, PlainCard, Region};

use super::trick::{Step, Trick};

const CAP: usize = 0x00;
const VERSION: usize = 0x08;
const CONFIGURATION: usize = 0x14;
const STATUS: usize = 0x1c;
const ADMIN_SIZES: usize = 0x24;
const ADMIN_SUBMISSION: usize = 0x28;
const ADMIN_COMPLETION: usize = 0x30;
const DOORBELLS: usize = 0x1000;
const MSIX: usize = 0x2000;
const BAR_BYTES: usize = 0x4000;

/// 64 entries a queue, contiguous, a second to get ready, the NVM command set, pages of 4 KiB.
const CAPABILITIES: u64 = 1 << 37 | 2 << 24 | 1 << 16 | 63;

/// What the registers tell the rest of the controller.
#[derive(Clone, Copy, Debug)]
pub(in crate::evil) enum News {
    /// Enabled, with admin queues of so many entries.
    Enabled { submission: u64, submission_entries: u32, completion: u64, completion_entries: u32 },
    /// Disabled: everything is forgotten.
    Disabled,
    /// Reset from outside: everything is forgotten.
    Reset,
    /// A submission queue has a new tail.
    Tail { queue: u16, tail: u32 },
}

/// The registers.
#[derive(Debug)]
pub(in crate::evil) struct NvmeCard {
    pub(in crate::evil) plain: PlainCard,
    news: Sender<News>,
    trick: Trick,
}

impl NvmeCard {
    pub(in crate::evil) fn new(news: Sender<News>, trick: Trick) -> Self {
        let identity = Identity { vendor: 0x1b36, device: 0x0010, class: 0x01_0802 };
        let table = MsixTable { vectors: 2, bar: 0, table: MSIX as u32, pending: MSIX as u32 + 0x1000 };
        let config = ConfigSpace::new(identity).express_endpoint().power_management().msix(table);
        // A second window that the controller has no use for: scenarios have it placed elsewhere.
        let mut plain = PlainCard::new(config)
            .with_bar(0, Bar::Memory64, BAR_BYTES)
            .with_bar(2, Bar::Memory32, 16)
            .with_bar(4, Bar::Memory32, 4096)
            .with_vectors(2);
        let capabilities = match trick {
            Trick::AbsurdCapabilities => u64::MAX,
            // Ten seconds.
            Trick::StopsAt(Step::Reset) => CAPABILITIES | 20 << 24,
            Trick::TinyQueues => CAPABILITIES & !0xffff,
            _ => CAPABILITIES,
        };
        put(plain.bar(0), CAP, &capabilities.to_le_bytes());
        put(plain.bar(0), VERSION, &0x0001_0400_u32.to_le_bytes());
        let mut this = Self { plain, news, trick };
        this.power_on();
        this
    }

    /// The state after power-on: disabled, or one that some driver before left behind.
    fn power_on(&mut self) {
        let enabled = u8::from(self.trick == Trick::StopsAt(Step::Reset));
        for register in [CONFIGURATION, STATUS] {
            put(self.plain.bar(0), register, &[enabled, 0, 0, 0]);
        }
    }

    fn configure(&mut self, value: u32) {
        let enabled = value & 1 != 0;
        let status: u32 = match (enabled, self.trick) {
            (true, Trick::NeverReady) | (false, _) => 0,
            (true, Trick::FatalStatus) => 2,
            (true, _) => 1,
        };
        // A controller that does not reset goes on to say that it is ready.
        if enabled || !matches!(self.trick, Trick::NeverResets | Trick::StopsAt(Step::Reset)) {
            put(self.plain.bar(0), STATUS, &status.to_le_bytes());
        }
        let news = if enabled {
            let bar = self.plain.bar(0);
            let sizes = get(bar, ADMIN_SIZES) as u32;
            News::Enabled {
                submission: get(bar, ADMIN_SUBMISSION),
                submission_entries: (sizes & 0xfff) + 1,
                completion: get(bar, ADMIN_COMPLETION),
                completion_entries: (sizes >> 16 & 0xfff) + 1,
            }
        } else {
            News::Disabled
        };
        // Nobody listens any more while the machine is being ended.
        let _ = self.news.send(news);
    }
}

impl Card for NvmeCard {
    fn bar_bytes(&self, bar: u8) -> u64 {
        self.plain.bar_bytes(bar)
    }

    fn vectors(&self) -> u32 {
        self.plain.vectors()
    }

    fn read(&mut self, region: Region, offset: u64, data: &mut [u8]) {
        self.plain.read(region, offset, data);
        if region != Region::Bar(0) {
            return;
        }
        match self.trick {
            Trick::OnesOnceEnabled if get(self.plain.bar(0), CONFIGURATION) & 1 != 0 => data.fill(0xff),
            Trick::SlowRegisters => std::thread::sleep(Duration::from_millis(100)),
            _ => (),
        }
    }

    fn write(&mut self, region: Region, offset: u64, data: &[u8]) {
        self.plain.write(region, offset, data);
        if region != Region::Bar(0) {
            return;
        }
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let value = data.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if offset == CONFIGURATION {
            self.configure(value);
        } else if (DOORBELLS..MSIX).contains(&offset) && offset.is_multiple_of(8) {
            let queue = ((offset - DOORBELLS) / 8) as u16;
            let _ = self.news.send(News::Tail { queue, tail: value });
        }
    }

    fn reset(&mut self) {
        self.plain.reset();
        self.power_on();
        let _ = self.news.send(News::Reset);
    }
}

fn put(bar: &mut [u8], offset: usize, bytes: &[u8]) {
    for (place, byte) in bar.iter_mut().skip(offset).zip(bytes) {
        *place = *byte;
    }
}

fn get(bar: &[u8], offset: usize) -> u64 {
    bar.get(offset..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn enabling_tells_where_the_queues_are() {
        let (sender, news) = mpsc::channel();
        let mut card = NvmeCard::new(sender, Trick::None);
        card.write(Region::Bar(0), 0x24, &0x0007_0003_u32.to_le_bytes());
        card.write(Region::Bar(0), 0x28, &0x1_2345_6000_u64.to_le_bytes());
        card.write(Region::Bar(0), 0x30, &0x7000_u64.to_le_bytes());
        card.write(Region::Bar(0), 0x14, &0x0046_0001_u32.to_le_bytes());
        let News::Enabled { submission, submission_entries, completion, completion_entries } =
            news.try_recv().unwrap()
        else {
            panic!("not enabled")
        };
        assert_eq!((submission, submission_entries), (0x1_2345_6000, 4));
        assert_eq!((completion, completion_entries), (0x7000, 8));
        let mut status = [0; 4];
        card.read(Region::Bar(0), 0x1c, &mut status);
        assert_eq!(status, [1, 0, 0, 0]);
        card.write(Region::Bar(0), 0x1008, &5_u32.to_le_bytes());
        assert!(matches!(news.try_recv(), Ok(News::Tail { queue: 1, tail: 5 })));
    }
}
