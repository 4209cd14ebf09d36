//! Addresses and page sizes.

use core::fmt;

/// Bytes of a base page.
pub const PAGE_SIZE: u64 = 4096;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// Takes a number for such an address; nothing is checked.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The address as a number, for arithmetic and registers.
            pub const fn as_u64(self) -> u64 {
                self.0
            }

            /// The start of the 4 KiB page around it.
            pub const fn page(self) -> Self {
                Self(self.0 & !(PAGE_SIZE - 1))
            }

            /// The offset within its 4 KiB page.
            pub const fn page_offset(self) -> u64 {
                self.0 & (PAGE_SIZE - 1)
            }

            /// Tells whether it is a multiple of `alignment`, a power of two.
            pub const fn is_aligned(self, alignment: u64) -> bool {
                self.0 & (alignment - 1) == 0
            }

            /// The address `bytes` further, unless that passes the end of the number range.
            pub const fn checked_add(self, bytes: u64) -> Option<Self> {
                match self.0.checked_add(bytes) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    };
}

address! {
    /// An address as a device sends it; means something only within one domain.
    Iova
}

address! {
    /// An address of physical memory. Drivers never hold one.
    PhysAddr
}

/// The sizes of memory that one translation entry can cover (VT-d "Second-Stage Paging Entries").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSize {
    /// 4 KiB, level 1.
    Size4K,
    /// 2 MiB, level 2.
    Size2M,
    /// 1 GiB, level 3.
    Size1G,
}

impl PageSize {
    /// Bytes that an entry of this size covers.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Size4K => PAGE_SIZE,
            Self::Size2M => 2 << 20,
            Self::Size1G => 1 << 30,
        }
    }

    /// The table level whose entries cover this much; 1 is the lowest.
    pub const fn level(self) -> u8 {
        match self {
            Self::Size4K => 1,
            Self::Size2M => 2,
            Self::Size1G => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn addresses_split_into_page_and_offset() {
        let address = Iova::new(0x1234_5678);
        assert_eq!(address.page(), Iova::new(0x1234_5000));
        assert_eq!(address.page_offset(), 0x678);
        assert_eq!(Iova::new(u64::MAX).checked_add(1), None);
        assert_eq!(format!("{address} {address:?}"), "0x12345678 Iova(0x12345678)");
    }

    #[test]
    fn page_sizes_follow_their_levels() {
        for size in [PageSize::Size4K, PageSize::Size2M, PageSize::Size1G] {
            assert_eq!(size.bytes(), PAGE_SIZE << (9 * (u32::from(size.level()) - 1)));
        }
    }
}
