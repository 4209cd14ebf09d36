//! Decodes the ACPI tables that describe an IOMMU, and says what they mean.
//!
//! Firmware wrote these bytes, and firmware is often wrong. So nothing here trusts a length, an address or
//! a kind: decoding borrows from the bytes, allocates nothing, cannot panic, and takes time linear in the
//! table's length whatever it holds. Damage is kept and reported, and does not hide what lies before it.
//! Raw values, unknown kinds and reserved bits are kept as they stand.
//!
//! [`Dmar`] is Intel's table, [`Ivrs`](ivrs::Ivrs) AMD's; [`Damage`] is what kept one from being read in full;
//! [`lint`] says what a table means for the protection of its machine. [`SoftOff`] finds how a machine is switched
//! off, the one thing wanted of the other tables' contents.
//!
//! Documents: VT-d 774206, revision 4.1 ("BIOS Considerations"), AMD-Vi 48882 ("I/O Virtualization ACPI Table"), ACPI 6.5
//! ("System Description Table Header").
//!
//! # Example
//! ```
//! use acpi_tables::{Dmar, lint};
//!
//! // A header, 48 address bits, no flags, reserved bytes, and no unit at all.
//! let mut bytes = *b"DMAR\x30\0\0\0\x01\0OEMID TABLEID \0\0\0\0\0\0\0\0\0\0\0\0\x2f\0\0\0\0\0\0\0\0\0\0\0";
//! let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
//! bytes[9] = 0_u8.wrapping_sub(sum);
//!
//! let table = Dmar::parse(&bytes)?;
//! assert_eq!((table.host_address_width(), table.drhds().count()), (48, 0));
//! let mut findings = Vec::new();
//! lint::lint_dmar(&table, |finding| findings.push(finding.id()));
//! // No unit takes what the others do not list.
//! assert!(findings.contains(&"include-all-missing"), "{findings:?}");
//! # Ok::<(), acpi_tables::TableError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(test, feature = "testing", feature = "json")),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(any(test, feature = "testing", feature = "json"))]
extern crate std;

mod damage;
mod dmar;
pub mod ivrs;
#[cfg(feature = "json")]
pub mod json;
pub mod lint;
mod reader;
mod record;
mod sleep;
mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use damage::Damage;
pub use dmar::{
    Andd, Atsr, AtsrFlags, Dmar, DmarFlags, Drhd, DrhdFlags, PathHop, Rhsa, Rmrr, Satc, SatcFlags, Scope,
    ScopeError, ScopeFlags, ScopeKind, Scopes, Sidp, Structure, Structures, UnknownStructure,
};
pub use record::StructureError;
pub use sleep::SoftOff;
pub use table::{Checksum, Header, LengthProblem, TableError};
