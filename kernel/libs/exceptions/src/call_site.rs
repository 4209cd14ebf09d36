//! Which numbers on a stack can be return addresses.
//!
//! Without frame pointers a stack is searched for numbers that point into the kernel's code. Most that do
//! so by accident are told apart by what stands before them: a return address follows a call.

/// Bytes of the longest call instruction that [`ends_with_call`] knows.
pub const LONGEST_CALL: usize = 7;

/// Tells whether the bytes before an address end with a call instruction (SDM "CALL—Call Procedure").
///
/// Knows the near calls: `e8` with a 32-bit displacement, and `ff /2` through a register or memory, with or
/// without a prefix byte. Another instruction can end with the same bytes, so a `true` is a likelihood.
pub fn ends_with_call(code: &[u8]) -> bool {
    let before = |bytes: usize| code.len().checked_sub(bytes).and_then(|at| code.get(at..));
    if matches!(before(5), Some([0xe8, ..])) {
        return true;
    }
    // A shorter form also covers the longer one with a prefix in front of it.
    (2..=LONGEST_CALL).any(|length| match before(length) {
        Some([0xff, modrm, ..]) => {
            modrm >> 3 & 7 == 2 && indirect_call_length(*modrm, length) == Some(length)
        }
        _ => false,
    })
}

/// Bytes of an `ff /2` instruction with this ModRM byte; a SIB byte is allowed for, not looked into, so
/// that `length` decides where both lengths are possible.
fn indirect_call_length(modrm: u8, length: usize) -> Option<usize> {
    let sib = usize::from(modrm & 7 == 4);
    match modrm >> 6 {
        3 => Some(2),
        // RIP-relative, or a SIB byte without a base: 32-bit displacement.
        0 if modrm & 7 == 5 => Some(6),
        0 if sib == 1 => (length == 3 || length == 7).then_some(length),
        0 => Some(2),
        1 => Some(3 + sib),
        2 => Some(6 + sib),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_their_bytes() {
        for (code, is_call) in [
            (&[0x90, 0xe8, 1, 2, 3, 4][..], true),
            (&[0xe8, 1, 2, 3, 4], true),
            (&[0xe8, 1, 2, 3], false),
            (&[0xff, 0xd0], true),                   // call rax
            (&[0x41, 0xff, 0xd3], true),             // call r11
            (&[0xff, 0x10], true),                   // call [rax]
            (&[0xff, 0x14, 0x24], true),             // call [rsp]
            (&[0xff, 0x14, 0xc5, 0, 0, 0, 0], true), // call [rax*8 + disp32]
            (&[0xff, 0x50, 0x18], true),             // call [rax + 0x18]
            (&[0xff, 0x54, 0x24, 0x08], true),       // call [rsp + 8]
            (&[0xff, 0x15, 0, 0, 0, 0], true),       // call [rip + disp32]
            (&[0xff, 0x90, 0, 1, 0, 0], true),       // call [rax + 0x100]
            (&[0xff, 0x94, 0x24, 0, 1, 0, 0], true), // call [rsp + 0x100]
            (&[0xff, 0xe0], false),                  // jmp rax
            (&[0xff, 0x20], false),                  // jmp [rax]
            (&[0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90], false),
            (&[], false),
        ] {
            assert_eq!(ends_with_call(code), is_call, "{code:x?}");
        }
    }
}
