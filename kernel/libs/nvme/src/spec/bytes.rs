//! Little-endian numbers from data that a device wrote; what lies beyond the end is zero.

/// The `N` bytes at an offset.
pub(super) fn array<const N: usize>(data: &[u8], offset: usize) -> [u8; N] {
    let found = offset.checked_add(N).and_then(|end| data.get(offset..end));
    found.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

/// A byte.
pub(super) fn u8_at(data: &[u8], offset: usize) -> u8 {
    let [byte] = array(data, offset);
    byte
}

/// A 16-bit number.
pub(super) fn u16_at(data: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array(data, offset))
}

/// A 32-bit number.
pub(super) fn u32_at(data: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array(data, offset))
}

/// A 64-bit number.
pub(super) fn u64_at(data: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array(data, offset))
}

/// A 128-bit counter, cut off at 64 bits.
pub(super) fn counter_at(data: &[u8], offset: usize) -> u64 {
    u64::try_from(u128::from_le_bytes(array(data, offset))).unwrap_or(u64::MAX)
}
