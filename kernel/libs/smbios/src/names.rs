//! The names in the table: SMBIOS "BIOS Information", "System Information", "Baseboard Information".

/// Bytes of a structure's header: type, length of its formatted part, handle.
const HEADER: usize = 4;

/// The longest name that is taken, in bytes.
const MOST: usize = 64;

/// What the machine and its firmware call themselves; absent is what the table does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'t> {
    /// Who made the machine.
    pub maker: Option<&'t str>,
    /// What they call it.
    pub product: Option<&'t str>,
    /// What the board is called.
    pub board: Option<&'t str>,
    /// Who made the firmware.
    pub firmware_vendor: Option<&'t str>,
    /// Its version.
    pub firmware_version: Option<&'t str>,
    /// Its date, as they spell it.
    pub firmware_date: Option<&'t str>,
}

impl<'t> Names<'t> {
    /// Reads a table of structures, up to its end or to the first that makes no sense. Of several of a kind the first counts.
    pub fn read(table: &'t [u8]) -> Self {
        let mut names = Self::default();
        let mut rest = table;
        while let Some((structure, behind)) = Structure::split(rest) {
            match structure.formatted.first() {
                Some(0) => {
                    names.firmware_vendor = names.firmware_vendor.or(structure.text(4));
                    names.firmware_version = names.firmware_version.or(structure.text(5));
                    names.firmware_date = names.firmware_date.or(structure.text(8));
                }
                Some(1) => {
                    names.maker = names.maker.or(structure.text(4));
                    names.product = names.product.or(structure.text(5));
                }
                Some(2) => names.board = names.board.or(structure.text(5)),
                Some(127) => break,
                _ => {}
            }
            rest = behind;
        }
        names
    }
}

/// One structure of the table.
struct Structure<'t> {
    /// Its part of fixed form, the header among it.
    formatted: &'t [u8],
    /// Its texts, each ended by a zero.
    texts: &'t [u8],
}

impl<'t> Structure<'t> {
    /// Takes the first structure off a table; what is left is shorter.
    fn split(table: &'t [u8]) -> Option<(Self, &'t [u8])> {
        let length = usize::from(*table.get(1)?);
        let formatted = table.get(..length).filter(|formatted| formatted.len() >= HEADER)?;
        let behind = table.get(length..)?;
        // Two zeros end the texts, also where there are none.
        let end = behind.windows(2).position(|pair| pair == [0, 0])?;
        Some((Self { formatted, texts: behind.get(..=end)? }, behind.get(end + 2..)?))
    }

    /// The text whose number stands at an offset of the fixed part.
    fn text(&self, offset: usize) -> Option<&'t str> {
        let number = usize::from(*self.formatted.get(offset)?).checked_sub(1)?;
        let bytes = self.texts.split(|byte| *byte == 0).nth(number)?;
        let printable = bytes.iter().take(MOST).take_while(|byte| (b' '..=b'~').contains(byte)).count();
        let text = core::str::from_utf8(bytes.get(..printable)?).ok()?.trim();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// A structure with its numbers of texts behind the header.
    fn structure(kind: u8, numbers: &[u8], texts: &[&str]) -> Vec<u8> {
        let mut bytes = [kind, (HEADER + numbers.len()) as u8, 0, 0].to_vec();
        bytes.extend_from_slice(numbers);
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        bytes.resize(bytes.len() + if texts.is_empty() { 2 } else { 1 }, 0);
        bytes
    }

    #[test]
    fn names_are_found_by_their_numbers() {
        let table = [
            structure(0, &[1, 2, 0, 0, 3], &["Firm", " v1.2 ", "01/02/2026"]),
            structure(1, &[2, 1], &["PC 1", "ACME"]),
            structure(9, &[], &[]),
            structure(2, &[1, 1], &["Board"]),
            structure(1, &[1, 1], &["the first counts"]),
            structure(127, &[], &[]),
            structure(2, &[1, 1], &["behind the end"]),
        ]
        .concat();
        let expected = Names {
            maker: Some("ACME"),
            product: Some("PC 1"),
            board: Some("Board"),
            firmware_vendor: Some("Firm"),
            firmware_version: Some("v1.2"),
            firmware_date: Some("01/02/2026"),
        };
        assert_eq!(Names::read(&table), expected);
    }

    #[test]
    fn what_steers_a_terminal_and_what_is_not_there_is_no_name() {
        let read =
            |numbers: &[u8], text: &str| Names::read(&structure(1, numbers, &[text])).maker.map(str::len);
        assert_eq!(read(&[1], "ACME\u{1b}[2J"), Some(4));
        assert_eq!(read(&[1], &"x".repeat(200)), Some(MOST));
        assert_eq!(read(&[1], "  "), None);
        assert_eq!([read(&[0], "a"), read(&[9], "a"), read(&[], "a")], [None; 3]);
    }

    #[test]
    fn a_structure_shorter_than_its_header_ends_the_table() {
        let mut table = structure(1, &[1, 1], &["ACME"]);
        table[1] = 3;
        assert_eq!(Names::read(&table), Names::default());
        assert_eq!(Names::read(&structure(1, &[1, 1], &["ACME"])[..10]), Names::default(), "cut off");
    }

    proptest! {
        #[test]
        fn whatever_the_table_says_is_no_trouble(bytes in prop::collection::vec(prop_oneof![Just(0), 0..6_u8, any::<u8>()], 0..200)) {
            let names = Names::read(&bytes);
            prop_assert!(names.maker.is_none_or(|maker| maker.len() <= MOST && maker.is_ascii()));
        }
    }
}
