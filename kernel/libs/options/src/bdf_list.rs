//! A short list of devices.

use core::fmt;
use core::str::FromStr;

use dma_types::Bdf;

/// The most devices a list holds.
pub const MAX_BDFS: usize = 16;

/// Devices as an option names them: `BDF,BDF,…`, at most [`MAX_BDFS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BdfList {
    bdfs: [Option<Bdf>; MAX_BDFS],
}

impl BdfList {
    /// What is read.
    pub const EXPECTED: &'static str =
        "one to 16 devices as [SSSS:]BB:DD.F in hex, separated by commas without blanks";

    /// The list without a device.
    pub const EMPTY: Self = Self { bdfs: [None; MAX_BDFS] };

    /// The devices, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = Bdf> + '_ {
        self.bdfs.iter().flatten().copied()
    }

    /// Tells whether the list names a device.
    pub fn contains(&self, bdf: Bdf) -> bool {
        self.bdfs.contains(&Some(bdf))
    }

    /// Tells whether no device is named.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// A text that is no list of devices, or a list of too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseBdfListError;

impl fmt::Display for ParseBdfListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", BdfList::EXPECTED)
    }
}

impl core::error::Error for ParseBdfListError {}

impl FromStr for BdfList {
    type Err = ParseBdfListError;

    fn from_str(text: &str) -> Result<Self, ParseBdfListError> {
        let mut list = Self::EMPTY;
        let mut slots = list.bdfs.iter_mut();
        for part in text.split(',') {
            let slot = slots.next().ok_or(ParseBdfListError)?;
            *slot = Some(part.parse().map_err(|_| ParseBdfListError)?);
        }
        Ok(list)
    }
}

impl fmt::Display for BdfList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, bdf) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{bdf}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    #[test]
    fn a_list_keeps_its_order() {
        let list: BdfList = "00:03.0,0001:02:1f.7".parse().unwrap();
        assert_eq!(list.to_string(), "0000:00:03.0,0001:02:1f.7");
        assert!(list.contains("00:03.0".parse().unwrap()));
        assert!(!list.contains("00:04.0".parse().unwrap()));
        assert!(!list.is_empty());
        assert!(BdfList::EMPTY.is_empty());
    }

    #[test]
    fn a_list_has_room_for_sixteen() {
        let full = vec!["00:03.0"; MAX_BDFS].join(",");
        assert_eq!(full.parse::<BdfList>().map(|list| list.iter().count()), Ok(MAX_BDFS));
        assert_eq!((full + ",00:03.0").parse::<BdfList>(), Err(ParseBdfListError));
    }

    #[test]
    fn texts_that_are_no_list_are_refused() {
        for text in ["", ",", "00:03.0,", "00:03.0 ,00:04.0", "00:03", "all"] {
            assert_eq!(text.parse::<BdfList>(), Err(ParseBdfListError), "{text:?}");
        }
    }
}
