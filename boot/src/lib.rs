//! Host side of the kernel: build it, make bootable images of it, run them in QEMU, judge their report.
//!
//! - [`kernel`] builds the kernel with a nested cargo, [`image`] makes disk images of it, [`flash`] writes them
//!   to sticks.
//! - [`machine`] describes a virtual machine, [`qemu`] finds QEMU and runs such a machine.
//! - [`report`](mod@report) reads what the kernel says, [`judge`] turns that into an exit status.
//! - [`evil`] sets hostile devices on a kernel.
//! - [`cli`] is the command `ivt` on top; the commands that need no kernel are [`offline`]'s.
//!
//! Everything a run writes lies in a temporary folder of its own, so that any number of runs may go on
//! at the same time, in one process or in several.
#![forbid(unsafe_code)]

pub mod cli;
mod error;
pub mod evil;
pub mod flash;
pub mod image;
pub mod kernel;
pub mod kernel_options;
pub mod machine;
pub mod qemu;
mod workspace;

pub use ::judge;
pub use error::Error;
pub use judge::report;
pub use workspace::target_folder;
