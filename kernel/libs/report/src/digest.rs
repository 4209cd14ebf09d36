//! A stop in one short line, for a QR code: `IVT1:stop=e6,26,...;req=0000:00:03.0;...;`.
//!
//! The line is printable ASCII without blanks. Behind the mark come fields, each `name=value` and ended by a
//! semicolon, so that a line that was cut off loses its last field and nothing else. Readers pass over fields
//! that they do not know. Numbers are hex without `0x`, except counts; in texts a blank is `+`, and what would
//! be mistaken is `%` and two hex digits.
//!
//! | field | is |
//! | --- | --- |
//! | `stop` | stop code and its four parameters |
//! | `ver` | the kernel's version |
//! | `req` | the id that the request carried |
//! | `dev`, `id`, `drv` | the function, its vendor and device id, its driver |
//! | `op`, `at`, `why` | what was asked, the page, the unit's reason |
//! | `is` | the verdict |
//! | `idx`, `kind`, `own` | of a refused interrupt: its index, why it was refused, whose entry it is |
//! | `near`, `site` | the nearest mapping: its label and the call that made it |
//! | `n` | how often; `+` behind it: at least |
//! | `say` | the first words on a stop without a fault |

mod read;
#[cfg(test)]
mod tests;

use core::fmt::{self, Write};

use crate::value::{Access, Function, Hex, Text};
use crate::{Bugcheck, Fault, Interrupt};

/// What every line begins with: the kind of line, and the version of its form.
pub const DIGEST_MARK: &str = "IVT1:";

/// Bytes of the longest line that the kernel writes.
pub const DIGEST_BYTES: usize = 416;

/// The longest driver name, mapping label, call site and words that are kept, in bytes.
const LONGEST: [usize; 4] = [16, 32, 40, 80];

/// The longest word on an interrupt that is kept, in bytes.
const LONGEST_KIND: usize = 16;

/// A stop in short. What is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest<'a> {
    /// The stop code.
    pub code: Hex,
    /// Its parameters.
    pub parameters: [Hex; 4],
    /// The kernel's version.
    pub version: Option<Text<'a>>,
    /// The fault behind it.
    pub fault: Option<FaultDigest<'a>>,
    /// The first words on a stop without a fault.
    pub detail: Option<Text<'a>>,
}

/// A fault in short; see [`Fault`] for the fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FaultDigest<'a> {
    /// The id that the request carried.
    pub requester: Function,
    /// The function.
    pub bdf: Option<Function>,
    /// Its vendor and device id.
    pub id: Option<Text<'a>>,
    /// Who drives it.
    pub driver: Option<Text<'a>>,
    /// What was asked.
    pub access: Access,
    /// The page.
    pub address: Option<Hex>,
    /// The unit's reason code.
    pub reason: Hex,
    /// Why it was blocked, in one word.
    pub verdict: Option<Text<'a>>,
    /// The interrupt that was refused.
    pub interrupt: Option<Interrupt<'a>>,
    /// What the nearest mapping is for.
    pub label: Option<Text<'a>>,
    /// The call that made it.
    pub site: Option<Text<'a>>,
    /// How often.
    pub count: u64,
    /// Whether there may have been more.
    pub at_least: bool,
}

impl<'a> Digest<'a> {
    /// Shortens a stop of a kernel of this version. Allocates nothing.
    pub fn of(version: &'a str, stop: &'a Bugcheck<'_>) -> Self {
        let [.., words] = LONGEST;
        let first_line = |detail: &'a Text<'_>| detail.lines().next().unwrap_or_default();
        let detail = stop.detail.as_ref().filter(|_| stop.fault.is_none());
        Self {
            code: stop.code,
            parameters: [stop.p1, stop.p2, stop.p3, stop.p4],
            version: Some(version.into()),
            fault: stop.fault.as_ref().map(FaultDigest::of),
            detail: detail.map(|detail| beginning(first_line(detail), words).into()),
        }
    }
}

impl<'a> FaultDigest<'a> {
    fn of(fault: &'a Fault<'_>) -> Self {
        let [driver, label, site, _] = LONGEST;
        // No mapping is near an interrupt.
        let nearest = fault.nearest.as_ref().filter(|_| fault.interrupt.is_none());
        let near = |text: &'a Option<Text<'_>>| text.as_deref();
        Self {
            requester: fault.requester,
            bdf: fault.bdf,
            id: fault.id.as_deref().map(Into::into),
            driver: fault.driver.as_deref().map(|text| beginning(text, driver).into()),
            access: fault.access,
            address: fault.address,
            reason: fault.reason,
            verdict: fault.verdict.as_deref().map(Into::into),
            interrupt: fault.interrupt.as_ref().map(|interrupt| Interrupt {
                kind: beginning(&interrupt.kind, LONGEST_KIND).into(),
                ..interrupt.clone()
            }),
            label: nearest.and_then(|nearest| near(&nearest.label)).map(|text| beginning(text, label).into()),
            site: nearest.and_then(|nearest| near(&nearest.site)).map(|text| ending(text, site).into()),
            count: fault.count,
            at_least: fault.at_least,
        }
    }
}

/// At most so many bytes from the start.
fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

/// At most so many bytes from the end, where a path tells most; our own sources by their place in the kernel.
fn ending(text: &str, bytes: usize) -> &str {
    let text = text.strip_prefix("kernel/src/").unwrap_or(text);
    let start = text.ceil_char_boundary(text.len().saturating_sub(bytes));
    text.get(start..).unwrap_or_default()
}

/// The line.
impl fmt::Display for Digest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p1, p2, p3, p4] = self.parameters;
        write!(f, "{DIGEST_MARK}stop={:x},{:x},{:x},{:x},{:x};", self.code.0, p1.0, p2.0, p3.0, p4.0)?;
        text(f, "ver", self.version.as_ref())?;
        if let Some(fault) = &self.fault {
            fault.fmt(f)?;
        }
        text(f, "say", self.detail.as_ref())
    }
}

impl fmt::Display for FaultDigest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req={};", self.requester.0)?;
        if let Some(bdf) = self.bdf {
            write!(f, "dev={};", bdf.0)?;
        }
        text(f, "id", self.id.as_ref())?;
        text(f, "drv", self.driver.as_ref())?;
        write!(f, "op={};", self.access.as_str())?;
        if let Some(address) = self.address {
            write!(f, "at={:x};", address.0)?;
        }
        write!(f, "why={:x};", self.reason.0)?;
        text(f, "is", self.verdict.as_ref())?;
        if let Some(interrupt) = &self.interrupt {
            if let Some(index) = interrupt.index {
                write!(f, "idx={index:x};")?;
            }
            text(f, "kind", Some(&interrupt.kind))?;
            if let Some(owner) = interrupt.owner {
                write!(f, "own={};", owner.0)?;
            }
        }
        text(f, "near", self.label.as_ref())?;
        text(f, "site", self.site.as_ref())?;
        write!(f, "n={}{};", self.count, if self.at_least { "+" } else { "" })
    }
}

/// A field that is a text.
fn text(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&Text<'_>>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    write!(f, "{name}=")?;
    for byte in value.bytes() {
        match byte {
            b' ' => f.write_char('+')?,
            b'+' | b';' | b'%' => write!(f, "%{byte:02x}")?,
            0x21..=0x7e => f.write_char(char::from(byte))?,
            _ => write!(f, "%{byte:02x}")?,
        }
    }
    f.write_char(';')
}
