//! The saved state of an interrupted processor, and processor exceptions in words.
//!
//! The layout of [`TrapFrame`] is what the assembly of the entry stubs writes; the rest turns what the
//! processor left behind into something a person can read.
//!
//! Documents: Intel SDM volume 3, "Interrupt and Exception Handling".
//!
//! # Example
//! ```
//! use exceptions::{ErrorCode, Vector};
//!
//! let code = ErrorCode::new(Vector::PAGE_FAULT, 0b10).expect("page faults have one");
//! assert_eq!(code.to_string(), "0x2: write to a page that is not mapped, by the kernel");
//! assert_eq!(ErrorCode::new(Vector::NMI, 0), None);
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod call_site;
mod error_code;
mod frame;
mod gate;
mod nmi;
mod report;
mod state;
mod vector;

pub use call_site::{LONGEST_CALL, ends_with_call};
pub use error_code::ErrorCode;
pub use frame::{GENERAL_REGISTER_BYTES, TrapFrame};
pub use gate::Gate;
pub use nmi::{NmiCause, NmiStatus};
pub use report::{ExceptionReport, MAX_RETURN_ADDRESSES, ReturnAddresses, StackCondition};
pub use state::{ControlState, CpuState, REGISTER_COUNT};
pub use vector::{ERROR_CODE_VECTORS, EXCEPTION_COUNT, Vector};
