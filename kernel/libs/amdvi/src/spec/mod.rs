//! Layouts of registers, tables, commands and events, as the document has them. Nothing here behaves.

pub mod command;
pub mod control;
pub mod device_entry;
pub mod event;
pub mod event_code;
pub mod features;
pub mod page_entry;
pub mod registers;
pub mod ring;
pub mod status;
