//! Finds tables in files: binary ones, and text dumps.
//!
//! A text dump is lines of an offset and up to 16 bytes in hex, with the bytes as characters behind:
//! `acpidump` writes such, `iasl -d` under "Raw Table Data", `xxd` and `hexdump -C` too. A dump begins where
//! the offset is zero and goes on while each line's offset is where the line before ended.

use std::io::Read;

use acpi_tables::Dmar;
use acpi_tables::ivrs::Ivrs;

use super::source::Problem;
use crate::pasted::PastedText;

/// Bytes of the header of any table.
const HEADER_BYTES: usize = 36;
/// Bytes in a line of a dump.
const LINE_BYTES: usize = 16;

/// The DMAR and IVRS tables in a file, at least one.
///
/// # Errors
/// If there is none, or one that ends within its header.
pub(super) fn tables(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let is_binary = has_signature(bytes) && !is_heading(bytes);
    let found = if is_binary { Vec::from([bytes.to_vec()]) } else { dumped_tables(bytes) };
    match found.iter().map(Vec::len).min() {
        None => Err(Problem::NoTable),
        Some(present) if present < HEADER_BYTES => Err(Problem::TooShort { present }),
        Some(_) => Ok(found),
    }
}

fn has_signature(bytes: &[u8]) -> bool {
    bytes.starts_with(&Dmar::SIGNATURE) || bytes.starts_with(&Ivrs::SIGNATURE)
}

/// Tells whether a signature is that of `acpidump`'s line above a table: `DMAR @ 0x00000000DEADBEEF`.
fn is_heading(bytes: &[u8]) -> bool {
    bytes.get(Dmar::SIGNATURE.len()..).is_some_and(|rest| rest.starts_with(b" @ "))
}

/// The tables of either kind in a text.
fn dumped_tables(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut text = Vec::new();
    if PastedText::new(bytes).read_to_end(&mut text).is_err() {
        return Vec::new();
    }
    let mut tables: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let dumped = DumpLine::read(line);
        match dumped {
            Some(DumpLine { offset: 0, bytes }) => {
                tables.push(bytes);
                open = true;
            }
            Some(DumpLine { offset, bytes }) if open && tables.last().map(Vec::len) == Some(offset) => {
                tables.last_mut().into_iter().for_each(|table| table.extend(&bytes));
            }
            _ => open = false,
        }
    }
    tables.retain(|table| has_signature(table));
    tables
}

/// A line of a dump.
#[derive(Debug, PartialEq, Eq)]
struct DumpLine {
    offset: usize,
    bytes: Vec<u8>,
}

impl DumpLine {
    /// Reads a line; `None` if it is anything else.
    fn read(line: &[u8]) -> Option<Self> {
        let line = str::from_utf8(line.get(..200.min(line.len()))?.trim_ascii()).ok()?;
        let (offset, rest) = line.split_once([':', ' '])?;
        if !(4..=8).contains(&offset.len()) {
            return None;
        }
        let offset = usize::from_str_radix(offset, 16).ok()?;
        let bytes = leading_bytes(rest.trim_start_matches([' ', '\t']));
        (!bytes.is_empty()).then_some(Self { offset, bytes })
    }
}

/// The bytes that a line begins with: groups of hex digits with one blank between them. A wider gap parts
/// them from the characters, which may look like hex; only in the middle of a line is it another one.
fn leading_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while bytes.len() < LINE_BYTES {
        let end = rest.find([' ', '\t', '\r']).unwrap_or(rest.len());
        let (group, after) = rest.split_at(end);
        let Some(group) = hex_bytes(group) else { break };
        bytes.extend(group);
        let next = after.trim_start_matches([' ', '\t']);
        let gap = after.len() - next.len();
        if next.is_empty() || gap > 2 || gap == 2 && bytes.len() != LINE_BYTES / 2 {
            break;
        }
        rest = next;
    }
    bytes.truncate(LINE_BYTES);
    bytes
}

/// One or more bytes as hex digits; `None` for anything else.
fn hex_bytes(group: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = group.as_bytes().as_chunks::<2>();
    if pairs.is_empty() || !odd.is_empty() || group.len() > 2 * LINE_BYTES {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?)).collect()
}

fn hex_digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use acpi_tables::testing::{DmarBuilder, ScopeSpec};
    use acpi_tables::{DrhdFlags, ScopeKind};
    use dma_types::{PhysAddr, Segment};

    fn table() -> Vec<u8> {
        let scopes = [ScopeSpec::new(ScopeKind::IOAPIC, 0xf0, 0x1f, 0), ScopeSpec::endpoint(0, 2, 0)];
        DmarBuilder::new()
            .drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), PhysAddr::new(0xfed9_0000), &scopes)
            .build()
    }

    /// A dump whose lines are made by `line` from offset, bytes in hex and characters.
    fn dump(table: &[u8], line: impl Fn(usize, &[u8], &str) -> String) -> String {
        let characters = |chunk: &[u8]| -> String {
            chunk.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect()
        };
        table
            .chunks(16)
            .enumerate()
            .map(|(index, chunk)| line(index * 16, chunk, &characters(chunk)) + "\n")
            .collect()
    }

    fn pairs(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02X} ")).collect()
    }

    #[test]
    fn acpidump_and_iasl_dumps_are_read() {
        let acpidump =
            dump(&table(), |offset, bytes, text| format!("    {offset:04X}: {:<48} {text}", pairs(bytes)));
        let other =
            "FACP @ 0x0000000000000000\n    0000: 46 41 43 50 00 00 00 00 00 00 00 00 00 00 00 00  FACP\n\n";
        let whole = format!("{other}DMAR @ 0x00000000DEADBEEF\n{acpidump}\n{other}");
        assert_eq!(tables(whole.as_bytes()).unwrap(), [table()]);
        assert_eq!(tables(whole.replace('\n', "\r\n").as_bytes()).unwrap(), [table()]);
        let alone = format!("DMAR @ 0x00000000DEADBEEF\n{acpidump}\n");
        assert_eq!(tables(alone.as_bytes()).unwrap(), [table()]);
        let iasl =
            dump(&table(), |offset, bytes, text| format!("    {offset:04X}: {:<48} // {text}", pairs(bytes)));
        let whole =
            format!("[000h 0000 004h] Signature : \"DMAR\"\n\nRaw Table Data: Length 84 (0x54)\n\n{iasl}");
        assert_eq!(tables(whole.as_bytes()).unwrap(), [table()]);
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(whole.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(tables(&utf16).unwrap(), [table()]);
    }

    #[test]
    fn xxd_and_hexdump_are_read() {
        let xxd = dump(&table(), |offset, bytes, text| {
            let words: String = bytes.chunks(2).map(|pair| pairs(pair).replace(' ', "") + " ").collect();
            format!("{offset:08x}: {words:<40} {text}")
        });
        assert_eq!(tables(xxd.as_bytes()).unwrap(), [table()]);
        let hexdump = dump(&table(), |offset, bytes, text| {
            let (first, second) = bytes.split_at(bytes.len().min(8));
            format!("{offset:08x}  {} {:<24} |{text}|", pairs(first), pairs(second))
        });
        assert_eq!(tables(hexdump.as_bytes()).unwrap(), [table()]);
    }

    #[test]
    fn characters_that_look_like_hex_are_not_bytes() {
        let line = b"  0050: 41 42 20 43                                      AB C";
        assert_eq!(DumpLine::read(line), Some(DumpLine { offset: 0x50, bytes: b"AB C".to_vec() }));
        assert_eq!(DumpLine::read(b"0000:00:02.0 VGA compatible controller"), None);
        assert_eq!(DumpLine::read(b"[000h 0000   4] Signature"), None);
    }

    #[test]
    fn other_files_hold_no_table() {
        for bytes in [&b""[..], b"hello", b"FACP and so on", &[0; 100]] {
            assert!(matches!(tables(bytes), Err(Problem::NoTable)), "{bytes:?}");
        }
        assert!(matches!(tables(b"DMAR\x10"), Err(Problem::TooShort { present: 5 })));
    }

    #[test]
    fn a_dump_ends_where_lines_are_missing() {
        let text = "0000: 44 4D 41 52 70 00 00 00 01 00 41 42 43 44 45 46\n\
                    0010: 44 4D 41 52 70 00 00 00 01 00 41 42 43 44 45 46\n\
                    0020: 44 4D 41 52 70 00 00 00\n\
                    0040: 00 00\n";
        assert_eq!(tables(text.as_bytes()).unwrap()[0].len(), 40);
    }
}
