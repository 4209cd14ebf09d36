//! Text of bounded length, made without memory from the heap.

use core::fmt;

/// At most `N` bytes of text; what does not fit is cut off, and shows it.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

/// What stands where text was cut off.
const CUT: &str = "...";

impl<const N: usize> Text<N> {
    /// Writes a value out.
    pub fn of(value: &(impl fmt::Display + ?Sized)) -> Self {
        let mut text = Self { bytes: [0; N], length: 0 };
        if fmt::write(&mut text, format_args!("{value}")).is_err() {
            let end = text.as_str().floor_char_boundary(N - CUT.len());
            text.length = end;
            // It fits: room for it was just made.
            let _ = fmt::Write::write_str(&mut text, CUT);
        }
        text
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = part.floor_char_boundary(N - self.length);
        let end = self.length + room;
        self.bytes[self.length..end].copy_from_slice(&part.as_bytes()[..room]);
        self.length = end;
        if room == part.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
