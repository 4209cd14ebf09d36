//! How a machine is switched off: the `\_S5` object of a DSDT or SSDT.
//!
//! The object is a constant package in every table seen, so it is found by its bytes, without an
//! interpreter: ACPI "Sleeping/Wake Control Registers", "\_Sx (System States)", "AML Grammar Definition".

/// What to write into the sleep type fields of the two PM1 control registers to switch the machine off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftOff {
    /// For PM1a, 3 bits.
    pub pm1a: u8,
    /// For PM1b, 3 bits.
    pub pm1b: u8,
}

const NAME_OP: u8 = 0x08;
const PACKAGE_OP: u8 = 0x12;
const ROOT_PREFIX: u8 = b'\\';
const NAME: &[u8; 4] = b"_S5_";

/// The sleep type fields are 3 bits wide.
const MAX_SLEEP_TYPE: u64 = 7;

impl SoftOff {
    /// Finds the first well-formed definition in a table's AML, the header left out or not.
    pub fn find(aml: &[u8]) -> Option<Self> {
        (0..aml.len()).find_map(|start| Self::parse(aml.get(start..)?))
    }

    /// Reads a definition that starts with the first byte.
    fn parse(aml: &[u8]) -> Option<Self> {
        let aml = aml.strip_prefix(&[NAME_OP])?;
        let aml = aml.strip_prefix(&[ROOT_PREFIX]).unwrap_or(aml);
        let aml = aml.strip_prefix(NAME)?.strip_prefix(&[PACKAGE_OP])?;
        let package = package_contents(aml)?;
        let (&elements, values) = package.split_first()?;
        if elements < 2 {
            return None;
        }
        let (pm1a, values) = integer(values)?;
        let (pm1b, _) = integer(values)?;
        let sleep_type = |value: u64| u8::try_from(value).ok().filter(|_| value <= MAX_SLEEP_TYPE);
        Some(Self { pm1a: sleep_type(pm1a)?, pm1b: sleep_type(pm1b)? })
    }
}

/// What a package's length covers, behind the length itself (ACPI "Package Length Encoding").
fn package_contents(aml: &[u8]) -> Option<&[u8]> {
    let lead = *aml.first()?;
    let following = usize::from(lead >> 6);
    let mut length = if following == 0 { usize::from(lead & 0x3f) } else { usize::from(lead & 0x0f) };
    let bytes = aml.get(1..1 + following)?;
    for (shift, &byte) in (4..).step_by(8).zip(bytes) {
        length |= usize::from(byte) << shift;
    }
    aml.get(1 + following..length)
}

/// A constant and what follows it (ACPI "Data Objects Encoding").
fn integer(aml: &[u8]) -> Option<(u64, &[u8])> {
    let (&opcode, rest) = aml.split_first()?;
    let width = match opcode {
        0x00 => return Some((0, rest)),
        0x01 => return Some((1, rest)),
        0x0a => 1,
        0x0b => 2,
        0x0c => 4,
        0x0e => 8,
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(width)?;
    Some((bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn soft_off(pm1a: u8, pm1b: u8) -> Option<SoftOff> {
        Some(SoftOff { pm1a, pm1b })
    }

    #[test]
    fn definitions_are_found_in_their_usual_forms() {
        // Four zeros, as QEMU has it.
        assert_eq!(SoftOff::find(b"DSDT\x08_S5_\x12\x06\x04\x00\x00\x00\x00"), soft_off(0, 0));
        // Bytes with their prefix, a root prefix, something before and behind.
        assert_eq!(
            SoftOff::find(b"_S5_\x08\\_S5_\x12\x0a\x04\x0a\x05\x0a\x07\x01\x00\xff\xff"),
            soft_off(5, 7)
        );
        // A length of two bytes, wider integers.
        assert_eq!(
            SoftOff::find(b"\x08_S5_\x12\x4b\x00\x02\x0b\x07\x00\x0c\x01\x00\x00\x00"),
            soft_off(7, 1)
        );
    }

    #[test]
    fn the_first_sound_definition_counts() {
        let aml = b"\x08_S5_\x12\x04\x02\x0a\x09\x08_S5_\x12\x04\x02\x01\x00";
        assert_eq!(SoftOff::find(aml), soft_off(1, 0));
    }

    #[test]
    fn damaged_definitions_are_no_definitions() {
        for aml in [
            &b""[..],
            b"\x08_S5_",
            b"\x08_S5_\x12",
            b"\x08_S5_\x12\x00",
            b"\x08_S5_\x12\x06\x04\x00",
            b"\x08_S5_\x12\x02\x02\x01\x01",
            b"\x08_S5_\x12\x04\x01\x01\x01",
            b"\x08_S5_\x12\x06\x02\x0a\x08\x0a\x00",
            b"\x08_S5_\x12\x05\x02\x70\x0a\x00",
            b"\x08_S5_\x12\xff\xff\xff\xff",
            b"_S5_\x12\x06\x04\x00\x00\x00\x00",
        ] {
            assert_eq!(SoftOff::find(aml), None, "{aml:?}");
        }
    }

    proptest! {
        #[test]
        fn no_table_panics(before: Vec<u8>, behind: Vec<u8>) {
            SoftOff::find(&[&before[..], b"\x08_S5_\x12", &behind].concat());
        }
    }
}
