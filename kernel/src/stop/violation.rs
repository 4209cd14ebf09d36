//! A violation on the screen: who, which way, where, why, when, how often, and what to do next.

use core::fmt;

use diagnosis::Timestamp;
use report::{Access, Fault, Interrupt, Op};
use screen::Field;

use super::Story;
use crate::text::Text as FixedText;

/// The stop code of a DMA violation, and its name.
pub(super) const CODE: (u32, &str) = (0xe6, "DRIVER_VERIFIER_DMA_VIOLATION");
/// Parameter 1: the IOMMU reported it.
const BY_IOMMU: u64 = 0x26;

const HEADLINE: &str = "A device reached for memory that it was not given. The IOMMU blocked it, and the machine \
    was stopped before anything else could happen.";

const HEADLINE_OF_INTERRUPT: &str = "A device sent an interrupt that it was not given. The IOMMU blocked it, and the machine \
    was stopped before anything else could happen.";

/// Tells the story of a violation.
///
/// `object` is the address of the device's record, zero for a requester that nobody knows.
pub(super) fn with_story<R>(fault: &Fault<'_>, object: u64, tell: impl FnOnce(&Story<'_>) -> R) -> R {
    let page = fault.address.map_or(0, |address| address.0);
    let reason = fault.reason.0;
    let who = FixedText::<256>::of(&Who(fault));
    let requester = FixedText::<256>::of(&Requester(fault));
    let access = FixedText::<64>::of(&Attempt(fault));
    let why = FixedText::<128>::of(&format_args!("{reason:#x}: {}", fault.reason_name));
    let when = FixedText::<256>::of(&When(fault));
    let often = FixedText::<64>::of(&Often(fault));
    let [verdict, explanation, advice] =
        [&fault.verdict, &fault.explanation, &fault.advice].map(|text| text.as_deref().unwrap_or_default());
    let fields = [
        Field { label: "device", value: &who },
        Field { label: "access", value: &access },
        Field { label: "reason", value: &why },
        Field { label: "verdict", value: &verdict },
        Field { label: "when", value: &when },
        Field { label: "how often", value: &often },
        Field { label: "explanation", value: &explanation },
        Field { label: "what next", value: &advice },
        Field { label: "requester", value: &requester },
    ];
    // The last one says something only where the request carried another id than the device's own.
    let own_id = fault.bdf == Some(fault.requester) && fault.candidates.is_empty();
    let shown = fields.len() - usize::from(own_id);
    tell(&Story {
        code: CODE,
        parameters: [BY_IOMMU, object, page, reason],
        headline: if fault.access == Access::Interrupt { &HEADLINE_OF_INTERRUPT } else { &HEADLINE },
        fields: fields.get(..shown).unwrap_or(&fields),
        fault: Some(fault.clone()),
        violation: None,
        detail: None,
    })
}

/// The device: place, name, ids, driver.
struct Who<'f>(&'f Fault<'f>);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Fault { bdf, requester, name, id, driver, .. }) = self;
        write!(f, "{}  {}", bdf.unwrap_or(*requester).0, name.as_deref().unwrap_or("unknown device"))?;
        if let Some(id) = id {
            write!(f, " ({id})")?;
        }
        match driver {
            Some(driver) => write!(f, ", driver {driver}"),
            None => f.write_str(", no driver"),
        }
    }
}

/// The id that the request carried, and whom it may stand for.
struct Requester<'f>(&'f Fault<'f>);

impl fmt::Display for Requester<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Fault { requester, candidates, .. }) = self;
        write!(f, "the request carried the id {}", requester.0)?;
        for (index, candidate) in candidates.iter().enumerate() {
            let link = if index == 0 { ", which may stand for" } else { "," };
            write!(f, "{link} {} ({})", candidate.bdf.0, candidate.verdict)?;
        }
        Ok(())
    }
}

/// Which way and where.
struct Attempt<'f>(&'f Fault<'f>);

impl fmt::Display for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Fault { access, address, interrupt, .. }) = self;
        f.write_str(access.as_str())?;
        if let Some(page) = address {
            write!(f, " at {:#x}", page.0)?;
        }
        let Some(Interrupt { index, kind, owner }) = interrupt else { return Ok(()) };
        write!(f, ", {kind}")?;
        if let Some(index) = index {
            write!(f, ", index {index}")?;
        }
        owner.map_or(Ok(()), |owner| write!(f, " of {}", owner.0))
    }
}

/// When, and how long after what had happened there before.
struct When<'f>(&'f Fault<'f>);

impl fmt::Display for When<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Fault { t, history, .. }) = self;
        write!(f, "{}.{:03} s after start", t / 1_000_000_000, t / 1_000_000 % 1000)?;
        for (op, word) in [(Op::Map, "map"), (Op::Unmap, "unmap"), (Op::Flush, "flush")] {
            // The newest stands first.
            if let Some(entry) = history.iter().find(|entry| entry.op == op) {
                let passed = Timestamp::from_nanos(*t).since(Timestamp::from_nanos(entry.t));
                write!(f, "; {passed} after the last {word}")?;
            }
        }
        Ok(())
    }
}

/// How often.
struct Often<'f>(&'f Fault<'f>);

impl fmt::Display for Often<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Fault { count, at_least, .. }) = self;
        if *at_least {
            f.write_str("at least ")?;
        }
        match count {
            1 => f.write_str("once"),
            count => write!(f, "{count} times"),
        }
    }
}
