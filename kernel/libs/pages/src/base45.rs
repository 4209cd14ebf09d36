//! Two bytes as three characters; RFC 9285 "The Base45 Data Encoding".

use alloc::vec::Vec;
use core::fmt::{self, Write};

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// Writes bytes as text.
pub(crate) fn write(bytes: &[u8], to: &mut dyn Write) -> fmt::Result {
    for pair in bytes.chunks(2) {
        let (mut value, characters) = match *pair {
            [high, low] => (usize::from(high) << 8 | usize::from(low), 3),
            [byte] => (usize::from(byte), 2),
            _ => break,
        };
        for _ in 0..characters {
            to.write_char(ALPHABET.get(value % 45).copied().unwrap_or_default().into())?;
            value /= 45;
        }
    }
    Ok(())
}

/// Reads text back; `None` if it was not written so.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 3 * 2 + 1);
    for characters in text.as_bytes().chunks(3) {
        let mut value = 0_u32;
        for character in characters.iter().rev() {
            let digit = ALPHABET.iter().position(|known| known == character)?;
            value = value * 45 + u32::try_from(digit).ok()?;
        }
        match characters.len() {
            3 => bytes.extend(u16::try_from(value).ok()?.to_be_bytes()),
            2 => bytes.push(u8::try_from(value).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    /// The examples of RFC 9285 "Encoding Examples" and "Decoding Examples".
    #[test]
    fn the_documents_examples_hold() {
        for (bytes, expected) in [
            (&b"AB"[..], "BB8"),
            (b"Hello!!", "%69 VD92EX0"),
            (b"base-45", "UJCLQE7W581"),
            (b"ietf!", "QED8WEX0"),
        ] {
            let mut text = String::new();
            write(bytes, &mut text).unwrap();
            assert_eq!(text, expected);
            assert_eq!(read(&text).as_deref(), Some(bytes));
        }
        for text in ["A", "BB8A", "GGW", ":::", "bb8", "é", "::"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(bytes: Vec<u8>) {
            let mut text = String::new();
            write(&bytes, &mut text).unwrap();
            prop_assert_eq!(read(&text), Some(bytes));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = read(&text);
        }
    }
}
