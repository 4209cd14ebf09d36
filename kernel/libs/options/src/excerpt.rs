//! User text as it is shown in a message.

use core::fmt;

/// The most characters that are shown.
const MAX_CHARS: usize = 48;

/// A text in quotes, cut short and with control characters escaped, so that a message stays one line.
pub(crate) struct Excerpt<'a>(pub &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        for c in self.0.chars().take(MAX_CHARS) {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        let cut = self.0.chars().nth(MAX_CHARS).is_some();
        f.write_str(if cut { "...'" } else { "'" })
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
    }
}
