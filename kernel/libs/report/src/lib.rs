//! The kernel's report: one JSON object a line, as types shared by kernel and host.
//!
//! Writing allocates nothing, so that a stopped kernel can still report: every [`Text`] and [`List`] is
//! borrowed by the kernel and owned by the host. A field that is absent is `null`; readers ignore fields
//! they do not know.
//!
//! # Example
//! ```
//! use report::{Check, Event, Outcome, write_line};
//!
//! let event = Event::Check(Check { t: 5, name: "books".into(), result: Outcome::Pass, detail: None });
//! let mut buffer = [0; 128];
//! let line = write_line(&event, &mut buffer)?;
//! assert_eq!(line, b"{\"event\":\"check\",\"t\":5,\"name\":\"books\",\"result\":\"pass\",\"detail\":null}\n");
//! # Ok::<(), report::LineError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod digest;
mod event;
mod fault;
mod machine;
mod run;
mod value;
mod verdict;

pub use digest::{DIGEST_BYTES, DIGEST_MARK, Digest, FaultDigest};
pub use event::{Event, LineError, MAX_LINE, write_line};
pub use fault::{
    Action, Bugcheck, Candidate, Fault, HistoryEntry, Interrupt, Nearest, Op, Violation, Walk, WalkStep,
};
pub use machine::{
    Boot, Cpu, CpuRunState, Device, DeviceState, DmarSource, Domain, Finding, InterruptRemapping,
    InvalidationKind, Machine, MachineInterrupts, Protected, SCHEMA, Severity, StaleFault, Unit, UnitKind,
    UnitState, Window,
};
pub use run::{Bench, Check, Drill, DrillCommand, DrillResult, End, EndStatus, ExpectedFault, Lost, Outcome};
pub use value::{Access, Direction, Function, Hex, List, Registers, Text};
pub use verdict::{Verdict, VerdictCheck, VerdictResult};
