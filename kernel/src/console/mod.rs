//! The console: a terminal on the first serial port, and the same on screen and keyboard.
//!
//! [`print!`](crate::print) and [`println!`](crate::println) write to both; [`prompt::run`] waits for commands, [`script::run`] takes them
//! from an option. What a command does stands in [`commands`]; the grammar is the `options` library's.

mod carry;
pub mod commands;
pub mod disks;
mod faults;
pub mod input;
mod interrupts;
mod memory;
mod network;
pub mod output;
pub mod page;
pub mod prompt;
pub mod script;

/// What stands before a command.
const PROMPT: &str = "ivt> ";

/// Writes text for people to serial line and screen.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::console::output::write(format_args!($($argument)*))
    };
}

/// Writes a line for people to serial line and screen.
#[macro_export]
macro_rules! println {
    ($($argument:tt)*) => {
        $crate::console::output::write(format_args!("{}\n", format_args!($($argument)*)))
    };
}
