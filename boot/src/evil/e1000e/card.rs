//! The card that the machine sees: configuration space, the register window, the table of messages.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vfio_device::{Bar, Card, ConfigSpace, Identity, MsixTable, PlainCard, Region};

use super::registers::{News, Registers};
use super::trick::Trick;

/// Bytes of the register window, and of the one with the table of messages (82574 "PCI Base Address Registers").
const REGISTERS: usize = 0x2_0000;
const MESSAGES: usize = 0x4000;
/// Messages that the device may have.
const VECTORS: u16 = 5;

/// The card.
#[derive(Debug)]
pub(super) struct E1000eCard {
    plain: PlainCard,
    registers: Arc<Mutex<Registers>>,
    news: Sender<News>,
    trick: Trick,
}

impl E1000eCard {
    pub(super) fn new(registers: Arc<Mutex<Registers>>, news: Sender<News>, trick: Trick) -> Self {
        let identity = Identity { vendor: 0x8086, device: 0x10d3, class: 0x02_0000 };
        let table = MsixTable { vectors: VECTORS, bar: 3, table: 0, pending: 0x2000 };
        let config = ConfigSpace::new(identity).power_management().express_endpoint().msix(table);
        let plain = PlainCard::new(config)
            .with_bar(0, Bar::Memory32, REGISTERS)
            .with_bar(3, Bar::Memory32, MESSAGES)
            .with_vectors(VECTORS.into());
        Self { plain, registers, news, trick }
    }

    fn write_register(&self, offset: u32, value: u32) {
        let mut registers = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = registers.write(offset, value) {
            // Nobody listens any more while the machine is being ended.
            let _ = self.news.send(news);
        }
    }
}

impl Card for E1000eCard {
    fn bar_bytes(&self, bar: u8) -> u64 {
        self.plain.bar_bytes(bar)
    }

    fn vectors(&self) -> u32 {
        self.plain.vectors()
    }

    fn read(&mut self, region: Region, offset: u64, data: &mut [u8]) {
        if region != Region::Bar(0) {
            return self.plain.read(region, offset, data);
        }
        if self.trick == Trick::SlowRegisters {
            std::thread::sleep(Duration::from_millis(50));
        }
        let value = match u32::try_from(offset) {
            Ok(offset) => self.registers.lock().unwrap_or_else(PoisonError::into_inner).read(offset),
            Err(_) => u32::MAX,
        };
        data.iter_mut().zip(value.to_le_bytes()).for_each(|(byte, value)| *byte = value);
    }

    fn write(&mut self, region: Region, offset: u64, data: &[u8]) {
        match (region, u32::try_from(offset), data.first_chunk()) {
            (Region::Bar(0), Ok(offset), Some(bytes)) => {
                self.write_register(offset, u32::from_le_bytes(*bytes))
            }
            (Region::Bar(0), ..) => (),
            _ => self.plain.write(region, offset, data),
        }
    }

    fn reset(&mut self) {
        self.plain.reset();
        self.write_register(0, 1 << 26);
    }
}
