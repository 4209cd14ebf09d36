//! QEMU: finding it, asking it, running machines in it.

mod console;
mod control;
mod firmware;
mod launch;
mod process;
mod program;
mod screenshot;
mod session;
mod test_port;

pub use console::ConsoleMode;
pub use firmware::{UefiFirmware, find_uefi};
pub use launch::Launch;
pub use program::Qemu;
pub use session::{Moment, Outcome, Session};
pub use test_port::{TestPort, config_space};
