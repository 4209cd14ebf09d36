//! DMAR structures as JSON.

use std::string::String;
use std::vec::Vec;

use serde_json::{Map, Value, json};

use super::{flag_names, hex, object, text};
use crate::dmar::{Andd, Atsr, Dmar, Drhd, Rhsa, Rmrr, Satc, Scope, ScopeKind, Scopes, Sidp, Structure};
use crate::record::StructureError;

/// The names of a SIDP's scope flags, from bit 0 on.
const SIDP_FLAGS: [&str; 5] = [
    "REQ_WO_PASID_NESTED_NOTALLOWED",
    "REQ_WO_PASID_PWSNP_NOTALLOWED",
    "REQ_WO_PASID_PGSNP_NOTALLOWED",
    "ATC_HARDENED",
    "ATC_REQUIRED",
];

/// The table's structures in order, each an object.
///
/// A structure too short for its kind has only its place, kind and length; what cannot be reached is left
/// out. A scope entry that ends within a hop is shown with the whole hops before.
pub fn dmar_structures(dmar: &Dmar<'_>) -> Vec<Value> {
    dmar.structures()
        .filter_map(|structure| match structure {
            Ok(structure) => Some(Value::Object(whole(&structure))),
            Err(StructureError::FixedPartTruncated { offset, kind, length }) => {
                Some(Value::Object(heading(offset, kind, length)))
            }
            Err(_) => None,
        })
        .collect()
}

/// A structure with all its fields.
fn whole(structure: &Structure<'_>) -> Map<String, Value> {
    let mut fields = heading(structure.offset(), structure.kind(), structure.length());
    fields.extend(match structure {
        Structure::Drhd(drhd) => drhd_fields(drhd),
        Structure::Rmrr(rmrr) => rmrr_fields(rmrr),
        Structure::Atsr(atsr) => atsr_fields(atsr),
        Structure::Rhsa(rhsa) => rhsa_fields(rhsa),
        Structure::Andd(andd) => andd_fields(andd),
        Structure::Satc(satc) => satc_fields(satc),
        Structure::Sidp(sidp) => sidp_fields(sidp),
        Structure::Unknown(unknown) => object([("raw", hex(unknown.bytes).into())]),
    });
    fields
}

/// What every structure has.
fn heading(offset: usize, kind: u16, length: u16) -> Map<String, Value> {
    let name = match kind {
        Drhd::KIND => "DRHD",
        Rmrr::KIND => "RMRR",
        Atsr::KIND => "ATSR",
        Rhsa::KIND => "RHSA",
        Andd::KIND => "ANDD",
        Satc::KIND => "SATC",
        Sidp::KIND => "SIDP",
        _ => "UNKNOWN",
    };
    object([
        ("offset", offset.into()),
        ("type", kind.into()),
        ("type_name", name.into()),
        ("length", length.into()),
    ])
}

fn drhd_fields(drhd: &Drhd<'_>) -> Map<String, Value> {
    object([
        ("flags", drhd.flags.bits().into()),
        ("include_pci_all", drhd.include_pci_all().into()),
        ("size", drhd.size.into()),
        ("segment", drhd.segment.0.into()),
        ("register_base", drhd.register_base.as_u64().into()),
        ("device_scopes", scopes(drhd.scopes())),
    ])
}

fn rmrr_fields(rmrr: &Rmrr<'_>) -> Map<String, Value> {
    object([
        ("reserved", rmrr.reserved.into()),
        ("segment", rmrr.segment.0.into()),
        ("base", rmrr.base.as_u64().into()),
        ("limit", rmrr.limit.as_u64().into()),
        ("device_scopes", scopes(rmrr.scopes())),
    ])
}

fn atsr_fields(atsr: &Atsr<'_>) -> Map<String, Value> {
    object([
        ("flags", atsr.flags.bits().into()),
        ("all_ports", atsr.all_ports().into()),
        ("reserved", atsr.reserved.into()),
        ("segment", atsr.segment.0.into()),
        ("device_scopes", scopes(atsr.scopes())),
    ])
}

fn rhsa_fields(rhsa: &Rhsa<'_>) -> Map<String, Value> {
    object([
        ("reserved", rhsa.reserved.into()),
        ("register_base", rhsa.register_base.as_u64().into()),
        ("proximity_domain", rhsa.proximity_domain.into()),
    ])
}

fn andd_fields(andd: &Andd<'_>) -> Map<String, Value> {
    object([
        ("reserved", hex(&andd.reserved).into()),
        ("acpi_device_number", andd.device_number.into()),
        ("object_name", text(andd.name()).into()),
        ("object_name_raw", hex(andd.name_field).into()),
    ])
}

fn satc_fields(satc: &Satc<'_>) -> Map<String, Value> {
    object([
        ("flags", satc.flags.bits().into()),
        ("atc_required", satc.atc_required().into()),
        ("reserved", satc.reserved.into()),
        ("segment", satc.segment.0.into()),
        ("device_scopes", scopes(satc.scopes())),
    ])
}

fn sidp_fields(sidp: &Sidp<'_>) -> Map<String, Value> {
    let with_flags = entries(sidp.scopes()).map(|scope| {
        let mut fields = scope_fields(&scope);
        fields.insert("flags_decoded".into(), flag_names(scope.flags.bits(), &SIDP_FLAGS).into());
        Value::Object(fields)
    });
    object([
        ("reserved", sidp.reserved.into()),
        ("segment", sidp.segment.0.into()),
        ("device_scopes", with_flags.collect()),
    ])
}

/// All entries of a list that can be decoded.
fn entries(mut scopes: Scopes<'_>) -> impl Iterator<Item = Scope<'_>> {
    core::iter::from_fn(move || scopes.step()).map_while(|entry| Some(entry.ok()?.0))
}

fn scopes(list: Scopes<'_>) -> Value {
    entries(list).map(|scope| Value::Object(scope_fields(&scope))).collect()
}

fn scope_fields(scope: &Scope<'_>) -> Map<String, Value> {
    let kind = match scope.kind {
        ScopeKind::ENDPOINT => "PCI_ENDPOINT",
        ScopeKind::SUB_HIERARCHY => "PCI_BRIDGE",
        ScopeKind::IOAPIC => "IOAPIC",
        ScopeKind::HPET => "HPET",
        ScopeKind::NAMESPACE => "ACPI_NAMESPACE",
        _ => "UNKNOWN",
    };
    object([
        ("offset", scope.offset.into()),
        ("type", scope.kind.0.into()),
        ("type_name", kind.into()),
        ("length", scope.length.into()),
        ("flags", scope.flags.bits().into()),
        ("reserved", scope.reserved.into()),
        ("enumeration_id", scope.enumeration_id.into()),
        ("start_bus", scope.start_bus.into()),
        ("path", scope.path().map(|hop| json!([hop.device, hop.function])).collect()),
    ])
}
