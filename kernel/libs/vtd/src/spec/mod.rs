//! Layouts as the specification draws them: registers, descriptors, records, table entries.
//!
//! Nothing here acts. Values that the hardware supplies keep the bits that this crate does not know.

pub mod capability;
pub mod command;
pub mod context_entry;
pub mod descriptor;
pub mod fault_event;
pub mod fault_reason;
pub mod fault_record;
pub mod interrupt_entry;
pub mod interrupt_request;
pub mod interrupt_table;
pub mod queue_registers;
pub mod register_invalidation;
pub mod registers;
pub mod root_entry;
pub mod second_stage;
