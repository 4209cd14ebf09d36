//! Dumps that are lists of bytes without offsets.
//!
//! ```text
//! 444d4152b800000001e9494e54454c20…        xxd -p
//! RE1BUrgAAAAB6UlOVEVMIENQX0RBTEUg…        base64
//! 0x44, 0x4d, 0x41, 0x52, …                C, Rust; \x44\x4d… in Python, hex:44,4d,… of the registry, 68, 77, … of JSON
//! ```
//!
//! A list begins with the signature of a table, however its bytes are spelled, and ends with what is none of it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::extract::SIGNATURES;
use super::rows::hex_digit;

/// No list of a table is longer.
const LARGEST: usize = 16 << 20;
/// Takes what is complete, with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The memory that the lists show.
pub(super) fn blobs(text: &[u8]) -> Vec<Vec<u8>> {
    let mut blobs = Vec::new();
    for signature in SIGNATURES {
        for read in [read_digits, read_base64, read_list] {
            blobs.extend(read(text, signature));
        }
    }
    blobs
}

/// Digits in pairs with nothing but line ends between them.
fn read_digits(text: &[u8], signature: [u8; 4]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = signature.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    let at = find(text, &digits)?;
    if at.checked_sub(1).is_some_and(|before| text[before].is_ascii_hexdigit()) {
        return None;
    }
    let all = |byte: &&u8| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace();
    let digits: Vec<u8> = text[at..].iter().take_while(all).filter_map(|byte| hex_digit(*byte)).collect();
    Some(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}

fn read_base64(text: &[u8], signature: [u8; 4]) -> Option<Vec<u8>> {
    // The last two bits of the fifth character belong to the byte behind.
    let begins = LENIENT.encode(signature);
    let at = text.windows(5).position(|window| window == &begins.as_bytes()[..5])?;
    let is_code = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if at.checked_sub(1).is_some_and(|before| is_code(&text[before])) {
        return None;
    }
    let mut code = Vec::new();
    for line in text[at..].split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let length = line.iter().take_while(|byte| is_code(byte)).count();
        code.extend(line[..length].iter().filter(|byte| **byte != b'='));
        if length < line.len() || length == 0 || line.ends_with(b"=") {
            break;
        }
    }
    // A single character holds no byte.
    let length = if code.len() % 4 == 1 { code.len() - 1 } else { code.len() };
    LENIENT.decode(&code[..length]).ok()
}

/// Bytes in hex or decimal, each by itself.
fn read_list(text: &[u8], signature: [u8; 4]) -> Option<Vec<u8>> {
    for radix in [16, 10] {
        let spelled = if radix == 16 { format!("{:02x}", signature[0]) } else { signature[0].to_string() };
        let mut from = 0;
        while let Some(at) = find(&text[from..], spelled.as_bytes()) {
            let start = from + at;
            let is_word = start
                .checked_sub(1)
                .is_some_and(|before| text[before].is_ascii_alphanumeric() && text[before] != b'x');
            if !is_word {
                let list = &text[start..];
                if bytes(list, radix, signature.len()) == signature {
                    return Some(bytes(list, radix, LARGEST));
                }
            }
            from = start + spelled.len();
        }
    }
    None
}

/// The bytes of a list that `text` begins with, so many at most.
fn bytes(text: &[u8], radix: u32, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while bytes.len() < most {
        let length = rest.iter().take(8).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let (word, behind) = rest.split_at(length);
        let digits = word
            .strip_prefix(b"0x")
            .or_else(|| word.strip_prefix(b"0X"))
            .or_else(|| word.strip_prefix(b"x"))
            .unwrap_or(word);
        let fits = if radix == 16 { digits.len() == 2 } else { (1..=3).contains(&digits.len()) };
        let byte = str::from_utf8(digits)
            .ok()
            .filter(|_| fits)
            .and_then(|digits| u8::from_str_radix(digits, radix).ok());
        let Some(byte) = byte else { return bytes };
        bytes.push(byte);
        rest = behind_separator(behind);
    }
    bytes
}

/// What follows behind blanks, commas and the like, and comments of C.
fn behind_separator(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        rest = match rest {
            [b'/', b'/', behind @ ..] => {
                let end = behind.iter().position(|byte| *byte == b'\n').unwrap_or(behind.len());
                &behind[end..]
            }
            [b'/', b'*', behind @ ..] => {
                let end =
                    behind.windows(2).position(|window| window == b"*/").map_or(behind.len(), |end| end + 2);
                &behind[end..]
            }
            [byte, behind @ ..]
                if byte.is_ascii_whitespace()
                    || matches!(byte, b',' | b'\\' | b'-' | b':' | b'"' | b'\'' | b';') =>
            {
                behind
            }
            _ => return rest,
        };
    }
}

/// Where `part`, in lower case, stands in a text.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window.eq_ignore_ascii_case(part))
}
