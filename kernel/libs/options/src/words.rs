//! Option values that are one word out of a few.

use core::fmt;
use core::str::FromStr;

use dma_types::Access;

/// A text that is none of the words its place allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedWord(
    /// The words allowed, separated by `|`.
    pub &'static str,
);

impl fmt::Display for ExpectedWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl core::error::Error for ExpectedWord {}

/// Declares an enum that is written as one of a few words.
macro_rules! word_enum {
    (
        $(#[$doc:meta])*
        $name:ident, $expected:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The words that are read, separated by `|`.
            pub const EXPECTED: &'static str = $expected;
        }

        impl FromStr for $name {
            type Err = ExpectedWord;

            fn from_str(text: &str) -> Result<Self, ExpectedWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(ExpectedWord(Self::EXPECTED)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }
    };
}

word_enum! {
    /// What the kernel does about a fault nobody announced.
    Policy, "bugcheck|contain|log" {
        /// Stop the machine and show why.
        Bugcheck = "bugcheck",
        /// Cut the device off and go on.
        Contain = "contain",
        /// Report and go on.
        Log = "log",
    }
}

word_enum! {
    /// A binary form in which faults are shown.
    RecordForm, "cper" {
        /// UEFI error records, in hex.
        Cper = "cper",
    }
}

word_enum! {
    /// How the whole report leaves the machine where no serial line does it.
    ReportWay, "qr|udp" {
        /// As pages on the screen, each a QR code.
        Qr = "qr",
        /// As datagrams to everybody, over every network card that is connected.
        Udp = "udp",
    }
}

word_enum! {
    /// Something that is on or off.
    Switch, "on|off" {
        /// On.
        On = "on",
        /// Off.
        Off = "off",
    }
}

word_enum! {
    /// What is told to the verifier of drivers' use of the DMA layer.
    VerifierOrder, "on|off|reset" {
        /// Check every call from now on.
        On = "on",
        /// Check no more.
        Off = "off",
        /// Count anew.
        Reset = "reset",
    }
}

word_enum! {
    /// Whether devices' interrupts are remapped, so that each raises none but its own.
    Interrupts, "remap|required|plain" {
        /// By every unit that can; behind the others any device may raise any.
        Remap = "remap",
        /// By every unit; what is behind one that cannot stays blocked.
        Required = "required",
        /// By none.
        Plain = "plain",
    }
}

word_enum! {
    /// How much goes to the log.
    LogLevel, "error|warn|info|debug" {
        /// Isolation or function lost.
        Error = "error",
        /// And fallbacks taken.
        Warn = "warn",
        /// And what happens once per boot or per device.
        Info = "info",
        /// And every operation.
        Debug = "debug",
    }
}

word_enum! {
    /// Where the report goes.
    ReportTarget, "off|com2|debugcon" {
        /// Nowhere.
        Off = "off",
        /// The second serial port, if a loopback test finds it.
        Com2 = "com2",
        /// The emulator's debug console port.
        DebugCon = "debugcon",
    }
}

word_enum! {
    /// Whether devices that can be plugged in from outside are given a driver.
    ExternalDevices, "deny|allow" {
        /// They stay blocked.
        Deny = "deny",
        /// They are treated like the others.
        Allow = "allow",
    }
}

word_enum! {
    /// Where the DMA remapping table comes from.
    DmarSource, "firmware|fw_cfg" {
        /// The ACPI tables of the machine.
        Firmware = "firmware",
        /// The emulator's file `opt/ivt/dmar`.
        FwCfg = "fw_cfg",
    }
}

word_enum! {
    /// What a device is told to do with memory that is not its own.
    Transfer, "read|write" {
        /// Read it.
        Read = "read",
        /// Write it.
        Write = "write",
    }
}

impl From<Transfer> for Access {
    fn from(transfer: Transfer) -> Self {
        match transfer {
            Transfer::Read => Self::Read,
            Transfer::Write => Self::Write,
        }
    }
}

/// How many recorded faults of one requester within a second are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storm {
    /// More than this many contain the requester, whatever the policy.
    After(u32),
    /// No number is too many.
    Off,
}

/// A text that is neither a number of faults nor `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseStormError;

impl fmt::Display for ParseStormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", Storm::EXPECTED)
    }
}

impl core::error::Error for ParseStormError {}

impl Storm {
    /// What is read.
    pub const EXPECTED: &'static str = "a number of faults a second, or off";
}

impl FromStr for Storm {
    type Err = ParseStormError;

    fn from_str(text: &str) -> Result<Self, ParseStormError> {
        if text == "off" {
            return Ok(Self::Off);
        }
        // The number parser would also take a leading plus sign.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseStormError);
        }
        text.parse().map(Self::After).map_err(|_| ParseStormError)
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(faults) => write!(f, "{faults}"),
            Self::Off => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_word_that_is_expected_is_read_and_written_back() {
        fn check<T: FromStr<Err = ExpectedWord> + ToString>(expected: &'static str) {
            for word in expected.split('|') {
                assert_eq!(word.parse::<T>().map(|value| value.to_string()), Ok(word.to_string()));
            }
            assert_eq!("".parse::<T>().err(), Some(ExpectedWord(expected)));
            assert_eq!("Log".parse::<T>().err(), Some(ExpectedWord(expected)));
        }
        check::<Policy>(Policy::EXPECTED);
        check::<Switch>(Switch::EXPECTED);
        check::<LogLevel>(LogLevel::EXPECTED);
        check::<ReportTarget>(ReportTarget::EXPECTED);
        check::<ExternalDevices>(ExternalDevices::EXPECTED);
        check::<DmarSource>(DmarSource::EXPECTED);
        check::<Interrupts>(Interrupts::EXPECTED);
        check::<Transfer>(Transfer::EXPECTED);
        check::<ReportWay>(ReportWay::EXPECTED);
    }

    #[test]
    fn a_storm_limit_is_a_plain_number_or_off() {
        assert_eq!("0".parse(), Ok(Storm::After(0)));
        assert_eq!("4294967295".parse(), Ok(Storm::After(u32::MAX)));
        assert_eq!("off".parse(), Ok(Storm::Off));
        for text in ["", "-1", "+1", "1e3", "4294967296", "on", "0x10"] {
            assert_eq!(text.parse::<Storm>(), Err(ParseStormError), "{text:?}");
        }
        assert_eq!(ParseStormError.to_string(), "expected a number of faults a second, or off");
    }
}
