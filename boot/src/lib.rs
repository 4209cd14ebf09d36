//! Host side of the kernel: build it, make bootable images of it, run them in QEMU, judge their report.
//!
//! - [`kernel`] builds the kernel with a nested cargo, [`image`] makes disk images of it, [`flash`] writes them
//!   to sticks.
//! - [`machine`] describes a virtual machine, [`qemu`] finds QEMU and runs such a machine.
//! - [`report`](mod@report) reads what the kernel says, [`judge`] turns that into an exit status.
//! - [`audit`] judges firmware tables and [`explain`] fault messages, without the kernel.
//! - [`evil`] sets hostile devices on a kernel.
//! - [`cli`] is the command `ivt` on top.
//!
//! Everything a run writes lies in a temporary folder of its own, so that any number of runs may go on
//! at the same time, in one process or in several.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod colour;
mod error;
pub mod evil;
pub mod explain;
pub mod flash;
pub mod image;
mod json_line;
pub mod judge;
pub mod kernel;
pub mod kernel_options;
pub mod machine;
mod pasted;
pub mod qemu;
pub mod report;
mod workspace;

pub use error::Error;
pub use workspace::target_folder;
