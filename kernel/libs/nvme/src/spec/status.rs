//! How a command ended, in words (Base "Status Field Definition", NVM "Status Codes").

use core::fmt;

/// The 15 bits of status: code 7:0, type 10:8, retry delay 12:11, more 13, do not retry 14. Other values are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

/// Type of a status code.
const GENERIC: u16 = 0x000;
const COMMAND_SPECIFIC: u16 = 0x100;
const MEDIA: u16 = 0x200;

impl Status {
    /// Done.
    pub const SUCCESS: Self = Self(GENERIC);
    /// A field of the command is not what it may be; also where the data could not be reached.
    pub const INVALID_FIELD: Self = Self(GENERIC | 0x02);
    /// The data could not be moved.
    pub const DATA_TRANSFER_ERROR: Self = Self(GENERIC | 0x04);
    /// The blocks lie beyond the namespace.
    pub const LBA_OUT_OF_RANGE: Self = Self(GENERIC | 0x80);
    /// What was compared differs.
    pub const COMPARE_FAILURE: Self = Self(MEDIA | 0x85);

    /// Type and code, without the bits about retrying.
    pub const fn code(self) -> Self {
        Self(self.0 & 0x7ff)
    }

    /// Whether the command did what it was told.
    pub const fn is_success(self) -> bool {
        self.code().0 == Self::SUCCESS.0
    }

    /// Whether trying again cannot help.
    pub const fn is_final(self) -> bool {
        self.0 & 1 << 14 != 0
    }

    /// What the code means, where it is known here.
    pub const fn meaning(self) -> Option<&'static str> {
        Some(match self.code().0 {
            0x000 => "successful completion",
            0x001 => "invalid command opcode",
            0x002 => "invalid field in command",
            0x003 => "command id conflict",
            0x004 => "data transfer error",
            0x005 => "commands aborted due to power loss notification",
            0x006 => "internal error",
            0x007 => "command abort requested",
            0x008 => "command aborted due to deletion of its queue",
            0x00b => "invalid namespace or format",
            0x00c => "command sequence error",
            0x013 => "PRP offset invalid",
            0x01c => "sanitize failed",
            0x01d => "sanitize in progress",
            0x020 => "namespace is write protected",
            0x080 => "LBA out of range",
            0x081 => "capacity exceeded",
            0x082 => "namespace not ready",
            0x083 => "reservation conflict",
            0x084 => "format in progress",
            0x100 => "completion queue invalid",
            0x101 => "invalid queue identifier",
            0x102 => "invalid queue size",
            0x105 => "asynchronous event request limit exceeded",
            0x108 => "invalid interrupt vector",
            0x109 => "invalid log page",
            0x10c => "invalid queue deletion",
            0x180 => "conflicting attributes",
            0x182 => "attempted write to read only range",
            0x280 => "write fault",
            0x281 => "unrecovered read error",
            0x282 => "end-to-end guard check error",
            0x283 => "end-to-end application tag check error",
            0x284 => "end-to-end reference tag check error",
            0x285 => "compare failure",
            0x286 => "access denied",
            0x287 => "deallocated or unwritten logical block",
            _ => return None,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(meaning) = self.meaning() {
            return f.write_str(meaning);
        }
        let kind = match self.0 & 0x700 {
            GENERIC => "generic",
            COMMAND_SPECIFIC => "command specific",
            MEDIA => "media",
            0x300 => "path related",
            0x700 => "vendor specific",
            _ => "reserved",
        };
        write!(f, "{kind} status {:#x}", self.0 & 0xff)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn known_codes_have_words_and_unknown_ones_keep_their_number() {
        let retried = Status(0x4000 | Status::COMPARE_FAILURE.0);
        assert_eq!(format!("{retried}"), "compare failure");
        assert!(retried.is_final() && retried.code() == Status::COMPARE_FAILURE);
        assert_eq!(format!("{}", Status(0x1c7)), "command specific status 0xc7");
        assert_eq!(format!("{}", Status(0x712)), "vendor specific status 0x12");
        assert_eq!(format!("{}", Status(0x512)), "reserved status 0x12");
        assert!(Status(0x1800).is_success() && !Status(1).is_success());
    }
}
