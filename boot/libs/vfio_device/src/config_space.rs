//! A configuration space that is being built, and then read and written.

/// What a function calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its maker.
    pub vendor: u16,
    /// Its model.
    pub device: u16,
    /// Class, subclass, programming interface: 24 bits.
    pub class: u32,
}

/// The kind of a base address register. Its size is the card's; QEMU answers for the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Memory below 4 GiB.
    Memory32,
    /// Memory anywhere; takes the next register as well.
    Memory64,
}

/// Where an MSI-X table and its pending bits lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsixTable {
    /// How many vectors there are.
    pub vectors: u16,
    /// The base address register of both.
    pub bar: u8,
    /// The table's offset there.
    pub table: u32,
    /// The pending bits' offset there.
    pub pending: u32,
}

/// Bytes of a configuration space.
const BYTES: usize = 4096;
/// Where the capability list begins.
const LIST_HEAD: usize = 0x34;
/// Where the extended list begins.
const EXTENDED: usize = 0x100;

/// A configuration space and what of it can be written.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    bytes: Vec<u8>,
    writable: Vec<u8>,
    /// Where the next capability goes, and which byte points to it.
    free: usize,
    link: usize,
    extended: Option<usize>,
    extended_free: usize,
}

impl ConfigSpace {
    /// An endpoint without capabilities.
    pub fn new(identity: Identity) -> Self {
        let mut space = Self {
            bytes: vec![0; BYTES],
            writable: vec![0; BYTES],
            free: 0x40,
            link: LIST_HEAD,
            extended: None,
            extended_free: EXTENDED,
        };
        space.set(0, &identity.vendor.to_le_bytes());
        space.set(2, &identity.device.to_le_bytes());
        space.set(8, &(identity.class << 8 | 1).to_le_bytes());
        space.set(0x2c, &identity.vendor.to_le_bytes());
        space.set(0x2e, &identity.device.to_le_bytes());
        space.allow(0x04, &[0x47, 0x05]);
        space.allow(0x0c, &[0xff]);
        space.allow(0x3c, &[0xff]);
        space.set(0x3d, &[1]);
        space
    }

    /// Gives a base address register its kind.
    pub fn bar(mut self, index: u8, bar: Bar) -> Self {
        let kind = match bar {
            Bar::Memory32 => 0,
            Bar::Memory64 => 4,
        };
        self.set(0x10 + 4 * usize::from(index), &[kind]);
        self
    }

    /// Appends a capability: what follows its id and the pointer to the next.
    pub fn capability(mut self, id: u8, body: &[u8]) -> Self {
        let at = self.free;
        self.set(self.link, &[u8::try_from(at).unwrap_or(0)]);
        self.set(at, &[id, 0]);
        self.set(at + 2, body);
        self.set(0x06, &[0x10]);
        self.link = at + 1;
        self.free = (at + 2 + body.len()).next_multiple_of(4);
        self
    }

    /// A PCI Express capability, version 2: an endpoint that can be reset.
    pub fn express_endpoint(self) -> Self {
        let mut body = [0; 0x3a];
        body[0] = 0x02;
        // Device capabilities: function-level reset, role-based errors.
        body[2..6].copy_from_slice(&0x1000_8000_u32.to_le_bytes());
        let control = self.free + 8;
        let mut space = self.capability(0x10, &body);
        space.allow(control, &[0xff, 0x7f]);
        space
    }

    /// A power management capability.
    pub fn power_management(self) -> Self {
        let control = self.free + 4;
        let mut space = self.capability(0x01, &[3, 0, 0, 0, 0, 0]);
        space.allow(control, &[0x03]);
        space
    }

    /// An MSI-X capability.
    pub fn msix(self, table: MsixTable) -> Self {
        let mut body = [0; 10];
        body[..2].copy_from_slice(&table.vectors.saturating_sub(1).to_le_bytes());
        body[2..6].copy_from_slice(&(table.table | u32::from(table.bar)).to_le_bytes());
        body[6..].copy_from_slice(&(table.pending | u32::from(table.bar)).to_le_bytes());
        let control = self.free + 3;
        let mut space = self.capability(0x11, &body);
        space.allow(control, &[0xc0]);
        space
    }

    /// Appends an extended capability: what follows its header.
    pub fn extended_capability(mut self, id: u16, version: u8, body: &[u8]) -> Self {
        let at = self.extended_free;
        if let Some(last) = self.extended {
            let next = u16::try_from(at).unwrap_or(0) << 4;
            let low = self.bytes.get(last + 2).copied().unwrap_or(0) & 0xf;
            self.set(last + 2, &(next | u16::from(low)).to_le_bytes());
        }
        self.set(at, &(u32::from(id) | u32::from(version) << 16).to_le_bytes());
        self.set(at + 4, body);
        self.extended = Some(at);
        self.extended_free = (at + 4 + body.len()).next_multiple_of(4);
        self
    }

    /// Puts bytes somewhere, whatever may be written there. What lies beyond the end is dropped.
    pub fn set(&mut self, offset: usize, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(offset).zip(bytes) {
            *place = *byte;
        }
    }

    /// Which bits the machine may write there.
    pub fn allow(&mut self, offset: usize, bits: &[u8]) {
        for (place, byte) in self.writable.iter_mut().skip(offset).zip(bits) {
            *place = *byte;
        }
    }

    /// Reads as the machine does; beyond the end are ones.
    pub fn read(&self, offset: usize, data: &mut [u8]) {
        for (index, byte) in data.iter_mut().enumerate() {
            *byte = self.bytes.get(offset + index).copied().unwrap_or(0xff);
        }
    }

    /// Writes as the machine does: only bits that may be written change.
    pub fn write(&mut self, offset: usize, data: &[u8]) {
        let places = self.bytes.iter_mut().zip(&self.writable).skip(offset);
        for ((place, mask), byte) in places.zip(data) {
            *place = *place & !mask | byte & mask;
        }
    }

    /// Where a capability stands, by its place in the list and not by following pointers.
    pub fn capability_offset(&self, id: u8) -> Option<usize> {
        let mut at = usize::from(*self.bytes.get(LIST_HEAD)?);
        for _ in 0..48 {
            let entry = self.bytes.get(at..at + 2).filter(|_| at >= 0x40)?;
            if entry[0] == id {
                return Some(at);
            }
            at = usize::from(entry[1]);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> ConfigSpace {
        ConfigSpace::new(Identity { vendor: 0x1234, device: 0xbad0, class: 0x01_0802 })
    }

    fn bytes<const N: usize>(space: &ConfigSpace, offset: usize) -> [u8; N] {
        let mut data = [0; N];
        space.read(offset, &mut data);
        data
    }

    #[test]
    fn identity_and_kinds_of_bars_stand_where_they_belong() {
        let space = space().bar(0, Bar::Memory64).bar(2, Bar::Memory32);
        assert_eq!(bytes(&space, 0), [0x34, 0x12, 0xd0, 0xba]);
        assert_eq!(bytes(&space, 8), [1, 2, 8, 1]);
        assert_eq!(bytes(&space, 0x10), [4, 0, 0, 0]);
        assert_eq!(bytes(&space, 0x18), [0, 0, 0, 0]);
        assert_eq!(bytes(&space, 4095), [0, 0xff], "beyond the end");
    }

    #[test]
    fn capabilities_are_linked_in_order() {
        let table = MsixTable { vectors: 4, bar: 0, table: 0x2000, pending: 0x3000 };
        let space = space().express_endpoint().power_management().msix(table);
        assert_eq!(bytes(&space, 6), [0x10]);
        assert_eq!(bytes(&space, 0x34), [0x40]);
        let express = space.capability_offset(0x10).unwrap();
        let power = space.capability_offset(0x01).unwrap();
        let msix = space.capability_offset(0x11).unwrap();
        assert!(express < power && power < msix);
        assert_eq!(bytes(&space, msix), [0x11, 0, 3, 0, 0, 0x20, 0, 0, 0, 0x30, 0, 0]);
        assert_eq!(space.capability_offset(0x05), None);
    }

    #[test]
    fn extended_capabilities_are_linked_too() {
        let space = space().extended_capability(0x1, 2, &[0; 0x40]).extended_capability(0xd, 1, &[0; 4]);
        assert_eq!(bytes(&space, 0x100), 0x1442_0001_u32.to_le_bytes());
        assert_eq!(bytes(&space, 0x144), 0x0001_000d_u32.to_le_bytes());
    }

    #[test]
    fn only_what_may_be_written_changes() {
        let mut space = space();
        space.write(0, &[0; 4]);
        space.write(4, &[0xff, 0xff, 0xff]);
        assert_eq!(bytes(&space, 0), [0x34, 0x12, 0xd0, 0xba]);
        assert_eq!(bytes(&space, 4), [0x47, 0x05, 0x00]);
        space.write(4096, &[1]);
        space.set(0, &[0xff; 4]);
        assert_eq!(bytes(&space, 0), [0xff; 4]);
    }

    #[test]
    fn a_loop_of_capabilities_ends_the_search() {
        let mut space = space().power_management();
        space.set(0x41, &[0x40]);
        assert_eq!(space.capability_offset(0x11), None);
    }
}
