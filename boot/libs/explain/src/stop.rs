//! The line of ivt's own stops, as its stop screen's QR code has it.
//!
//! ```text
//! IVT1:stop=e6,26,ffff880000177720,113d000,5;ver=0.1.0;req=0000:00:03.0;...;n=1;
//! ```

use dma_types::Access;
use report::{DIGEST_MARK, Digest, FaultDigest, Function, Hex};
use vtd::spec::fault_reason::FaultReason;

use super::bugcheck::Mention;
use super::device::DeviceName;
use super::fault::{Fault, Origin, Pasid, Reading, Request};

/// How far behind a stop screen's code its line may stand.
const SCREEN: usize = 6 << 10;

/// A stop of ivt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stop {
    /// The blocked request behind it.
    pub(super) request: Option<Request>,
    /// All that the line says.
    pub(super) digest: Digest<'static>,
}

impl Stop {
    pub(super) fn of(digest: Digest<'static>) -> Self {
        Self { request: digest.fault.as_ref().map(request), digest }
    }

    /// A stop of which nothing is known.
    pub(super) fn unknown() -> Self {
        let digest =
            Digest { code: Hex(0), parameters: [Hex(0); 4], version: None, fault: None, detail: None };
        Self::of(digest)
    }

    /// Its parameters as numbers.
    pub(super) fn parameters(&self) -> [u64; 4] {
        self.digest.parameters.map(|parameter| parameter.0)
    }
}

/// Reads the line that begins at `at`, and where it ends.
pub(super) fn read(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let (digest, length) = Digest::read(text.get(at..)?)?;
    Some((Fault::Stop(Box::new(Stop::of(digest))), at + length))
}

/// Tells whether a mention of a stop code is that of a screen whose line follows, and says more.
pub(super) fn follows(text: &[u8], mention: &Mention) -> bool {
    let behind = text.get(mention.end..).unwrap_or_default();
    let behind = &behind[..behind.len().min(SCREEN)];
    let line = behind.windows(DIGEST_MARK.len()).position(|window| window == DIGEST_MARK.as_bytes());
    let parameters = line.and_then(|line| Digest::read(&behind[line..])).map(|(digest, _)| digest.parameters);
    parameters.is_some_and(|parameters| {
        parameters.map(|parameter| Some(parameter.0)) == mention.bugcheck.parameters
    })
}

fn request(fault: &FaultDigest<'_>) -> Request {
    let index = fault.interrupt.as_ref().and_then(|interrupt| interrupt.index).map(u64::from);
    let place = fault.address.map(|address| address.0).or(index);
    blocked(fault.requester, fault.access, place, fault.reason)
}

/// A request as ivt's own lines tell of it; `place` is the address, or the index of an interrupt.
pub(super) fn blocked(
    requester: Function,
    access: report::Access,
    place: Option<u64>,
    reason: Hex,
) -> Request {
    let reason = u8::try_from(reason.0).map_or(Reading::Unreadable, |code| Reading::Value(FaultReason(code)));
    Request {
        origin: Origin::Record,
        access: Some(match access {
            report::Access::Read => Access::Read,
            report::Access::Write => Access::Write,
            report::Access::Atomic => Access::Atomic,
            report::Access::Interrupt => Access::Interrupt,
            report::Access::Unknown => Access::Unknown,
        }),
        device: DeviceName::read(requester.0.to_string().as_bytes()),
        place: place.map_or(Reading::Absent, Reading::Value),
        reason,
        pasid: Pasid::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "IVT1:stop=e6,26,ffff880000177720,113d000,5;ver=0.1.0;req=0000:00:03.0;dev=0000:00:03.0;\
        id=1234:11e8;drv=edu;op=write;at=113d000;why=5;is=never-mapped;near=probe+source;site=a.rs:240;n=2;";

    #[test]
    fn a_line_is_a_request_with_more_to_say() {
        let text = format!("scanned: {LINE} thanks");
        let (fault, end) = read(text.as_bytes(), 9).unwrap();
        let Fault::Stop(stop) = fault else { panic!("{fault:?}") };
        let request = stop.request.unwrap();
        assert_eq!(request.device.unwrap().as_str(), "0000:00:03.0");
        assert_eq!((request.access, request.place), (Some(Access::Write), Reading::Value(0x113_d000)));
        assert_eq!(request.reason, Reading::Value(FaultReason(5)));
        assert_eq!(stop.parameters(), [0x26, 0xffff_8800_0017_7720, 0x113_d000, 5]);
        assert_eq!(end, 9 + LINE.len());
    }

    #[test]
    fn an_interrupt_is_placed_by_its_index() {
        let line = LINE
            .replace("op=write;at=113d000;why=5;", "op=interrupt;why=26;")
            .replace("near=probe+source;site=a.rs:240;", "idx=1f;kind=forged;own=0000:00:05.0;");
        let Some((Fault::Stop(stop), _)) = read(line.as_bytes(), 0) else { panic!("{line}") };
        let Request { access, place, reason, .. } = stop.request.unwrap();
        assert_eq!((access, place), (Some(Access::Interrupt), Reading::Value(0x1f)));
        assert_eq!(reason, Reading::Value(FaultReason(0x26)));
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        for text in ["IVT1:", "IVT1: is a mark", "IVT1:req=00:03.0;", "IVT1:stop=e6,26;"] {
            assert_eq!(read(text.as_bytes(), 0), None, "{text}");
        }
    }
}
