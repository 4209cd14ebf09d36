//! What the machine asks a device.

use crate::{Bar, ConfigSpace};

/// A space of a device that the machine reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Region {
    /// A base address register's, by its number.
    Bar(u8),
    /// Configuration space.
    Config,
}

/// One access of the machine to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where.
    pub region: Region,
    /// At which byte.
    pub offset: u64,
    /// Of how many bytes.
    pub bytes: usize,
    /// What was written, the first eight bytes of it; `None` for a read.
    pub written: Option<u64>,
}

/// What a device is made of, and how it answers. Its functions are called by the thread that answers the machine, which
/// stands still meanwhile: after five seconds QEMU gives the device up.
pub trait Card: Send + 'static {
    /// Bytes behind a base address register: a power of two, or 0 where there is none. Asked once.
    fn bar_bytes(&self, bar: u8) -> u64;

    /// How many MSI-X vectors there are. Asked once.
    fn vectors(&self) -> u32;

    /// The machine reads.
    fn read(&mut self, region: Region, offset: u64, data: &mut [u8]);

    /// The machine writes.
    fn write(&mut self, region: Region, offset: u64, data: &[u8]);

    /// The machine was reset, or the function was.
    fn reset(&mut self) {}
}

/// A card of a configuration space and registers that keep what is written into them. Devices with a mind of their own
/// contain one and pass on what they do not answer themselves.
#[derive(Clone, Debug)]
pub struct PlainCard {
    /// Its configuration space.
    pub config: ConfigSpace,
    /// What lies behind its base address registers.
    pub bars: [Vec<u8>; 6],
    /// How often it was reset.
    pub resets: usize,
    vectors: u32,
}

impl PlainCard {
    /// A card without registers.
    pub fn new(config: ConfigSpace) -> Self {
        Self { config, bars: Default::default(), resets: 0, vectors: 0 }
    }

    /// Puts registers behind a base address register, all of them zero.
    pub fn with_bar(mut self, index: u8, kind: Bar, bytes: usize) -> Self {
        self.config = self.config.bar(index, kind);
        if let Some(bar) = self.bars.get_mut(usize::from(index)) {
            *bar = vec![0; bytes];
        }
        self
    }

    /// Says how many MSI-X vectors the configuration space offers.
    pub fn with_vectors(mut self, vectors: u32) -> Self {
        self.vectors = vectors;
        self
    }

    /// Registers, to be read and changed by the device itself.
    pub fn bar(&mut self, index: u8) -> &mut [u8] {
        self.bars.get_mut(usize::from(index)).map(Vec::as_mut_slice).unwrap_or_default()
    }
}

impl Card for PlainCard {
    fn bar_bytes(&self, bar: u8) -> u64 {
        self.bars.get(usize::from(bar)).map_or(0, |bar| bar.len() as u64)
    }

    fn vectors(&self) -> u32 {
        self.vectors
    }

    fn read(&mut self, region: Region, offset: u64, data: &mut [u8]) {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        match region {
            Region::Config => self.config.read(offset, data),
            Region::Bar(bar) => {
                let bar = self.bar(bar);
                let stored = bar.get(offset..).unwrap_or_default();
                for (byte, value) in data.iter_mut().zip(stored.iter().chain(std::iter::repeat(&0xff))) {
                    *byte = *value;
                }
            }
        }
    }

    fn write(&mut self, region: Region, offset: u64, data: &[u8]) {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        match region {
            Region::Config => self.config.write(offset, data),
            Region::Bar(bar) => {
                for (place, byte) in self.bar(bar).iter_mut().skip(offset).zip(data) {
                    *place = *byte;
                }
            }
        }
    }

    fn reset(&mut self) {
        self.resets += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn card() -> PlainCard {
        let config = ConfigSpace::new(Identity { vendor: 1, device: 2, class: 0xff_0000 });
        PlainCard::new(config).with_bar(0, Bar::Memory32, 4096)
    }

    #[test]
    fn registers_keep_what_is_written_and_end_in_ones() {
        let mut card = card();
        card.write(Region::Bar(0), 4094, &[1, 2, 3]);
        let mut data = [0; 4];
        card.read(Region::Bar(0), 4094, &mut data);
        assert_eq!(data, [1, 2, 0xff, 0xff]);
        card.read(Region::Bar(3), 0, &mut data);
        assert_eq!(data, [0xff; 4]);
        assert_eq!((card.bar_bytes(0), card.bar_bytes(3), card.bar_bytes(9)), (4096, 0, 0));
    }

    #[test]
    fn the_far_end_of_the_address_space_is_no_register() {
        let mut card = card();
        card.write(Region::Bar(0), u64::MAX, &[1]);
        let mut data = [0; 2];
        card.read(Region::Config, u64::MAX - 4, &mut data);
        card.read(Region::Bar(0), u64::MAX, &mut data);
        assert_eq!(data, [0xff; 2]);
    }
}
