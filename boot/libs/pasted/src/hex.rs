//! Numbers of hex digits, as systems print them.

/// The number that these characters are: 1 to 16 hex digits, with or without `0x`; a debugger's backtick may stand among
/// them. `None` if they are anything else.
///
/// ```
/// assert_eq!(pasted::hex::parse(b"0xffff8000`12345678"), Some(0xffff_8000_1234_5678));
/// assert_eq!(pasted::hex::parse(b"0x"), None);
/// ```
pub fn parse(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).unwrap_or(text);
    let mut value = 0_u64;
    let mut count = 0;
    for byte in digits.iter().filter(|byte| **byte != b'`') {
        value = value << 4 | u64::from(char::from(*byte).to_digit(16)?);
        count += 1;
    }
    (1..=16).contains(&count).then_some(value)
}
