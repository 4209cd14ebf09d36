//! Devices outside PCI (VT-d "ACPI Name-space Device Declaration Structure").

use crate::reader::Reader;
use crate::record::Record;

/// A device that only the ACPI namespace knows. Scopes refer to it by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Andd<'a> {
    /// Where in the table the structure begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// Reserved bytes, as they stand.
    pub reserved: [u8; 3],
    /// The number that scopes of kind `NAMESPACE` carry as their enumeration id.
    pub device_number: u8,
    /// The name's bytes to the structure's end, terminator and padding included.
    pub name_field: &'a [u8],
}

impl<'a> Andd<'a> {
    /// The number of this kind of structure.
    pub const KIND: u16 = 4;

    /// Decodes the structure; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let mut fields = Reader::new(record.body);
        Some(Self {
            offset: record.offset,
            length: record.length,
            reserved: fields.bytes()?,
            device_number: fields.u8()?,
            name_field: fields.rest(),
        })
    }

    /// The device's path in the namespace: the bytes before the first NUL, or all if there is none.
    ///
    /// Firmware's text: any byte may stand in it; show it escaped.
    pub fn name(&self) -> &'a [u8] {
        self.name_field.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Tells whether a NUL ends the name.
    pub fn is_terminated(&self) -> bool {
        self.name_field.contains(&0)
    }

    /// The bytes after the terminator; zeros where the name was only padded.
    pub fn padding(&self) -> &'a [u8] {
        let start = self.name().len().saturating_add(1);
        self.name_field.get(start..).unwrap_or_default()
    }
}
