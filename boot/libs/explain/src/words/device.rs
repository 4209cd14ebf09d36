//! What usually sits at an address of the first segment.

use dma_types::SourceId;

use super::super::context::Context;
use super::super::device::DeviceName;

/// What the text says that a device is, or what it usually is where `custom` holds; `None` where neither is known.
pub(crate) fn known_as(device: DeviceName, context: &Context, custom: Custom) -> Option<String> {
    if let Some(role) = context.role_of(device) {
        return Some(role.to_owned());
    }
    if let Some(driver) = context.driver_of(device) {
        return Some(format!("its driver is {driver}"));
    }
    let usual = usual_role(device).filter(|_| custom == Custom::Intel)?;
    Some(format!("on Intel machines usually {usual}"))
}

/// Whose customs may tell what a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Custom {
    /// Those of Intel's machines.
    Intel,
    /// Nobody's: it is a machine of another kind, or what is at its addresses is made up.
    None,
}

/// What a function usually is on machines with VT-d; `None` where there is no custom.
///
/// Intel's chipsets keep these numbers from one generation to the next, so it is a good guess and no more.
pub(super) fn usual_role(name: DeviceName) -> Option<&'static str> {
    let source = name.in_first_segment()?;
    role(source)
}

fn role(source: SourceId) -> Option<&'static str> {
    Some(match (source.bus(), source.device(), source.function()) {
        (0, 0x02, _) => "the processor's graphics",
        (0, 0x05, 0) => "the processor's camera unit (IPU)",
        (0, 0x0e, 0) => "the storage controller VMD",
        (0, 0x14, 0) | (0x80, 0x14, 0) => "the chipset's USB controller",
        (0, 0x16, _) => "the management engine",
        (0, 0x17, 0) => "the chipset's SATA controller",
        (0, 0x1a | 0x1d, 0) => "a USB controller of an older chipset",
        (0, 0x1b, 0) | (0, 0x1f, 3) => "the chipset's sound controller",
        (0, 0x1f, 2) => "the SATA controller of an older chipset",
        (0, 0x1f, 0) => "the chipset's LPC bridge, whose id its I/O APIC and HPET may use",
        (0, 0x1f, 6) | (0, 0x19, 0) => "the chipset's network controller",
        (0xf0, 0x1f, _) => "the id under which the I/O APIC sends interrupts",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_segment_has_customs() {
        let role = |text: &str| usual_role(DeviceName::read(text.as_bytes()).unwrap());
        assert_eq!(role("00:02.0"), Some("the processor's graphics"));
        assert_eq!(role("0000:00:02.0"), role("00:02.0"));
        assert_eq!((role("0001:00:02.0"), role("03:00.0")), (None, None));
    }
}
