//! What is wrong, in a sentence.

use core::fmt;

use super::TableFinding;

impl fmt::Display for TableFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchDevice { offset, segment, start_bus } => write!(
                f,
                "the scope at {offset:#x} names a device below bus {:04x}:{start_bus:02x} that is not there",
                segment.0
            ),
            Self::OtherKind { offset, device } => {
                write!(f, "the scope at {offset:#x} takes {device} for a device of the other kind")
            }
            Self::NamedTwice { offset, device } => {
                write!(f, "the scope at {offset:#x} names {device}, which another unit has")
            }
            Self::IncludeAllTwice { offset, segment } => write!(
                f,
                "the unit at {offset:#x} claims all the rest of segment {:04x}, as another one does",
                segment.0
            ),
            Self::BadRegion { offset, base, limit } => write!(
                f,
                "the region at {offset:#x} from {base} to {limit} is reversed or not whole pages, not mapped"
            ),
            Self::RegionBeyondWidth { offset, base, limit, width } => write!(
                f,
                "the region at {offset:#x} from {base} to {limit} passes the processor's {width}-bit physical \
                 addresses, not mapped"
            ),
            Self::RegionRefused { offset, base, over } => {
                write!(f, "the region at {offset:#x} from {base} on lies over {over}, not mapped")
            }
            Self::RegionOfBridge { offset, base, device } => write!(
                f,
                "the region at {offset:#x} from {base} on names bridge {device} as an endpoint, not mapped for it"
            ),
            Self::Uncovered { device } => write!(f, "no unit covers {device}"),
            Self::RegionNotReserved { offset, base, free } => write!(
                f,
                "the region at {offset:#x} from {base} on holds {free:#x} bytes that the memory map calls free"
            ),
            Self::UnitSilent { offset, base } => {
                write!(
                    f,
                    "the registers of the unit at {offset:#x}, which should be at {base}, do not answer"
                )
            }
            Self::NoInterruptRemapping { offset, base } => write!(
                f,
                "the table promises interrupt remapping, and the unit at {offset:#x} with registers at {base} \
                 has none"
            ),
            Self::Narrow { offset, platform, unit } => write!(
                f,
                "the unit at {offset:#x} translates {unit} address bits of the {platform} that the table gives \
                 the platform"
            ),
        }
    }
}
