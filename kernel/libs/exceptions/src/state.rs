//! The registers of a processor, by name.

use crate::TrapFrame;

/// Registers in [`CpuState::registers`].
pub const REGISTER_COUNT: usize = 33;

/// Control, debug and model-specific registers, read when a report is made and never written back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the register of its name")]
pub struct ControlState {
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub efer: u64,
    /// Debug address registers 0 to 3.
    pub dr: [u64; 4],
    pub dr6: u64,
    pub dr7: u64,
    pub fs_base: u64,
    pub gs_base: u64,
}

/// What a report says about the processor: the interrupted registers and the control state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuState {
    /// The registers that the entry stub saved.
    pub frame: TrapFrame,
    /// The registers that were read for the report.
    pub control: ControlState,
}

impl CpuState {
    /// Every register with its name in lower case, in the order that people expect.
    pub const fn registers(&self) -> [(&'static str, u64); REGISTER_COUNT] {
        let (frame, control) = (&self.frame, &self.control);
        let [dr0, dr1, dr2, dr3] = control.dr;
        [
            ("rax", frame.rax),
            ("rbx", frame.rbx),
            ("rcx", frame.rcx),
            ("rdx", frame.rdx),
            ("rsi", frame.rsi),
            ("rdi", frame.rdi),
            ("rbp", frame.rbp),
            ("rsp", frame.rsp),
            ("r8", frame.r8),
            ("r9", frame.r9),
            ("r10", frame.r10),
            ("r11", frame.r11),
            ("r12", frame.r12),
            ("r13", frame.r13),
            ("r14", frame.r14),
            ("r15", frame.r15),
            ("rip", frame.rip),
            ("rflags", frame.rflags),
            ("cs", frame.cs),
            ("ss", frame.ss),
            ("cr0", control.cr0),
            ("cr2", control.cr2),
            ("cr3", control.cr3),
            ("cr4", control.cr4),
            ("efer", control.efer),
            ("dr0", dr0),
            ("dr1", dr1),
            ("dr2", dr2),
            ("dr3", dr3),
            ("dr6", control.dr6),
            ("dr7", control.dr7),
            ("fs_base", control.fs_base),
            ("gs_base", control.gs_base),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_register_appears_once_with_its_own_value() {
        let state = CpuState {
            frame: TrapFrame {
                r15: 1,
                r14: 2,
                r13: 3,
                r12: 4,
                r11: 5,
                r10: 6,
                r9: 7,
                r8: 8,
                rbp: 9,
                rdi: 10,
                rsi: 11,
                rdx: 12,
                rcx: 13,
                rbx: 14,
                rax: 15,
                vector: 100,
                error_code: 101,
                rip: 16,
                cs: 17,
                rflags: 18,
                rsp: 19,
                ss: 20,
            },
            control: ControlState {
                cr0: 21,
                cr2: 22,
                cr3: 23,
                cr4: 24,
                efer: 25,
                dr: [26, 27, 28, 29],
                dr6: 30,
                dr7: 31,
                fs_base: 32,
                gs_base: 33,
            },
        };
        let registers = state.registers();
        let names: BTreeSet<_> = registers.iter().map(|(name, _)| name).collect();
        let values: BTreeSet<_> = registers.iter().map(|(_, value)| *value).collect();
        assert_eq!(names.len(), REGISTER_COUNT);
        assert_eq!(values, (1..=33).collect());
        assert!(registers.contains(&("r12", 4)));
        assert!(registers.contains(&("dr3", 29)));
    }
}
