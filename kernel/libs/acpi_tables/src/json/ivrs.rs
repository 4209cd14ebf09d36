//! IVRS blocks as JSON.

use std::string::String;
use std::vec::Vec;

use serde_json::{Map, Value};

use super::{hex, object, text};
use crate::ivrs::{Block, DeviceEntry, EntryDetail, EntryKind, Ivhd, Ivmd, Ivrs, SpecialVariety};
use crate::record::StructureError;

/// The table's blocks in order, each an object.
///
/// A block too short for its kind has only its place, kind, flags and length; what cannot be reached is left
/// out.
pub fn ivrs_structures(ivrs: &Ivrs<'_>) -> Vec<Value> {
    ivrs.blocks()
        .filter_map(|block| match block {
            Ok(block) => Some(Value::Object(whole(&block))),
            Err(StructureError::FixedPartTruncated { offset, kind, length }) => {
                let flags = ivrs.block_flags(offset)?;
                Some(Value::Object(heading(offset, u8::try_from(kind).ok()?, flags, length)))
            }
            Err(_) => None,
        })
        .collect()
}

/// A block with all its fields.
fn whole(block: &Block<'_>) -> Map<String, Value> {
    match block {
        Block::Ivhd(ivhd) => {
            let mut fields = heading(ivhd.offset, ivhd.kind, ivhd.flags.bits(), ivhd.length);
            fields.extend(ivhd_fields(ivhd));
            fields
        }
        Block::Ivmd(ivmd) => {
            let mut fields = heading(ivmd.offset, ivmd.kind, ivmd.flags.bits(), ivmd.length);
            fields.extend(ivmd_fields(ivmd));
            fields
        }
        Block::Unknown(unknown) => {
            let mut fields = heading(unknown.offset, unknown.kind, unknown.flags, unknown.length);
            fields.insert("raw".into(), hex(unknown.bytes).into());
            fields
        }
    }
}

/// What every block has.
fn heading(offset: usize, kind: u8, flags: u8, length: u16) -> Map<String, Value> {
    let name = match kind {
        Ivhd::KIND_10 => "IVHD_10",
        Ivhd::KIND_11 => "IVHD_11",
        Ivhd::KIND_40 => "IVHD_40",
        Ivmd::KIND_ALL => "IVMD_20",
        Ivmd::KIND_ONE => "IVMD_21",
        Ivmd::KIND_RANGE => "IVMD_22",
        _ => "UNKNOWN",
    };
    object([
        ("offset", offset.into()),
        ("type", kind.into()),
        ("type_name", name.into()),
        ("flags", flags.into()),
        ("length", length.into()),
    ])
}

fn ivhd_fields(ivhd: &Ivhd<'_>) -> Map<String, Value> {
    let entries = ivhd.entries().map_while(Result::ok).map(|entry| Value::Object(entry_fields(&entry)));
    let mut fields = object([
        ("device_id", ivhd.device_id.bits().into()),
        ("capability_offset", ivhd.capability_offset.into()),
        ("base", ivhd.base.as_u64().into()),
        ("segment", ivhd.segment.0.into()),
        ("iommu_info", ivhd.info.into()),
        ("feature_or_attributes", ivhd.features.into()),
        ("entries", entries.collect()),
    ]);
    if let Some([first, second]) = ivhd.extended_features {
        fields.extend(object([("efr_image", first.into()), ("efr_image2", second.into())]));
    }
    fields
}

fn ivmd_fields(ivmd: &Ivmd<'_>) -> Map<String, Value> {
    object([
        ("device_id", ivmd.device_id.bits().into()),
        ("aux", ivmd.auxiliary.bits().into()),
        ("reserved", hex(&ivmd.reserved).into()),
        ("start", ivmd.start.as_u64().into()),
        ("size", ivmd.bytes.into()),
    ])
}

fn entry_fields(entry: &DeviceEntry<'_>) -> Map<String, Value> {
    let mut fields = object([
        ("offset", entry.offset.into()),
        ("type", entry.kind.0.into()),
        ("type_name", entry_name(entry.kind).into()),
        ("device_id", entry.device_id.bits().into()),
        ("data_setting", entry.settings.bits().into()),
    ]);
    fields.extend(match entry.detail {
        EntryDetail::None => Map::new(),
        EntryDetail::Alias { source, reserved: [before, after] } => object([
            ("reserved1", before.into()),
            ("source_device_id", source.bits().into()),
            ("reserved2", after.into()),
        ]),
        EntryDetail::Extended(data) => object([("extended_data", data.into())]),
        EntryDetail::Special { handle, source, variety } => object([
            ("handle", handle.into()),
            ("source_device_id", source.bits().into()),
            ("variety", variety.0.into()),
            ("variety_name", variety_name(variety).into()),
        ]),
        EntryDetail::Acpi(device) => object([
            ("hid", text(&device.hid).into()),
            ("cid", hex(&device.cid).into()),
            ("uid_format", device.uid_format.into()),
            ("uid_length", device.uid.len().into()),
            ("uid", hex(device.uid).into()),
        ]),
        EntryDetail::Unknown(bytes) => object([("raw", hex(bytes).into())]),
    });
    fields
}

fn entry_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::PADDING => "RESERVED",
        EntryKind::ALL => "ALL",
        EntryKind::SELECT => "SELECT",
        EntryKind::RANGE_START => "RANGE_START",
        EntryKind::RANGE_END => "RANGE_END",
        EntryKind::ALIAS_SELECT => "ALIAS_SELECT",
        EntryKind::ALIAS_RANGE_START => "ALIAS_RANGE_START",
        EntryKind::EXTENDED_SELECT => "EXT_SELECT",
        EntryKind::EXTENDED_RANGE_START => "EXT_RANGE_START",
        EntryKind::SPECIAL => "SPECIAL",
        EntryKind::ACPI_HID => "ACPI_HID",
        _ => "UNKNOWN",
    }
}

fn variety_name(variety: SpecialVariety) -> &'static str {
    match variety {
        SpecialVariety::IOAPIC => "IOAPIC",
        SpecialVariety::HPET => "HPET",
        _ => "UNKNOWN",
    }
}
