//! A function that is reset alone, and what it must have again afterwards.

use pci::MsixCapability;
use pci::msi::MsixState;
use pci::reset::{Refused, Settings};

use super::release::idle_functions;
use super::{check, skip};
use crate::devices::{self, DeviceRecord, ResetError};
use crate::platform::pci::{self as bus, config};

const NAME: &str = "function-reset";

pub(super) fn run() {
    let mut tried =
        idle_functions().filter_map(|record| Some((reset(record, record.pci.msix.as_ref()?)?, record)));
    match tried.next() {
        Some((result, _)) => check(NAME, result),
        None => skip(NAME, "no idle device here offers a reset of its own and messages that show it"),
    }
}

/// Resets a function; `None` if it offers no reset.
fn reset(record: &'static DeviceRecord, msix: &MsixCapability) -> Option<Result<(), &'static str>> {
    let before = Settings::read(config(), &record.pci);
    // What nobody gives back, since no driver has asked for messages: its end shows that there was a reset.
    msix.set_state(config(), record.bdf, MsixState::Masked);
    let outcome = devices::reset(record);
    let after = Settings::read(config(), &record.pci);
    let messages = msix.state(config(), record.bdf);
    msix.set_state(config(), record.bdf, MsixState::Off);
    Some(match outcome {
        Err(ResetError::Refused(Refused::NotOffered)) => return None,
        Err(ResetError::Refused(Refused::Pending)) => Err("requests of the function do not end"),
        Err(ResetError::Gone) => Err("the function does not answer after its reset"),
        Err(ResetError::NoMessages) => Err("the function got no interrupt after its reset"),
        Ok(()) if messages != MsixState::Off => Err("the function was not reset"),
        Ok(()) if after != before => Err("settings were lost"),
        Ok(()) if bus::masters(record.bdf) => Err("the function masters the bus after its reset"),
        Ok(()) => Ok(()),
    })
}
