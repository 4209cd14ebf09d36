//! Device control and status.

use bitflags::bitflags;
use mmio_regs::register_value;

bitflags! {
    /// 82574 "Device Control Register".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Control: u32 {
        /// FD: full duplex.
        const FULL_DUPLEX = 1 << 0;
        /// GIO Master Disable: no further request is sent upstream.
        const MASTER_DISABLE = 1 << 2;
        /// SLU: the link may come up.
        const SET_LINK_UP = 1 << 6;
        /// SPEED: 1000 megabits a second, where it is forced.
        const SPEED_1000 = 0b10 << 8;
        /// FRCSPD: the speed stands here, and is not what the PHY found.
        const FORCE_SPEED = 1 << 11;
        /// FRCDPLX: the duplex mode stands here, and is not what the PHY found.
        const FORCE_DUPLEX = 1 << 12;
        /// RST: resets the device, its configuration space left out; clears itself.
        const RESET = 1 << 26;
        /// RFCE: pause frames are obeyed.
        const RECEIVE_FLOW_CONTROL = 1 << 27;
        /// TFCE: pause frames are sent.
        const TRANSMIT_FLOW_CONTROL = 1 << 28;
        /// VME: VLAN tags are taken out of frames.
        const VLAN_MODE = 1 << 30;
    }
}

bitflags! {
    /// 82574 "Device Status Register".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u32 {
        /// FD: full duplex.
        const FULL_DUPLEX = 1 << 0;
        /// LU: there is a link.
        const LINK_UP = 1 << 1;
        /// GIO Master Enable Status: requests may be outstanding.
        const MASTER_ENABLED = 1 << 19;
    }
}

impl Status {
    /// What is read where no device answers.
    pub const ABSENT: Self = Self::from_bits_retain(u32::MAX);

    /// SPEED: megabits a second; means something only while there is a link.
    pub const fn megabits(self) -> u32 {
        match self.bits() >> 6 & 0b11 {
            0 => 10,
            1 => 100,
            _ => 1000,
        }
    }
}

bitflags! {
    /// 82574 "EEPROM/Flash Control Register".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct NvmControl: u32 {
        /// AUTO_RD: what a reset loads from the NVM has been loaded.
        const AUTO_READ_DONE = 1 << 9;
    }
}

register_value!(flags Control: u32);
register_value!(flags Status: u32);
register_value!(flags NvmControl: u32);

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn status_words_decode() {
        let up = Status::from_bits_retain(0x0008_0083);
        assert!(up.contains(Status::LINK_UP | Status::FULL_DUPLEX | Status::MASTER_ENABLED));
        assert_eq!(up.megabits(), 1000);
        assert_eq!(Status::from_bits_retain(0x43).megabits(), 100);
        assert_eq!(Status::from_bits_retain(0x03).megabits(), 10);
        assert!(!Status::from_bits_retain(0x81).contains(Status::LINK_UP));
    }
}
