//! Finds tables in files: binary ones, and dumps of all sorts in text.

use acpi_tables::Dmar;
use acpi_tables::ivrs::Ivrs;

use super::dump;
use super::source::Problem;

/// Bytes of the header of any table (ACPI "System Description Table Header").
const HEADER_BYTES: usize = 36;
/// The longest table that is believed where several lie one behind the other.
const LONGEST: usize = 16 << 20;
/// Tables that describe the IOMMUs of other machines, and what they are.
const OTHERS: [([u8; 4], &str); 3] = [
    (*b"IORT", "the table of the IOMMUs of Arm machines"),
    (*b"VIOT", "the table of virtual IOMMUs (virtio)"),
    (*b"RIMT", "the table of the IOMMUs of RISC-V machines"),
];

/// The DMAR and IVRS tables in a file, at least one.
///
/// # Errors
/// If there is none, or one that ends within its header.
pub(super) fn tables(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let pieces = if is_binary(bytes) {
        split(bytes)
    } else {
        dump::blobs(bytes).iter().flat_map(|blob| split(blob)).collect()
    };
    let (found, others): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|table| has_signature(table));
    match found.iter().map(Vec::len).min() {
        None => Err(others.iter().find_map(|table| foreign(table)).unwrap_or_else(|| in_words(bytes))),
        Some(present) if present < HEADER_BYTES => Err(Problem::TooShort { present }),
        Some(_) => Ok(found),
    }
}

/// The signatures of the tables that are read.
pub(super) const SIGNATURES: [[u8; 4]; 2] = [Dmar::SIGNATURE, Ivrs::SIGNATURE];

fn has_signature(bytes: &[u8]) -> bool {
    SIGNATURES.iter().any(|signature| bytes.starts_with(signature))
}

/// Tells whether a file is a table as it stands in memory. A text may begin with a signature, but a table's length
/// has bytes that no text has.
fn is_binary(bytes: &[u8]) -> bool {
    let header = &bytes[..bytes.len().min(HEADER_BYTES)];
    let is_cut = bytes.len() < HEADER_BYTES && !bytes.iter().any(u8::is_ascii_whitespace);
    let is_text = header.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    has_signature(bytes) && (!is_text || is_cut) || !is_text && Header::read(bytes).is_some()
}

/// How much bytes look like tables: the order of the bytes in numbers is told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// Not at all.
    None,
    /// They begin as some table may.
    Some,
    /// They hold a table that is read.
    Sure,
}

/// Tells how much bytes look like tables.
pub(super) fn likeness(bytes: &[u8]) -> Likeness {
    let header = Header::read(bytes);
    let is_whole = |header: &Header| bytes.get(..header.length).is_some_and(adds_up);
    if has_signature(begin(bytes)) || header.as_ref().is_some_and(is_whole) {
        Likeness::Sure
    } else if header.is_some() {
        Likeness::Some
    } else {
        Likeness::None
    }
}

/// Tells whether the bytes of a table add up to zero, as its checksum sees to.
fn adds_up(table: &[u8]) -> bool {
    table.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)) == 0
}

/// The beginning of a table.
struct Header {
    signature: [u8; 4],
    length: usize,
}

impl Header {
    /// Reads what can be the beginning of a table, of whatever kind.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (signature, rest) = bytes.split_first_chunk::<4>()?;
        let (length, _) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let is_name = signature.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        (is_name && (HEADER_BYTES..=LONGEST).contains(&length))
            .then_some(Self { signature: *signature, length })
    }
}

/// The tables that lie one behind the other in memory. The last one keeps all that follows: its length may be wrong.
fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut tables = Vec::new();
    let mut rest = begin(bytes);
    while !rest.is_empty() {
        let next = Header::read(rest).and_then(|header| next(rest, header.length));
        let (table, behind) = rest.split_at(next.unwrap_or(rest.len()));
        let length = Header::read(rest).map_or(table.len(), |header| header.length.min(table.len()));
        tables.push(if behind.is_empty() { table.to_vec() } else { table[..length].to_vec() });
        rest = behind;
    }
    tables
}

/// Where the next table begins behind one of `length` bytes: at once, or at the next round number.
fn next(bytes: &[u8], length: usize) -> Option<usize> {
    [1, 4, 8, 16, 64, 4096].into_iter().map(|round| length.next_multiple_of(round)).find(|at| {
        let between = bytes.get(length..*at).unwrap_or_default();
        between.iter().all(|byte| *byte == 0)
            && bytes.get(*at..).is_some_and(|rest| Header::read(rest).is_some())
    })
}

/// The bytes from the first table on: those of a dump of more memory may begin with something else.
fn begin(bytes: &[u8]) -> &[u8] {
    if has_signature(bytes) || Header::read(bytes).is_some() {
        return bytes;
    }
    let is_table = |rest: &[u8]| {
        let table = Header::read(rest).and_then(|header| rest.get(..header.length));
        has_signature(rest) && table.is_some_and(adds_up)
    };
    let at = (0..bytes.len()).step_by(4).find(|at| is_table(&bytes[*at..]));
    at.map_or(bytes, |at| &bytes[at..])
}

/// What is to be said of a table of another kind.
fn foreign(table: &[u8]) -> Option<Problem> {
    let signature = Header::read(table)?.signature;
    let what = OTHERS.iter().find(|(other, _)| *other == signature).map(|(_, what)| *what);
    Some(Problem::OtherTable { signature, what })
}

/// What is to be said of a text without a table.
fn in_words(bytes: &[u8]) -> Problem {
    let is_log = ["DMAR:", "AMD-Vi:", "DRHD base"]
        .iter()
        .any(|word| bytes.windows(word.len()).any(|part| part == word.as_bytes()));
    if is_log { Problem::Log } else { Problem::NoTable }
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

    /// The same table in the shapes of many programs.
    #[test]
    fn dumps_of_all_shapes_are_read() {
        let table = table();
        let joined = |separator: &str, spell: fn(&u8) -> String| {
            table.iter().map(spell).collect::<Vec<_>>().join(separator)
        };
        let plain = joined("", |byte| format!("{byte:02x}"));
        let wrap = |text: &str, width: usize| {
            text.as_bytes()
                .chunks(width)
                .map(|line| String::from_utf8_lossy(line).into_owned() + "\n")
                .collect::<String>()
        };
        let hexdump =
            dump(&table, |offset, bytes, text| format!("{offset:08x}  {:<48} |{text}|", pairs(bytes)));
        let octal = dump(&table, |offset, bytes, _| format!("{offset:07o} {}", pairs(bytes)));
        let words = |size: usize| {
            dump(&table, |offset, bytes, _| {
                let words = bytes.chunks(size).map(|word| {
                    let digits: String = word.iter().rev().map(|byte| format!("{byte:02x}")).collect();
                    format!(" {digits}")
                });
                format!("{offset:07o}{}", words.collect::<String>())
            })
        };
        let octal_of = |table: &[u8], spell: fn(&u8) -> String| {
            dump(table, |offset, bytes, _| {
                format!("{offset:07o}{}", bytes.iter().map(spell).collect::<String>())
            })
        };
        let octal_words = dump(&table, |offset, bytes, _| {
            let words =
                bytes.chunks(2).map(|word| format!(" {:06o}", u16::from_le_bytes([word[0], word[1]])));
            format!("{offset:07o}{}", words.collect::<String>())
        });
        let shell = dump(&table, |offset, bytes, text| {
            let (first, second) = bytes.split_at(bytes.len().min(8));
            format!("  {offset:08X}: {}-{} *{text}*", pairs(first).trim_end(), pairs(second))
        });
        for (shape, text) in [
            ("xxd -p", wrap(&plain, 60)),
            ("one line", plain.clone()),
            ("base64", wrap(&base64(&table), 76)),
            (
                "C array",
                format!(
                    "unsigned char DMAR[] = {{\n  {}\n}};\n",
                    joined(", ", |byte| format!("0x{byte:02x}")).replace("0x00, 0x00", "0x00,\n  0x00")
                ),
            ),
            ("escaped", format!("b'{}'", joined("", |byte| format!("\\x{byte:02x}")))),
            (
                "registry",
                format!(
                    "[HKEY]\n\"00000000\"=hex:{}\n",
                    joined(",", |byte| format!("{byte:02x}")).replace("00,00,", "00,\\\n  00,")
                ),
            ),
            ("decimal", format!("[{}]", joined(", ", ToString::to_string))),
            ("BitConverter", joined("-", |byte| format!("{byte:02X}"))),
            ("bare", wrap(&joined(" ", |byte| format!("{byte:02x}")), 48)),
            ("octal", octal.clone() + "0000160\n"),
            ("octal bytes", octal_of(&table, |byte| format!(" {byte:03o}"))),
            ("octal words", octal_words),
            ("16 bits", words(2)),
            ("32 bits", words(4)),
            ("64 bits", words(8)),
            ("shell", shell),
            ("quoted", hexdump.lines().map(|line| format!("> > {line}\n")).collect()),
            (
                "logged",
                hexdump
                    .lines()
                    .map(|line| format!("Jan  9 10:03:12 host kernel: [    1.5] {line}\n"))
                    .collect(),
            ),
            ("listed", format!("- item\n\n```\n{hexdump}```\nand so on\n")),
        ] {
            assert_eq!(
                tables(text.as_bytes()).unwrap_or_else(|problem| panic!("{shape}: {problem}\n{text}")),
                std::slice::from_ref(&table),
                "{shape}\n{text}"
            );
        }
    }

    fn base64(bytes: &[u8]) -> String {
        use ::base64::Engine;
        ::base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    #[test]
    fn lines_of_32_bytes_and_lines_left_out_are_read() {
        let mut long = table();
        let length = 36 + 12 + 128;
        long.resize(length, 0);
        let mut text = String::new();
        for (index, bytes) in long.chunks(32).enumerate() {
            text += &format!(
                "{:08x}  {}  {}\n",
                index * 32,
                pairs(&bytes[..16]).trim_end(),
                pairs(&bytes[16.min(bytes.len())..])
            );
        }
        assert_eq!(tables(text.as_bytes()).unwrap(), [long.clone()]);
        let mut text =
            dump(&long[..112], |offset, bytes, text| format!("{offset:08x}  {} |{text}|", pairs(bytes)));
        text += "*\n000000b0\n";
        assert_eq!(tables(text.as_bytes()).unwrap(), [long]);
    }

    #[test]
    fn tables_that_lie_one_behind_the_other_are_told_apart() {
        let (first, mut second) = (table(), table());
        second[10] = b'Z';
        for padding in [0, (16 - first.len() % 16) % 16] {
            let both = [&first[..], &vec![0; padding], &second].concat();
            assert_eq!(tables(&both).unwrap(), [first.clone(), second.clone()]);
        }
        let trailing = [&first[..], b"trailing"].concat();
        assert_eq!(tables(&trailing).unwrap(), [trailing]);
        let memory = [&[0xff; 32][..], &first].concat();
        let text = dump(&memory, |offset, bytes, text| format!("{offset:08x}  {} |{text}|", pairs(bytes)));
        assert_eq!(tables(text.as_bytes()).unwrap(), [first]);
    }

    #[test]
    fn other_files_hold_no_table() {
        for bytes in [&b""[..], b"hello", b"FACP and so on", &[0; 100]] {
            assert!(matches!(tables(bytes), Err(Problem::NoTable)), "{bytes:?}");
        }
        assert!(matches!(tables(b"DMAR\x10"), Err(Problem::TooShort { present: 5 })));
        let log = b"DMAR: IOMMU enabled\nDMAR: Host address width 39\nDMAR: DRHD base: 0x000000fed90000 flags: 0x0\n";
        assert!(matches!(tables(log), Err(Problem::Log)));
        let mut other = table();
        other[..4].copy_from_slice(b"IORT");
        assert!(
            matches!(tables(&other), Err(Problem::OtherTable { signature, what: Some(_) }) if signature == *b"IORT")
        );
        let text = dump(&other, |offset, bytes, text| format!("{offset:08x}  {} |{text}|", pairs(bytes)));
        assert!(matches!(tables(text.as_bytes()), Err(Problem::OtherTable { .. })));
    }

    #[test]
    fn a_dump_ends_where_lines_are_missing() {
        let text = "0000: 44 4D 41 52 70 00 00 00 01 00 41 42 43 44 45 46\n\
                    0010: 44 4D 41 52 70 00 00 00 01 00 41 42 43 44 45 46\n\
                    0020: 44 4D 41 52 70 00 00 00\n\
                    0040: 00 00\n";
        assert_eq!(tables(text.as_bytes()).unwrap()[0].len(), 40);
    }

    #[test]
    fn no_bytes_are_too_strange() {
        let strange = b"444d4152\nRE1BU=\n0x44,0x4d,0x41,0x52,\\x44\\x4d\\x41\\x52,68,77,65,82,\n*\n0000: 44 4d\n*\n0000: 4d44 5241\n*\nffffffff: 00";
        for start in 0..strange.len() {
            let _ = tables(&strange[start..]);
            let _ = tables(&strange[..start]);
        }
    }
}
