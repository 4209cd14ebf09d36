//! Counting processors, ACPI "Multiple APIC Description Table (MADT)".

/// Bytes before the first structure.
const STRUCTURES: usize = 44;
/// Structure: a processor with an 8-bit APIC id; its flags stand at 4.
const LOCAL_APIC: (u8, usize) = (0, 4);
/// Structure: a processor with a 32-bit APIC id; its flags stand at 8.
const LOCAL_X2APIC: (u8, usize) = (9, 8);
/// Flag: the processor may be used.
const ENABLED: u8 = 1;

/// Counts the enabled processors that a MADT lists. What follows a structure with an impossible length is not
/// looked at.
pub fn processors(madt: &[u8]) -> usize {
    let mut rest = madt.get(STRUCTURES..).unwrap_or(&[]);
    let mut count = 0_usize;
    while let Some((structure, after)) = split(rest) {
        let enabled = [LOCAL_APIC, LOCAL_X2APIC].iter().any(|&(kind, flags)| {
            structure.first() == Some(&kind) && structure.get(flags).is_some_and(|byte| byte & ENABLED != 0)
        });
        count = count.saturating_add(usize::from(enabled));
        rest = after;
    }
    count
}

/// Splits a structure off; its second byte is its length.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = usize::from(*bytes.get(1)?);
    if len < 2 { None } else { bytes.split_at_checked(len) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn madt(structures: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; STRUCTURES];
        bytes.extend(structures.concat());
        bytes
    }

    #[test]
    fn enabled_processors_of_both_kinds_count() {
        let apic = |flags| [0, 8, 0, 0, flags, 0, 0, 0];
        let x2apic: [u8; 16] = [9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        let io_apic = [1, 12, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(processors(&madt(&[&apic(1), &apic(0), &io_apic, &x2apic, &apic(1)])), 3);
    }

    #[test]
    fn impossible_lengths_end_the_count() {
        let apic = [0, 8, 0, 0, 1, 0, 0, 0];
        for broken in [&[0_u8, 0][..], &[5, 1], &[0, 200], &[0]] {
            assert_eq!(processors(&madt(&[&apic, broken])), 1, "{broken:?}");
        }
        assert_eq!(processors(&[0; 10]), 0);
    }
}
