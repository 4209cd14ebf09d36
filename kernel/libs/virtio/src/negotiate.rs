//! Settling on features, virtio "Device Initialization".

use core::fmt;

use virtio_drivers::transport::{DeviceStatus, Transport};

use crate::common::REQUIRED;

/// Why a device and its driver cannot agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegotiationError {
    /// The reset did not end in time; the status that it stood at.
    Reset {
        /// Device status.
        status: u32,
    },
    /// The device does not offer what it must.
    Missing {
        /// The features that it lacks.
        features: u64,
    },
    /// The device took back that it agrees.
    Refused {
        /// The features that it had been told.
        features: u64,
    },
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset { status } => write!(f, "the device's reset did not end, its status is {status:#x}"),
            Self::Missing { features } => write!(f, "the device does not offer features {features:#x}"),
            Self::Refused { features } => write!(f, "the device refuses features {features:#x}"),
        }
    }
}

impl core::error::Error for NegotiationError {}

/// Resets a device. When this succeeds it has dropped every request.
///
/// # Errors
/// If the device does not say so before `give_up` says to give up, or is not there any more: then every register reads
/// as all ones.
pub fn reset(
    transport: &mut impl Transport,
    mut give_up: impl FnMut() -> bool,
) -> Result<(), NegotiationError> {
    transport.set_status(DeviceStatus::empty());
    loop {
        let status = transport.get_status();
        if status.is_empty() {
            return Ok(());
        }
        if status.is_all() || give_up() {
            return Err(NegotiationError::Reset { status: status.bits() });
        }
    }
}

/// Resets a device and settles on what both sides can do: of `wanted` whatever it offers, and [`REQUIRED`].
/// Its queues are to be set up next.
///
/// # Errors
/// If the reset does not end, or the device does not agree to [`REQUIRED`]: its status then says that the
/// driver has given up.
pub fn negotiate(
    transport: &mut impl Transport,
    wanted: u64,
    give_up: impl FnMut() -> bool,
) -> Result<u64, NegotiationError> {
    reset(transport, give_up)?;
    let known = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
    transport.set_status(DeviceStatus::ACKNOWLEDGE);
    transport.set_status(known);
    let offered = transport.read_device_features();
    let missing = REQUIRED & !offered;
    if missing != 0 {
        transport.set_status(known | DeviceStatus::FAILED);
        return Err(NegotiationError::Missing { features: missing });
    }
    let features = offered & (wanted | REQUIRED);
    transport.write_driver_features(features);
    transport.set_status(known | DeviceStatus::FEATURES_OK);
    if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
        transport.set_status(known | DeviceStatus::FAILED);
        return Err(NegotiationError::Refused { features });
    }
    Ok(features)
}

#[cfg(test)]
mod tests;
