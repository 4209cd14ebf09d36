//! Colours.

/// A colour as red, green and blue, each 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

impl Colour {
    /// Puts a colour together.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// The colour `part` of the way from this one to `other`, out of `whole`; beyond it, `other`.
    pub fn towards(self, other: Self, part: u8, whole: u8) -> Self {
        let part = u32::from(part.min(whole));
        let whole = u32::from(whole.max(1));
        let mix = |from: u8, to: u8| {
            let sum = u32::from(from) * (whole - part) + u32::from(to) * part;
            // Not above the larger of the two, so it fits.
            (sum / whole) as u8
        };
        Self::new(mix(self.red, other.red), mix(self.green, other.green), mix(self.blue, other.blue))
    }

    /// The brightness as the eye weighs the three parts (ITU-R BT.601).
    pub fn luma(self) -> u8 {
        let sum = u32::from(self.red) * 299 + u32::from(self.green) * 587 + u32::from(self.blue) * 114;
        (sum / 1000) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_ends_at_both_colours() {
        let (from, to) = (Colour::new(10, 200, 0), Colour::new(20, 100, 255));
        assert_eq!(from.towards(to, 0, 15), from);
        assert_eq!(from.towards(to, 15, 15), to);
        assert_eq!(from.towards(to, 200, 15), to);
        assert_eq!(from.towards(to, 1, 2), Colour::new(15, 150, 127));
        assert_eq!(from.towards(to, 0, 0), from);
    }

    #[test]
    fn luma_spans_black_to_white() {
        assert_eq!(Colour::new(0, 0, 0).luma(), 0);
        assert_eq!(Colour::new(255, 255, 255).luma(), 255);
    }
}
