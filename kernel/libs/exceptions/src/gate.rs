//! Gates of the interrupt descriptor table, as they lie in memory.

/// A gate (SDM "64-Bit IDT Gate Descriptors").
///
/// ```text
///   low    63        48 47 46 45 44 43  40 39  35 34  32 31      16 15         0
///          handler 31:16 P  DPL   0  type     0    IST   selector   handler 15:0
///   high   63        32 31                                                     0
///             0                            handler 63:32
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The word at the lower address.
    pub low: u64,
    /// The word behind it.
    pub high: u64,
}

impl Gate {
    /// Bytes of a gate.
    pub const BYTES: u64 = 16;
    /// The type of an interrupt gate: interrupts are off when its handler starts.
    pub const INTERRUPT: u8 = 0xe;

    /// Tells whether the processor may use it.
    pub const fn is_present(self) -> bool {
        self.low >> 47 & 1 == 1
    }

    /// Its type; anything but [`Self::INTERRUPT`] leaves interrupts on, or is no gate.
    pub const fn kind(self) -> u8 {
        (self.low >> 40 & 0xf) as u8
    }

    /// The least privileged level that may call it by an instruction, 0 to 3.
    pub const fn privilege(self) -> u8 {
        (self.low >> 45 & 3) as u8
    }

    /// The code segment that its handler runs in.
    pub const fn selector(self) -> u16 {
        (self.low >> 16) as u16
    }

    /// Index in the interrupt stack table, from 1, of the stack that its handler gets; `None` if that is the
    /// interrupted one.
    pub const fn stack(self) -> Option<u8> {
        match self.low >> 32 & 7 {
            0 => None,
            index => Some(index as u8),
        }
    }

    /// The address of its handler.
    pub const fn handler(self) -> u64 {
        self.high << 32 | self.low >> 32 & 0xffff_0000 | self.low & 0xffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_read_from_its_place() {
        let gate = Gate { low: 0x8000_8e02_0008_1230, high: 0xffff_ffff };
        assert!(gate.is_present());
        assert_eq!(gate.kind(), Gate::INTERRUPT);
        assert_eq!(gate.privilege(), 0);
        assert_eq!(gate.selector(), 8);
        assert_eq!(gate.stack(), Some(2));
        assert_eq!(gate.handler(), 0xffff_ffff_8000_1230);
    }

    #[test]
    fn a_gate_of_zeros_is_absent() {
        let gate = Gate { low: 0, high: 0 };
        assert!(!gate.is_present());
        assert_eq!((gate.kind(), gate.stack(), gate.handler()), (0, None, 0));
    }

    #[test]
    fn a_call_gate_of_the_user_level_is_told_apart() {
        let gate = Gate { low: 0x0000_ec00_0033_0000, high: 0 };
        assert!(gate.is_present());
        assert_eq!((gate.kind(), gate.privilege(), gate.selector()), (0xc, 3, 0x33));
    }
}
