//! The command `faults`: the blocked accesses of late, as lines or as error records.

use core::fmt;

use cper::DmaFault;
use diagnosis::RefusedInterrupt;
use dma_types::Bdf;
use report::Action;

use crate::faults::FaultNote;
use crate::{faults, journal, println};

/// Error records that are shown at once.
const RECORDS_SHOWN: usize = 4;

/// Lists the faults of late, of one device or of all, a line each.
pub(super) fn list(of: Option<Bdf>) {
    faults::recent(|fault| {
        if of.is_none_or(|bdf| fault.is_of(bdf)) {
            list_fault(fault);
        }
    });
    println!("{} fault records drained since start", journal::faults());
}

fn list_fault(fault: &FaultNote) {
    println!(
        "{:>6}.{:03} s {} {} {} reason {}: {}, {}",
        fault.at / 1_000_000_000,
        fault.at / 1_000_000 % 1000,
        fault.bdf.unwrap_or(fault.requester),
        fault.access,
        Place(fault),
        fault.reason,
        fault.verdict,
        answer(fault.action)
    );
}

/// Where a request went: to a page, or to an interrupt.
struct Place<'a>(&'a FaultNote);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultNote { address, interrupt, .. } = self.0;
        match (address, interrupt) {
            (Some(page), _) => write!(f, "{page}"),
            (None, Some(RefusedInterrupt { index, kind, owner })) => {
                write!(f, "{kind}")?;
                if let Some(index) = index {
                    write!(f, ", index {index}")?;
                }
                owner.map_or(Ok(()), |owner| write!(f, " of {owner}"))
            }
            (None, None) => f.write_str("of nothing that is known"),
        }
    }
}

/// Shows the error records of the last few faults, for `ivt explain` and other readers of such records.
pub(super) fn show_records(of: Option<Bdf>) {
    let is_meant = |fault: &FaultNote| of.is_none_or(|bdf| fault.is_of(bdf));
    let mut left_out = 0_usize;
    faults::recent(|fault| left_out += usize::from(is_meant(fault)));
    if left_out == 0 {
        println!("no fault of it is kept");
    }
    left_out = left_out.saturating_sub(RECORDS_SHOWN);
    faults::recent(|fault| match (is_meant(fault), left_out.checked_sub(1)) {
        (false, _) => {}
        (true, Some(left)) => left_out = left,
        (true, None) => show_record(fault),
    });
}

/// Shows a fault's error record: a line for people, then 16 bytes a line behind their offset.
fn show_record(fault: &FaultNote) {
    list_fault(fault);
    let mut buffer = [0; DmaFault::BYTES];
    match faults::error_record(fault).write(&mut buffer) {
        Ok(record) => {
            for (line, bytes) in record.chunks(16).enumerate() {
                println!("{:04x}: {}", line * 16, HexBytes(bytes));
            }
        }
        Err(error) => println!("{error}"),
    }
}

/// Bytes in hex, with blanks between.
struct HexBytes<'a>(&'a [u8]);

impl fmt::Display for HexBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .enumerate()
            .try_for_each(|(index, byte)| write!(f, "{}{byte:02x}", if index == 0 { "" } else { " " }))
    }
}

/// What was done about a fault, as the report spells it.
const fn answer(action: Action) -> &'static str {
    match action {
        Action::Bugcheck => "bugcheck",
        Action::Contained => "contained",
        Action::Logged => "logged",
        Action::Expected => "expected",
    }
}
