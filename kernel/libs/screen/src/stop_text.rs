//! What a stop screen says, and how it reads on a serial line.

use core::fmt;

/// The stop code and its parameters, in the form that everybody who met one knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopCode {
    /// The code.
    pub code: u32,
    /// What the code's table says they are.
    pub parameters: [u64; 4],
}

impl fmt::Display for StopCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p1, p2, p3, p4] = self.parameters;
        write!(f, "*** STOP: 0x{:08X} (0x{p1:016X}, 0x{p2:016X}, 0x{p3:016X}, 0x{p4:016X})", self.code)
    }
}

/// One fact with its name.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// What it is: one or two words.
    pub label: &'a str,
    /// The fact.
    pub value: &'a dyn fmt::Display,
}

/// A register of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    /// Its name, at most [`Register::NAME_WIDTH`] characters.
    pub name: &'a str,
    /// What it held.
    pub value: u64,
}

impl Register<'_> {
    /// Characters of the longest name.
    pub const NAME_WIDTH: usize = 6;
}

impl fmt::Display for Register<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<width$} {:016x}", self.name, self.value, width = Self::NAME_WIDTH)
    }
}

/// Everything a stop screen says. Borrows all of it, so that the stop path needs no memory of its own.
#[derive(Clone, Copy)]
pub struct StopText<'a> {
    /// What happened, in a sentence for people who never saw this kernel.
    pub headline: &'a dyn fmt::Display,
    /// The stop code.
    pub code: StopCode,
    /// The name of the stop code.
    pub name: &'a str,
    /// Who, where, which way, why; the most important first.
    pub fields: &'a [Field<'a>],
    /// The state of the processor.
    pub registers: &'a [Register<'a>],
    /// The report in one line of printable ASCII, which a screen shows as a QR code.
    pub digest: &'a str,
    /// What holds now, or what to do next.
    pub closing: &'a dyn fmt::Display,
}

/// Width of the column with the labels, in characters.
pub(crate) const LABEL_WIDTH: usize = 11;

/// Registers in a line of plain text.
const REGISTERS_PER_LINE: usize = 3;

/// The plain text, for lines of 80 characters and more; ends with a line end.
impl fmt::Display for StopText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}\n{}\n", self.headline, self.code, self.name)?;
        for field in self.fields {
            writeln!(f, "{:<LABEL_WIDTH$} {}", field.label, field.value)?;
        }
        writeln!(f)?;
        for line in self.registers.chunks(REGISTERS_PER_LINE) {
            for (index, register) in line.iter().enumerate() {
                write!(f, "{}{register}", if index == 0 { "" } else { "  " })?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\n{}\n\n{}", self.digest, self.closing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn the_stop_line_has_the_familiar_form() {
        let code = StopCode { code: 0xe6, parameters: [0x26, 0xffff_8000_0012_3450, 0x1_0000, 5] };
        assert_eq!(
            format!("{code}"),
            "*** STOP: 0x000000E6 (0x0000000000000026, 0xFFFF800000123450, 0x0000000000010000, \
             0x0000000000000005)"
        );
    }

    #[test]
    fn the_plain_text_has_labels_and_registers_in_columns() {
        let text = StopText {
            headline: &"It stopped.",
            code: StopCode { code: 0, parameters: [0; 4] },
            name: "PANIC",
            fields: &[Field { label: "device", value: &"0000:00:03.0" }, Field { label: "why", value: &7 }],
            registers: &[
                Register { name: "rip", value: 1 },
                Register { name: "rflags", value: 2 },
                Register { name: "rax", value: 3 },
                Register { name: "rbx", value: 4 },
            ],
            digest: "IVT1:stop=0,0,0,0,0;",
            closing: &"Halted.",
        };
        let expected = "It stopped.\n\n*** STOP: 0x00000000 (0x0000000000000000, 0x0000000000000000, \
            0x0000000000000000, 0x0000000000000000)\nPANIC\n\n\
            device      0000:00:03.0\nwhy         7\n\n\
            rip    0000000000000001  rflags 0000000000000002  rax    0000000000000003\n\
            rbx    0000000000000004\n\nIVT1:stop=0,0,0,0,0;\n\nHalted.\n";
        assert_eq!(format!("{text}"), expected);
    }
}
