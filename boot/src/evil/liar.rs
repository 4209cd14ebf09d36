//! A card that lies in its configuration space.

use vfio_device::{Card, Region};

/// What configuration space says instead of the truth. It says so once firmware has placed the device: QEMU and firmware
/// see a harmless device of no class and no known model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lie {
    /// The lie, in a few words.
    pub(super) name: &'static str,
    /// What QEMU is shown: it answers itself for capabilities that it knows.
    pub(super) shown: Shown,
    /// Changes what is read: the how manieth look, the offset, the bytes.
    pub(super) tell: fn(u64, usize, &mut [u8]),
    /// What stands in registers that QEMU answers for, put there from outside: offset and value.
    pub(super) forced: &'static [(u64, Forced)],
}

/// A value that is put into a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forced {
    /// This one.
    Value(u32),
    /// What a neighbour's register holds.
    Neighbour {
        /// The neighbour's slot on bus 0.
        slot: u8,
        /// The offset of its register.
        register: u64,
    },
}

/// Whether QEMU sees the capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It sees them, so that interrupts work.
    Capabilities,
    /// It sees none, so that all of the list is the device's own.
    Nothing,
}

/// The truth.
pub(super) const TRUTH: Lie =
    Lie { name: "the truth", shown: Shown::Capabilities, tell: |_, _, _| (), forced: &[] };

/// Puts bytes at a place of configuration space into what is being read.
pub(super) fn overlay(offset: usize, data: &mut [u8], place: usize, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        if let Some(slot) = (place + index).checked_sub(offset).and_then(|at| data.get_mut(at)) {
            *slot = *byte;
        }
    }
}

/// A model that firmware has no driver for, whoever the maker is: its drivers wait without limit.
const NOBODY: u16 = 0xfff0;
/// The command register's bit by which firmware switches a placed device on.
const MEMORY: u8 = 1 << 1;

/// A card with a lie.
#[derive(Debug)]
pub(super) struct Liar<C> {
    pub(super) inner: C,
    lie: Lie,
    placed: bool,
    looks: u64,
}

impl<C> Liar<C> {
    pub(super) fn new(inner: C, lie: Lie) -> Self {
        Self { inner, lie, placed: false, looks: 0 }
    }

    /// Whether firmware has placed the device, so that it lies now.
    pub(super) fn is_placed(&self) -> bool {
        self.placed
    }
}

impl<C: Card> Card for Liar<C> {
    fn bar_bytes(&self, bar: u8) -> u64 {
        self.inner.bar_bytes(bar)
    }

    fn vectors(&self) -> u32 {
        self.inner.vectors()
    }

    fn read(&mut self, region: Region, offset: u64, data: &mut [u8]) {
        self.inner.read(region, offset, data);
        if region != Region::Config {
            return;
        }
        let offset = usize::try_from(offset).unwrap_or(usize::MAX / 2);
        if self.placed {
            self.looks += 1;
            (self.lie.tell)(self.looks, offset, data);
            return;
        }
        overlay(offset, data, 0x02, &NOBODY.to_le_bytes());
        overlay(offset, data, 0x09, &[0, 0, 0xff]);
        if self.lie.shown == Shown::Nothing {
            overlay(offset, data, 0x06, &[0]);
            overlay(offset, data, 0x34, &[0]);
        }
    }

    fn write(&mut self, region: Region, offset: u64, data: &[u8]) {
        if region == Region::Config && offset == 4 && data.first().is_some_and(|byte| byte & MEMORY != 0) {
            self.placed = true;
        }
        self.inner.write(region, offset, data);
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfio_device::{ConfigSpace, Identity, PlainCard};

    fn read(card: &mut impl Card, offset: u64) -> [u8; 4] {
        let mut data = [0; 4];
        card.read(Region::Config, offset, &mut data);
        data
    }

    #[test]
    fn the_lie_begins_when_firmware_is_done() {
        let config = ConfigSpace::new(Identity { vendor: 1, device: 2, class: 0x01_0802 }).express_endpoint();
        let lie = Lie {
            name: "",
            shown: Shown::Nothing,
            tell: |_, offset, data| overlay(offset, data, 0x0e, &[0x7f]),
            forced: &[],
        };
        let mut card = Liar::new(PlainCard::new(config), lie);
        assert_eq!(read(&mut card, 0), [1, 0, 0xf0, 0xff]);
        assert_eq!(read(&mut card, 8), [1, 0, 0, 0xff]);
        assert_eq!((read(&mut card, 4)[2], read(&mut card, 0x34)[0]), (0, 0));
        card.write(Region::Config, 4, &[2, 0]);
        assert!(card.is_placed());
        assert_eq!(read(&mut card, 0), [1, 0, 2, 0]);
        assert_eq!(read(&mut card, 8), [1, 2, 8, 1]);
        assert_eq!((read(&mut card, 4)[2], read(&mut card, 0x34)[0]), (0x10, 0x40));
        assert_eq!(read(&mut card, 0x0c)[2], 0x7f);
    }

    #[test]
    fn an_overlay_touches_what_is_read_only() {
        let mut data = [0; 2];
        overlay(0x10, &mut data, 0x0f, &[1, 2, 3, 4]);
        assert_eq!(data, [2, 3]);
        overlay(0x10, &mut data, 0x20, &[9]);
        assert_eq!(data, [2, 3]);
    }
}
