//! Numbers on a command line.

use core::fmt;
use core::str::FromStr;

/// A number up to `MAX`, written in decimal or as `0x` and hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number<const MAX: u64>(pub u64);

/// A text that is no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParseNumberError;

impl fmt::Display for ParseNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a number")
    }
}

impl core::error::Error for ParseNumberError {}

impl<const MAX: u64> FromStr for Number<MAX> {
    type Err = ParseNumberError;

    fn from_str(text: &str) -> Result<Self, ParseNumberError> {
        let (digits, radix) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        // The number parser would also take a leading plus sign.
        let valid = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if valid { u64::from_str_radix(digits, radix).ok() } else { None };
        number.filter(|number| *number <= MAX).map(Self).ok_or(ParseNumberError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_ways_up_to_their_limit() {
        let read = |text: &str| text.parse::<Number<0x1000>>().map(|number| number.0);
        assert_eq!(
            [read("0"), read("4096"), read("0x1000"), read("0xff")],
            [Ok(0), Ok(4096), Ok(4096), Ok(255)]
        );
        for text in ["", "0x", "+1", "-1", "4097", "0x1001", "1f", "99999999999999999999", " 1"] {
            assert_eq!(read(text), Err(ParseNumberError), "{text:?}");
        }
        assert_eq!("0xffffffffffffffff".parse::<Number<{ u64::MAX }>>(), Ok(Number(u64::MAX)));
    }
}
