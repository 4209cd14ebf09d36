//! An IVRS table as a tree: units, memory, and the devices of each.

use acpi_tables::ivrs::{
    Block, DeviceEntry, EntryDetail, EntryKind, Ivhd, Ivmd, IvmdDevices, IvmdFlags, Ivrs, SpecialVariety,
};

use super::dmar_tree::Size;
use super::tree::Node;

/// The machine as a whole, in a line.
pub(super) fn platform(ivrs: &Ivrs<'_>) -> String {
    let info = ivrs.info();
    format!(
        "{} physical and {} virtual address bits, {}",
        info.physical_address_bits(),
        info.virtual_address_bits(),
        if info.dma_remap_opt_in() { "opted in to DMA protection" } else { "not opted in" },
    )
}

/// The blocks in order.
pub(super) fn blocks(ivrs: &Ivrs<'_>) -> Vec<Node> {
    ivrs.blocks()
        .map(|block| match block {
            Ok(Block::Ivhd(ivhd)) => unit(&ivhd),
            Ok(Block::Ivmd(ivmd)) => Node::leaf(memory(&ivmd)),
            Ok(Block::Unknown(unknown)) => {
                Node::leaf(format!("unknown block of kind {:#x}, {} bytes", unknown.kind, unknown.length))
            }
            Err(error) => Node::leaf(format!("unreadable: {error}")),
        })
        .collect()
}

fn unit(ivhd: &Ivhd<'_>) -> Node {
    let devices = ivhd.entries().filter_map(|entry| match entry {
        Ok(entry) if entry.kind == EntryKind::PADDING => None,
        Ok(entry) => Some(Node::leaf(device(&entry))),
        Err(error) => Some(Node::leaf(format!("unreadable: {error}"))),
    });
    let segment = ivhd.segment.0;
    let of_segment = if segment == 0 { String::new() } else { format!(", segment {segment}") };
    Node::new(
        format!("unit at {}{of_segment}, function {}, block {:#x}", ivhd.base, ivhd.device_id, ivhd.kind),
        devices,
    )
}

fn memory(ivmd: &Ivmd<'_>) -> String {
    let treatment = if ivmd.flags.contains(IvmdFlags::EXCLUSION) {
        "reached past the unit"
    } else if ivmd.flags.contains(IvmdFlags::UNITY) {
        "mapped to the same addresses"
    } else {
        "without a stated treatment"
    };
    let devices = match ivmd.devices() {
        IvmdDevices::All => "all devices".to_owned(),
        IvmdDevices::One(device) => device.to_string(),
        IvmdDevices::Range { first, last } => format!("{first} to {last}"),
    };
    format!("memory at {}, {}, {treatment}, for {devices}", ivmd.start, Size(ivmd.bytes))
}

/// A device entry: what it selects, and what its kind adds.
fn device(entry: &DeviceEntry<'_>) -> String {
    let id = entry.device_id;
    let selected = match entry.kind {
        EntryKind::ALL => "all devices".to_owned(),
        kind if kind.starts_range() => format!("from {id}"),
        EntryKind::RANGE_END => format!("to {id}"),
        EntryKind::SPECIAL | EntryKind::ACPI_HID => String::new(),
        EntryKind(kind) if matches!(entry.detail, EntryDetail::Unknown(_)) => {
            format!("unknown entry of kind {kind:#x}, {id}")
        }
        _ => id.to_string(),
    };
    match &entry.detail {
        EntryDetail::Alias { source, .. } => format!("{selected}, which use the id {source}"),
        EntryDetail::Special { handle, source, variety } => {
            let name = match *variety {
                SpecialVariety::IOAPIC => "I/O APIC".to_owned(),
                SpecialVariety::HPET => "HPET".to_owned(),
                SpecialVariety(other) => format!("special device of kind {other:#x}"),
            };
            format!("{name} {handle} with the id {source}")
        }
        EntryDetail::Acpi(device) => format!("ACPI device {} with the id {id}", device.hid.escape_ascii()),
        EntryDetail::None | EntryDetail::Extended(_) | EntryDetail::Unknown(_) => selected,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;
    use acpi_tables::testing::{IvrsBuilder, device_entry};
    use dma_types::{PhysAddr, Segment, SourceId};

    #[test]
    fn units_have_their_devices_below() {
        let mut entries = device_entry(EntryKind::RANGE_START, SourceId::from_bits(8)).to_vec();
        entries.extend(device_entry(EntryKind::RANGE_END, SourceId::from_bits(0xfffe)));
        entries.extend([72, 0, 0, 0xd7, 0x20, 0xa0, 0, 1]);
        let devices = [SourceId::from_bits(0x20), SourceId::from_bits(0x2f)];
        let memory = PhysAddr::new(0x1000);
        let table = IvrsBuilder::new()
            .ivhd(0x10, Segment(0), PhysAddr::new(0xfeb8_0000), &entries)
            .ivmd(0x22, IvmdFlags::EXCLUSION, devices, memory, 0x2000)
            .build();
        let ivrs = Ivrs::parse(&table).unwrap();
        let mut text = Vec::new();
        tree::write(&mut text, &blocks(&ivrs)).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "├─ unit at 0xfeb80000, function 00:00.2, block 0x10\n\
             │  ├─ from 00:01.0\n\
             │  ├─ to ff:1f.6\n\
             │  └─ I/O APIC 32 with the id 00:14.0\n\
             └─ memory at 0x1000, 8 KiB, reached past the unit, for 00:04.0 to 00:05.7\n"
        );
    }
}
