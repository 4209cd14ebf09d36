//! What a vector can be for. The upper half of the number is its priority: what stands higher interrupts what stands
//! lower, whatever is sent and how often (SDM "Interrupt, Task, and Processor Priority").

use core::fmt;

/// The first vector that a device may have.
pub const FIRST_DEVICE_VECTOR: u8 = 0x30;
/// The last one.
pub const LAST_DEVICE_VECTOR: u8 = 0xef;
/// How many devices' messages can be told apart.
pub const DEVICE_VECTORS: usize = (LAST_DEVICE_VECTOR - FIRST_DEVICE_VECTOR) as usize + 1;

/// What vectors of a range are for; the order is that of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VectorClass {
    /// The processor's own exceptions.
    Exception,
    /// The lines of the two 8259 controllers, all of them masked.
    Legacy,
    /// Messages of devices.
    Device,
    /// Timer, faults and errors: what the kernel depends on outranks every device.
    Kernel,
}

impl VectorClass {
    /// The class of a vector.
    pub const fn of(vector: u8) -> Self {
        match vector {
            0..=0x1f => Self::Exception,
            0x20..FIRST_DEVICE_VECTOR => Self::Legacy,
            FIRST_DEVICE_VECTOR..=LAST_DEVICE_VECTOR => Self::Device,
            _ => Self::Kernel,
        }
    }
}

/// As an adjective to "vector".
impl fmt::Display for VectorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exception => "exception",
            Self::Legacy => "legacy",
            Self::Device => "device",
            Self::Kernel => "kernel",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_class_shares_a_priority_with_another() {
        for vector in 0..u8::MAX {
            let (this, next) = (VectorClass::of(vector), VectorClass::of(vector + 1));
            assert!(this <= next);
            if this != next {
                assert!(vector >> 4 < (vector + 1) >> 4, "{vector:#x}");
            }
        }
        assert_eq!(VectorClass::of(0), VectorClass::Exception);
        assert_eq!(VectorClass::of(0x2f), VectorClass::Legacy);
        assert_eq!(VectorClass::of(0xff), VectorClass::Kernel);
    }
}
