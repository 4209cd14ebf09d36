//! Reading a line, out of whatever text it was pasted into.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::{DIGEST_MARK, Digest, FaultDigest};
use crate::Interrupt;
use crate::value::{Access, Function, Hex, Text};

/// No field has a longer value.
const LONGEST_VALUE: usize = 512;

impl Digest<'static> {
    /// Reads the line that a text begins with, and tells where it ends. Line ends and blanks within it, from a
    /// terminal or mail that wrapped it, do no harm.
    ///
    /// `None` if the text begins with no such line, or the line lacks stop code and parameters.
    pub fn read(text: &[u8]) -> Option<(Self, usize)> {
        let mark = text.get(..DIGEST_MARK.len())?;
        if !mark.eq_ignore_ascii_case(DIGEST_MARK.as_bytes()) {
            return None;
        }
        let mut at = DIGEST_MARK.len();
        let mut fields = Vec::new();
        while let Some((field, end)) = text.get(at..).and_then(field) {
            fields.push(field);
            at += end;
        }
        let value = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let (code, parameters) = stop(value("stop")?)?;
        let words = |name: &str| value(name).map(|value| words(value));
        let fault = || {
            let (count, at_least) = count(value("n")?)?;
            Some(FaultDigest {
                requester: function(value("req")?)?,
                bdf: value("dev").and_then(|value| function(value)),
                id: words("id"),
                driver: words("drv"),
                access: Access::ALL
                    .into_iter()
                    .find(|access| Some(access.as_str()) == value("op").map(String::as_str))?,
                address: value("at").and_then(|value| hex(value)),
                reason: hex(value("why")?)?,
                verdict: words("is"),
                interrupt: words("kind").map(|kind| Interrupt {
                    index: value("idx").and_then(|value| u16::from_str_radix(value, 16).ok()),
                    kind,
                    owner: value("own").and_then(|value| function(value)),
                }),
                label: words("near"),
                site: words("site"),
                count,
                at_least,
            })
        };
        Some((Self { code, parameters, version: words("ver"), fault: fault(), detail: words("say") }, at))
    }
}

/// The field that a text begins with, and where it ends.
fn field(text: &[u8]) -> Option<((String, String), usize)> {
    let mut name = String::new();
    let mut value: Option<String> = None;
    for (at, byte) in text.iter().enumerate() {
        match (*byte, &mut value) {
            (byte, _) if byte.is_ascii_whitespace() => {}
            (b'=', None) if !name.is_empty() => value = Some(String::new()),
            (b'a'..=b'z', None) if name.len() < 8 => name.push(char::from(*byte)),
            (b';', Some(_)) => return Some(((name, value?), at + 1)),
            (byte @ 0x21..=0x7e, Some(value)) if value.len() < LONGEST_VALUE => value.push(char::from(byte)),
            _ => return None,
        }
    }
    None
}

fn hex(text: &str) -> Option<Hex> {
    u64::from_str_radix(text, 16).ok().map(Hex)
}

fn stop(text: &str) -> Option<(Hex, [Hex; 4])> {
    let mut numbers = text.split(',').map(hex);
    let mut next = || numbers.next().flatten();
    Some((next()?, [next()?, next()?, next()?, next()?]))
}

fn function(text: &str) -> Option<Function> {
    text.parse().ok().map(Function)
}

fn count(text: &str) -> Option<(u64, bool)> {
    let digits = text.strip_suffix('+');
    Some((digits.unwrap_or(text).parse().ok()?, digits.is_some()))
}

/// A text with what was spelled otherwise put back; what cannot be read stays as it is.
fn words(value: &str) -> Text<'static> {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().and_then(|digits| str::from_utf8(digits).ok());
        let spelled = digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = if spelled.is_some() { after.get(2..).unwrap_or_default() } else { after };
        bytes.push(spelled.unwrap_or(if byte == b'+' { b' ' } else { byte }));
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}
