//! Message-signalled interrupts, PCI "MSI and MSI-X Operation".

use crate::config::ConfigSpace;
use core::fmt;
use dma_types::{Bdf, MsiMessage};

/// Message control of MSI and of MSI-X.
const CONTROL: u16 = 0x02;
/// MSI: message address; the rest of the layout depends on its width.
const ADDRESS: u16 = 0x04;
/// MSI control: on.
const MSI_ENABLE: u16 = 1 << 0;
/// MSI control: how many vectors software allows, as a power of two.
const MULTIPLE_ENABLE: u16 = 7 << 4;
/// MSI-X: table offset with the number of its window in the low three bits.
const TABLE: u16 = 0x04;
/// MSI-X: the same for the pending bits.
const PENDING: u16 = 0x08;
/// MSI-X control: all vectors masked.
const MSIX_MASK_ALL: u16 = 1 << 14;
/// MSI-X control: on.
const MSIX_ENABLE: u16 = 1 << 15;

/// The MSI capability of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiCapability {
    /// Where it stands in configuration space.
    pub offset: u16,
    /// How wide the address is.
    pub address: MsiAddress,
    /// Vectors can be masked one by one.
    pub vector_masking: bool,
}

/// Width of the message address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsiAddress {
    /// Messages can be written below 4 GiB only.
    Bits32,
    /// Messages can be written anywhere.
    Bits64,
}

/// Whether an interrupt is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// The message is held back and stays pending.
    Masked,
    /// The message is let through.
    Unmasked,
}

/// Why a message could not be programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsiError {
    /// The function takes addresses below 4 GiB only.
    AddressTooHigh {
        /// The message's address, which does not fit.
        address: u64,
    },
    /// The function writes 16 bits only.
    DataTooWide {
        /// The message's data, which do not fit.
        data: u32,
    },
    /// The function cannot mask single vectors.
    NoVectorMasking,
}

impl fmt::Display for MsiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressTooHigh { address } => {
                write!(f, "message address {address:#x} is above the 4 GiB that the function takes")
            }
            Self::DataTooWide { data } => {
                write!(f, "message data {data:#x} has more than the 16 bits of a message")
            }
            Self::NoVectorMasking => f.write_str("the function cannot mask its message"),
        }
    }
}

impl core::error::Error for MsiError {}

impl MsiCapability {
    /// Reads the capability that stands at `offset`.
    pub(crate) fn read(config: &impl ConfigSpace, function: Bdf, offset: u16) -> Self {
        let control = config.read16(function, offset + CONTROL);
        Self {
            offset,
            address: if control & 1 << 7 != 0 { MsiAddress::Bits64 } else { MsiAddress::Bits32 },
            vector_masking: control & 1 << 8 != 0,
        }
    }

    /// Programs one message and switches MSI on, unmasked.
    ///
    /// # Errors
    /// If the function cannot send the message; then MSI is left as it was.
    pub fn enable(
        &self,
        config: &impl ConfigSpace,
        function: Bdf,
        message: MsiMessage,
    ) -> Result<(), MsiError> {
        let (low, high) = (message.address as u32, (message.address >> 32) as u32);
        if self.address == MsiAddress::Bits32 && high != 0 {
            return Err(MsiError::AddressTooHigh { address: message.address });
        }
        let data = u16::try_from(message.data).map_err(|_| MsiError::DataTooWide { data: message.data })?;
        self.disable(config, function);
        config.write32(function, self.offset + ADDRESS, low);
        if self.address == MsiAddress::Bits64 {
            config.write32(function, self.offset + ADDRESS + 4, high);
        }
        config.write16(function, self.data_offset(), data);
        if self.vector_masking {
            config.write32(function, self.mask_offset(), 0);
        }
        let control = config.read16(function, self.offset + CONTROL);
        config.write16(function, self.offset + CONTROL, control & !MULTIPLE_ENABLE | MSI_ENABLE);
        Ok(())
    }

    /// Switches MSI off: no message is sent any more.
    pub fn disable(&self, config: &impl ConfigSpace, function: Bdf) {
        let control = config.read16(function, self.offset + CONTROL);
        config.write16(function, self.offset + CONTROL, control & !MSI_ENABLE);
    }

    /// Holds the first vector back, or lets it through; what is held back stays pending in the function.
    pub fn set_mask(&self, config: &impl ConfigSpace, function: Bdf, to: Mask) -> Result<(), MsiError> {
        if !self.vector_masking {
            return Err(MsiError::NoVectorMasking);
        }
        let others = config.read32(function, self.mask_offset()) & !1;
        config.write32(function, self.mask_offset(), others | u32::from(to == Mask::Masked));
        Ok(())
    }

    const fn data_offset(&self) -> u16 {
        match self.address {
            MsiAddress::Bits32 => self.offset + 0x08,
            MsiAddress::Bits64 => self.offset + 0x0c,
        }
    }

    const fn mask_offset(&self) -> u16 {
        self.data_offset() + 4
    }
}

/// Where a table of MSI-X lies: in one of the function's windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLocation {
    /// Index of the base address register, 0 to 7; above 5 there is none.
    pub bar: u8,
    /// Bytes from the window's start, a multiple of 8.
    pub offset: u32,
}

impl TableLocation {
    const fn from_register(value: u32) -> Self {
        Self { bar: (value & 7) as u8, offset: value & !7 }
    }
}

/// The MSI-X capability of a function. The vectors stand in the function's memory, 16 bytes each:
/// address, upper address, data, control with the mask in bit 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsixCapability {
    /// Where it stands in configuration space.
    pub offset: u16,
    /// Number of vectors, 1 to 2048.
    pub vectors: u16,
    /// Where the vectors stand.
    pub table: TableLocation,
    /// Where the pending bits stand.
    pub pending: TableLocation,
}

/// State of MSI-X as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsixState {
    /// MSI-X is off: no message is sent.
    Off,
    /// Used, every vector held back: for programming the table.
    Masked,
    /// MSI-X is on, and each vector's own mask counts.
    On,
}

impl MsixCapability {
    /// Reads the capability that stands at `offset`.
    pub(crate) fn read(config: &impl ConfigSpace, function: Bdf, offset: u16) -> Self {
        Self {
            offset,
            vectors: (config.read16(function, offset + CONTROL) & 0x7ff) + 1,
            table: TableLocation::from_register(config.read32(function, offset + TABLE)),
            pending: TableLocation::from_register(config.read32(function, offset + PENDING)),
        }
    }

    /// Whether messages are used now.
    pub fn state(&self, config: &impl ConfigSpace, function: Bdf) -> MsixState {
        let control = config.read16(function, self.offset + CONTROL);
        match (control & MSIX_ENABLE != 0, control & MSIX_MASK_ALL != 0) {
            (false, _) => MsixState::Off,
            (true, true) => MsixState::Masked,
            (true, false) => MsixState::On,
        }
    }

    /// Switches MSI-X as a whole; the masks of single vectors stay.
    pub fn set_state(&self, config: &impl ConfigSpace, function: Bdf, to: MsixState) {
        let control = config.read16(function, self.offset + CONTROL) & !(MSIX_ENABLE | MSIX_MASK_ALL);
        let bits = match to {
            MsixState::Off => 0,
            MsixState::Masked => MSIX_ENABLE | MSIX_MASK_ALL,
            MsixState::On => MSIX_ENABLE,
        };
        config.write16(function, self.offset + CONTROL, control | bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};

    const MESSAGE: MsiMessage = MsiMessage { address: 0xfee0_0000, data: 0x41 };

    fn space(control: u16) -> (FakeSpace, MsiCapability) {
        let space =
            FakeSpace::new().endpoint("00:03.0", 0x1234, 0x11e8).with("00:03.0", |f| f.set16(0x42, control));
        let msi = MsiCapability::read(&space, bdf("00:03.0"), 0x40);
        (space, msi)
    }

    #[test]
    fn each_layout_puts_the_data_in_its_place() {
        let at = bdf("00:03.0");
        for (control, data, mask) in [
            (0x0000, 0x48, None),
            (0x0080, 0x4c, None),
            (0x0100, 0x48, Some(0x4c)),
            (0x0180, 0x4c, Some(0x50)),
        ] {
            let (space, msi) = space(control | 0x70);
            assert_eq!(msi.enable(&space, at, MESSAGE), Ok(()));
            assert_eq!(space.read32(at, 0x44), 0xfee0_0000);
            assert_eq!(space.read16(at, data), 0x41, "control {control:#x}");
            assert_eq!(space.read16(at, 0x42), control | 1, "one vector, on");
            let masked = msi.set_mask(&space, at, Mask::Masked);
            assert_eq!(masked.is_ok(), mask.is_some());
            if let Some(mask) = mask {
                assert_eq!(space.read32(at, mask), 1);
                msi.set_mask(&space, at, Mask::Unmasked).unwrap();
                assert_eq!(space.read32(at, mask), 0);
            }
            msi.disable(&space, at);
            assert_eq!(space.read16(at, 0x42), control);
        }
    }

    #[test]
    fn high_addresses_need_the_wide_layout() {
        let high = MsiMessage { address: 0x1_fee0_0000, ..MESSAGE };
        let (space_32, msi) = space(0);
        let refused = Err(MsiError::AddressTooHigh { address: 0x1_fee0_0000 });
        assert_eq!(msi.enable(&space_32, bdf("00:03.0"), high), refused);
        assert!(space_32.writes().is_empty());
        let (space_64, msi) = space(0x80);
        assert_eq!(msi.enable(&space_64, bdf("00:03.0"), high), Ok(()));
        assert_eq!(space_64.read32(bdf("00:03.0"), 0x48), 1);
    }

    #[test]
    fn data_of_more_than_16_bits_is_refused_before_anything_is_written() {
        let (space, msi) = space(0x80);
        let wide = MsiMessage { data: 0x1_0041, ..MESSAGE };
        assert_eq!(msi.enable(&space, bdf("00:03.0"), wide), Err(MsiError::DataTooWide { data: 0x1_0041 }));
        assert!(space.writes().is_empty());
    }

    #[test]
    fn the_vector_table_is_located_and_switched() {
        let at = bdf("00:05.0");
        let space = FakeSpace::new()
            .endpoint("00:05.0", 0x1b36, 0x10)
            .with("00:05.0", |f| f.set16(0x42, 0x0040).set32(0x44, 0x2004).set32(0x48, 0x3004));
        let msix = MsixCapability::read(&space, at, 0x40);
        assert_eq!(msix.vectors, 65);
        assert_eq!(msix.table, TableLocation { bar: 4, offset: 0x2000 });
        assert_eq!(msix.pending, TableLocation { bar: 4, offset: 0x3000 });
        for (state, control) in
            [(MsixState::Masked, 0xc040), (MsixState::On, 0x8040), (MsixState::Off, 0x0040)]
        {
            msix.set_state(&space, at, state);
            assert_eq!((space.read16(at, 0x42), msix.state(&space, at)), (control, state));
        }
    }
}
