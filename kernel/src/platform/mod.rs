//! The machine around the processor.

pub mod acpi;
mod calibration;
pub mod cancel;
pub mod clock;
pub mod framebuffer;
pub mod fw_cfg;
pub mod keyboard;
pub mod machine;
pub mod pci;
pub mod power;
pub mod serial;
