//! User text as it is shown in a message.

use core::fmt;

/// The most characters that are shown; an escaped one counts as what stands for it.
const MAX_CHARS: usize = 48;

/// A text in quotes, cut short and with control characters escaped, so that a message stays one line.
pub(crate) struct Excerpt<'a>(pub &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        let mut room = MAX_CHARS;
        for c in self.0.chars() {
            let width = if c.is_control() { c.escape_default().count() } else { 1 };
            match room.checked_sub(width) {
                Some(left) => room = left,
                None => return f.write_str("...'"),
            }
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        f.write_str("'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(format!("{}", Excerpt("a\nb\u{1b}[2J")), r"'a\nb\u{1b}[2J'");
        let long = "x".repeat(MAX_CHARS);
        assert_eq!(format!("{}", Excerpt(&long)), format!("'{long}'"));
        assert_eq!(format!("{}", Excerpt(&format!("{long}y"))), format!("'{long}...'"));
        // Eight of six characters each.
        let escaped = r"\u{11}".repeat(8);
        assert_eq!(format!("{}", Excerpt(&"\u{11}".repeat(9))), format!("'{escaped}...'"));
    }
}
