//! Colours in text for people.

use std::fmt;
use std::io::IsTerminal;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// With escape sequences.
    On,
    /// Plain.
    Off,
}

impl Colours {
    /// On where `stream` is a terminal that can show them and nobody asked for plain text (`NO_COLOR`).
    pub fn for_stream(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if stream.is_terminal() && !refused { Self::On } else { Self::Off }
    }

    /// The value in a tone, or as it stands.
    pub fn paint<T: fmt::Display>(self, tone: Tone, value: T) -> Painted<T> {
        Painted { colours: self, tone, value }
    }
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something to look at.
    Doubtful,
    /// Something is wrong.
    Bad,
    /// A heading.
    Strong,
    /// Beside the point.
    Quiet,
}

/// A value with its tone.
#[derive(Clone, Copy, Debug)]
pub struct Painted<T> {
    colours: Colours,
    tone: Tone,
    value: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.colours == Colours::Off {
            return self.value.fmt(f);
        }
        let code = match self.tone {
            Tone::Good => 32,
            Tone::Doubtful => 33,
            Tone::Bad => 31,
            Tone::Strong => 1,
            Tone::Quiet => 2,
        };
        write!(f, "\x1b[{code}m{}\x1b[0m", self.value)
    }
}

/// Text from a file, a log or firmware: control characters are shown, not obeyed.
pub struct Printable<'t>(pub &'t str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.chars().try_for_each(|character| {
            if character.is_control() {
                write!(f, "{}", character.escape_default())
            } else {
                f.write_char(character)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_coloured_text_has_escapes() {
        assert_eq!(Colours::Off.paint(Tone::Bad, "broken").to_string(), "broken");
        assert_eq!(Colours::On.paint(Tone::Bad, "broken").to_string(), "\x1b[31mbroken\x1b[0m");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(Printable("a\x1b[2Jb\u{e9}").to_string(), "a\\u{1b}[2Jb\u{e9}");
    }
}
