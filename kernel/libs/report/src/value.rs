//! How single values are spelled in a report.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::str::FromStr;

use dma_types::Bdf;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text: borrowed by the kernel, owned by the host.
pub type Text<'a> = Cow<'a, str>;

/// A list: borrowed by the kernel, owned by the host.
///
/// Unlike `Cow<[T]>` it lets a longer-lived line stand in for a shorter-lived one.
#[derive(Clone, Debug)]
pub enum List<'a, T> {
    /// The kernel's.
    Borrowed(&'a [T]),
    /// The host's.
    Owned(Vec<T>),
}

impl<T> Deref for List<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Borrowed(items) => items,
            Self::Owned(items) => items,
        }
    }
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self::Borrowed(&[])
    }
}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self::Borrowed(items)
    }
}

impl<T: PartialEq> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Serialize> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<'_, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Owned)
    }
}

/// A number spelled `0x` and lower-case hex without padding: addresses, registers, reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex(pub u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        text.strip_prefix("0x")
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &"a number as 0x and hex"))
    }
}

/// A function or requester, spelled `SSSS:BB:DD.F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function(pub Bdf);

impl From<Bdf> for Function {
    fn from(bdf: Bdf) -> Self {
        Self(bdf)
    }
}

impl Serialize for Function {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Bdf::from_str(&text).map(Self).map_err(de::Error::custom)
    }
}

/// What a request was; see [`dma_types::Access`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// A read.
    Read,
    /// A write.
    Write,
    /// An atomic operation.
    Atomic,
    /// An interrupt request.
    Interrupt,
    /// The record does not tell.
    Unknown,
}

impl Access {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Atomic, Self::Interrupt, Self::Unknown];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Atomic => "atomic",
            Self::Interrupt => "interrupt",
            Self::Unknown => "unknown",
        }
    }
}

impl From<dma_types::Access> for Access {
    fn from(access: dma_types::Access) -> Self {
        match access {
            dma_types::Access::Read => Self::Read,
            dma_types::Access::Write => Self::Write,
            dma_types::Access::Atomic => Self::Atomic,
            dma_types::Access::Interrupt => Self::Interrupt,
            dma_types::Access::Unknown => Self::Unknown,
        }
    }
}

/// Which way the data of a mapping flow; see [`dma_types::Direction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The device reads.
    ToDevice,
    /// The device writes.
    FromDevice,
    /// Both.
    Bidirectional,
}

impl From<dma_types::Direction> for Direction {
    fn from(direction: dma_types::Direction) -> Self {
        match direction {
            dma_types::Direction::ToDevice => Self::ToDevice,
            dma_types::Direction::FromDevice => Self::FromDevice,
            dma_types::Direction::Bidirectional => Self::Bidirectional,
        }
    }
}

/// Processor registers by name, written as one object.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Registers<'a>(pub List<'a, (Text<'a>, Hex)>);

impl Serialize for Registers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name.as_ref(), value)?;
        }
        map.end()
    }
}

impl<'de, 'a> Deserialize<'de> for Registers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName<'a>(PhantomData<&'a str>);
        impl<'de, 'a> Visitor<'de> for ByName<'a> {
            type Value = Registers<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("registers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut registers = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    registers.push(entry);
                }
                Ok(Registers(List::Owned(registers)))
            }
        }
        deserializer.deserialize_map(ByName(PhantomData))
    }
}
