//! The words that raise a vector, while nothing remaps them: fixed delivery, edge-triggered, to one processor by its
//! physical id (SDM "Message Address Register Format", "Message Data Register Format").

use core::fmt;

use dma_types::{ApicId, INTERRUPT_RANGE, MsiMessage};

use crate::table::DeviceVector;

/// The largest id that fits a message of this format: 255 means every processor.
pub const HIGHEST_ID: ApicId = ApicId(254);

/// The message by which a device raises its vector on the processor that takes it.
///
/// # Errors
/// If the format has no room for the processor's id: only a unit that remaps interrupts reaches it.
pub fn of_device(vector: &DeviceVector) -> Result<MsiMessage, OutOfReach> {
    let processor = vector.owner().processor;
    if processor > HIGHEST_ID {
        return Err(OutOfReach { processor });
    }
    Ok(of_unit(processor, vector.number()))
}

/// The message of a remapping unit's own event. Bits 31:8 of a large id go into the upper half of the address, which
/// no device's message has (VT-d "Fault Event Upper Address Register").
pub fn of_unit(processor: ApicId, vector: u8) -> MsiMessage {
    let id = u64::from(processor.0);
    MsiMessage {
        address: (id >> 8 << 40) | INTERRUPT_RANGE.start | (id & 0xff) << 12,
        data: u32::from(vector),
    }
}

/// Devices cannot send messages to a processor, since its id is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfReach {
    /// The processor.
    pub processor: ApicId,
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no message that is not remapped reaches the processor with APIC id {}: ids end at {HIGHEST_ID}",
            self.processor
        )
    }
}

impl core::error::Error for OutOfReach {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::FIRST_DEVICE_VECTOR;
    use crate::owner::VectorOwner;
    use crate::table::VectorTable;

    #[test]
    fn a_devices_message_names_processors_up_to_254() {
        let message = |id| {
            let processor = ApicId(id);
            let owner = VectorOwner { function: "00:03.0".parse().unwrap(), message: 0, processor };
            let vector = VectorTable::new().give(owner).unwrap();
            assert_eq!(vector.number(), FIRST_DEVICE_VECTOR);
            of_device(&vector)
        };
        let data = u32::from(FIRST_DEVICE_VECTOR);
        assert_eq!(message(0), Ok(MsiMessage { address: 0xfee0_0000, data }));
        assert_eq!(message(254), Ok(MsiMessage { address: 0xfeef_e000, data }));
        // 255 would be everybody, and 256 would be 0.
        for id in [255, 256, 0x1_0000, u32::MAX] {
            assert_eq!(message(id), Err(OutOfReach { processor: ApicId(id) }));
        }
    }

    #[test]
    fn a_units_message_has_the_rest_of_the_id_in_its_upper_half() {
        let message = of_unit(ApicId(0x1234_5678), 0xf8);
        assert_eq!(message, MsiMessage { address: 0x1234_5600_fee7_8000, data: 0xf8 });
    }
}
