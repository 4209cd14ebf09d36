//! A unit that does not enforce any more, on the screen: which, and what its registers say.

use screen::Field;

use super::Story;
use crate::iommu::enforcement::Lost;
use crate::text::Text as FixedText;

/// The stop code, and its name.
const CODE: (u32, &str) = (0x1e6, "IOMMU_PROTECTION_LOST");

const HEADLINE: &str = "An IOMMU unit does not enforce any more: somebody else has written its registers. Devices \
    could reach any memory, so the machine was stopped.";

const NEXT: &str = "unplug what is external; look at the device that was started or spoken to last, and at the \
    firmware";

/// Tells the story of a lost unit.
pub(super) fn with_story<R>(lost: &Lost, tell: impl FnOnce(&Story<'_>) -> R) -> R {
    let Lost { unit, what } = *lost;
    let status = FixedText::<32>::of(&format_args!("{:#x}", what.status.bits()));
    let root = FixedText::<32>::of(&format_args!("{:#x}", what.register.0));
    let detail = FixedText::<192>::of(lost);
    let fields = [
        Field { label: "unit", value: &unit },
        Field { label: "what is lost", value: &what },
        Field { label: "status", value: &status },
        Field { label: "root table", value: &root },
        Field { label: "what next", value: &NEXT },
    ];
    tell(&Story {
        code: CODE,
        parameters: [unit as u64, u64::from(what.status.bits()), what.register.0, 0],
        headline: &HEADLINE,
        fields: &fields,
        fault: None,
        violation: None,
        detail: Some(detail.as_str()),
    })
}
