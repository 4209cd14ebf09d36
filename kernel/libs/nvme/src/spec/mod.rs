//! Layouts: registers, queue entries, status codes, and the data that commands return.

mod bytes;
pub mod command;
pub mod completion;
pub mod identify;
pub mod registers;
pub mod smart;
pub mod status;
mod text;

pub use text::AsciiText;
