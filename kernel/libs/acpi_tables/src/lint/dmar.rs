//! Checks of a DMAR table as a whole, and of each structure by itself.

use dma_types::PAGE_SIZE;

use super::{LintFinding, Problem, Sink};
use crate::dmar::{
    Andd, Atsr, AtsrFlags, Dmar, DmarFlags, Drhd, DrhdFlags, PathHop, Rhsa, Rmrr, SatcFlags, Scope,
    ScopeFlags, ScopeKind, Structure,
};

/// Regions above this are larger than firmware needs. Graphics memory set aside at boot is 128 MiB at most
/// on all but a few real machines.
const LARGE_REGION: u64 = 128 << 20;
/// Widths of real machines in bits: 32 is the least that a PC can have, 52 the most that x86-64 defines.
const REAL_WIDTHS: core::ops::RangeInclusive<u16> = 32..=52;

/// Checks the table as a whole, then each structure.
pub fn check(dmar: &Dmar<'_>, found: Sink<'_>) {
    check_table(dmar, found);
    let mut highest_kind = None;
    for structure in dmar.structures().filter_map(Result::ok) {
        check_order(&structure, &mut highest_kind, found);
        check_structure(&structure, dmar, found);
        for scope in structure.scopes().filter_map(Result::ok) {
            check_scope(&scope, &structure, found);
        }
    }
}

fn check_table(dmar: &Dmar<'_>, found: Sink<'_>) {
    let mut report = |problem, offset| found(LintFinding { problem, offset });
    if dmar.trailing_bytes() > 0 {
        report(Problem::TrailingBytes(dmar.trailing_bytes()), 4);
    }
    let width = dmar.host_address_width();
    if !REAL_WIDTHS.contains(&width) {
        report(Problem::AddressWidth(width), 36);
    }
    let flags = dmar.flags();
    let opt_out = flags.contains(DmarFlags::X2APIC_OPT_OUT);
    match (flags.contains(DmarFlags::INTR_REMAP), opt_out) {
        (true, true) => report(Problem::X2apicOptOut, 37),
        (true, false) => {}
        (false, _) => report(Problem::NoInterruptRemapping, 37),
    }
    if opt_out && !flags.contains(DmarFlags::INTR_REMAP) {
        report(Problem::X2apicOptOutAlone, 37);
    }
    if !flags.contains(DmarFlags::DMA_CTRL_PLATFORM_OPT_IN) {
        report(Problem::NoOptIn, 37);
    }
    reserved(&[(37, u64::from(flags.difference(DmarFlags::all()).bits()))], found);
    let reserved_bytes = dmar.reserved();
    if let Some(at) = reserved_bytes.iter().position(|byte| *byte != 0) {
        let bits =
            reserved_bytes.iter().skip(at).take(8).rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        reserved(&[(at.saturating_add(38), bits)], found);
    }
}

/// Structures stand in the order of their kinds (VT-d "Remapping Structure Types").
fn check_order(structure: &Structure<'_>, highest: &mut Option<u16>, found: Sink<'_>) {
    if matches!(structure, Structure::Unknown(_)) {
        return;
    }
    let kind = structure.kind();
    match *highest {
        Some(after) if kind < after => {
            found(LintFinding { problem: Problem::Order { kind, after }, offset: structure.offset() });
        }
        _ => *highest = Some(kind),
    }
}

fn check_structure(structure: &Structure<'_>, dmar: &Dmar<'_>, found: Sink<'_>) {
    let at = structure.offset();
    match structure {
        Structure::Drhd(drhd) => {
            check_unit(drhd, dmar, found);
            if !drhd.include_pci_all() {
                require_devices(structure, "DRHD", found);
            }
        }
        Structure::Rmrr(rmrr) => {
            check_region(rmrr, dmar, found);
            require_devices(structure, "RMRR", found);
        }
        Structure::Atsr(atsr) => {
            check_ports(atsr, found);
            if !atsr.all_ports() {
                require_devices(structure, "ATSR", found);
            }
        }
        Structure::Rhsa(rhsa) => check_affinity(rhsa, found),
        Structure::Andd(andd) => check_name(andd, found),
        Structure::Satc(satc) => {
            let flags = satc.flags.difference(SatcFlags::all()).bits();
            reserved(
                &[(at.saturating_add(4), flags.into()), (at.saturating_add(5), satc.reserved.into())],
                found,
            );
            require_devices(structure, "SATC", found);
        }
        Structure::Sidp(sidp) => {
            reserved(&[(at.saturating_add(4), sidp.reserved.into())], found);
            require_devices(structure, "SIDP", found);
        }
        Structure::Unknown(unknown) => {
            found(LintFinding { problem: Problem::UnknownStructure(unknown.kind), offset: at });
        }
    }
}

fn check_unit(drhd: &Drhd<'_>, dmar: &Dmar<'_>, found: Sink<'_>) {
    let (at, base) = (drhd.offset, drhd.register_base);
    let base_at = at.saturating_add(8);
    if base.as_u64() == 0 {
        found(LintFinding { problem: Problem::UnitBaseZero, offset: base_at });
    }
    if !base.is_aligned(PAGE_SIZE) {
        found(LintFinding { problem: Problem::UnitBaseUnaligned(base), offset: base_at });
    }
    let bits = dmar.host_address_width();
    let last = base.page().as_u64().saturating_add(drhd.window_bytes().saturating_sub(1));
    if beyond(last, bits) {
        found(LintFinding { problem: Problem::UnitBaseWidth { base, bits }, offset: base_at });
    }
    let is_pci = |scope: &Scope<'_>| pci_kind(scope.kind);
    if drhd.include_pci_all() && drhd.scopes().filter_map(Result::ok).any(|scope| is_pci(&scope)) {
        found(LintFinding { problem: Problem::IncludeAllListsPci, offset: at });
    }
    let flags = drhd.flags.difference(DrhdFlags::all()).bits();
    reserved(
        &[(at.saturating_add(4), flags.into()), (at.saturating_add(5), u64::from(drhd.size & 0xf0))],
        found,
    );
}

fn check_region(rmrr: &Rmrr<'_>, dmar: &Dmar<'_>, found: Sink<'_>) {
    let (at, base, limit) = (rmrr.offset, rmrr.base, rmrr.limit);
    let (base_at, limit_at) = (at.saturating_add(8), at.saturating_add(16));
    let mut report = |problem, offset| found(LintFinding { problem, offset });
    if base > limit {
        report(Problem::RegionInverted { base, limit }, base_at);
    }
    if !base.is_aligned(PAGE_SIZE) || limit.page_offset() != PAGE_SIZE.saturating_sub(1) {
        report(Problem::RegionUnaligned { base, limit }, base_at);
    }
    if base.as_u64() == 0 {
        report(Problem::RegionAtZero, base_at);
    }
    // The distance, not the size: a region of all 2^64 addresses has no size that fits.
    if let Some(distance) = limit.as_u64().checked_sub(base.as_u64()).filter(|d| *d >= LARGE_REGION) {
        report(Problem::RegionLarge { bytes: distance.saturating_add(1) }, base_at);
    }
    let bits = dmar.host_address_width();
    if beyond(limit.as_u64(), bits) {
        report(Problem::RegionWidth { limit, bits }, limit_at);
    }
    reserved(&[(at.saturating_add(4), rmrr.reserved.into())], found);
}

fn check_ports(atsr: &Atsr<'_>, found: Sink<'_>) {
    let at = atsr.offset;
    if atsr.all_ports() && atsr.scopes().next().is_some() {
        found(LintFinding { problem: Problem::AllPortsListed, offset: at });
    }
    let flags = atsr.flags.difference(AtsrFlags::all()).bits();
    reserved(&[(at.saturating_add(4), flags.into()), (at.saturating_add(5), atsr.reserved.into())], found);
}

fn check_affinity(rhsa: &Rhsa<'_>, found: Sink<'_>) {
    if !rhsa.extra.is_empty() {
        found(LintFinding {
            problem: Problem::AffinityExtra(rhsa.extra.len()),
            offset: rhsa.offset.saturating_add(20),
        });
    }
    reserved(&[(rhsa.offset.saturating_add(4), rhsa.reserved.into())], found);
}

fn check_name(andd: &Andd<'_>, found: Sink<'_>) {
    let name_at = andd.offset.saturating_add(8);
    if !andd.is_terminated() {
        found(LintFinding { problem: Problem::NameUnterminated, offset: name_at });
    }
    if andd.padding().iter().any(|byte| *byte != 0) {
        found(LintFinding { problem: Problem::NamePadding, offset: name_at });
    }
    if !andd.name().starts_with(b"\\") {
        found(LintFinding { problem: Problem::NameRelative, offset: name_at });
    }
    let [a, b, c] = andd.reserved;
    reserved(&[(andd.offset.saturating_add(4), u32::from_le_bytes([a, b, c, 0]).into())], found);
}

fn check_scope(scope: &Scope<'_>, structure: &Structure<'_>, found: Sink<'_>) {
    let at = scope.offset;
    let mut report = |problem, offset| found(LintFinding { problem, offset });
    if scope.path().len() == 0 {
        report(Problem::PathEmpty, at);
    }
    if let Some(PathHop { device, function }) = scope.path().find(|hop| hop.on_bus(0).is_none()) {
        report(Problem::PathOutOfRange { device, function }, at);
    }
    let kind = scope.kind;
    if !(ScopeKind::ENDPOINT.0..=ScopeKind::NAMESPACE.0).contains(&kind.0) {
        report(Problem::UnknownScopeKind(kind), at);
    }
    match structure {
        Structure::Rmrr(_) if !pci_kind(kind) => report(Problem::RegionForOther(kind), at),
        Structure::Atsr(_) if kind != ScopeKind::SUB_HIERARCHY => report(Problem::PortNoBridge(kind), at),
        _ => {}
    }
    if pci_kind(kind) && scope.enumeration_id != 0 {
        report(Problem::EnumerationId(scope.enumeration_id), at.saturating_add(4));
    }
    let flags_at = at.saturating_add(2);
    let unknown_flags = match structure {
        Structure::Sidp(_) => scope.flags.difference(ScopeFlags::all()).bits(),
        _ if scope.flags.is_empty() => 0,
        _ => {
            report(Problem::ScopeFlags(scope.flags.bits()), flags_at);
            0
        }
    };
    reserved(&[(flags_at, unknown_flags.into()), (at.saturating_add(3), scope.reserved.into())], found);
}

/// Reports a structure that names no device although nothing but a list says what it is about.
fn require_devices(structure: &Structure<'_>, name: &'static str, found: Sink<'_>) {
    let mut named = structure.scopes().filter_map(Result::ok).filter(|scope| scope.path().len() > 0);
    if named.next().is_none() {
        found(LintFinding { problem: Problem::NoDevices(name), offset: structure.offset() });
    }
}

/// Reports each field of reserved bits that is not zero.
fn reserved(fields: &[(usize, u64)], found: Sink<'_>) {
    for &(offset, bits) in fields.iter().filter(|(_, bits)| *bits != 0) {
        found(LintFinding { problem: Problem::ReservedBits(bits), offset });
    }
}

/// Tells whether a scope entry of this kind names a PCI device.
fn pci_kind(kind: ScopeKind) -> bool {
    matches!(kind, ScopeKind::ENDPOINT | ScopeKind::SUB_HIERARCHY)
}

/// Tells whether an address does not fit in so many bits. A width that no machine has decides nothing.
fn beyond(address: u64, bits: u16) -> bool {
    REAL_WIDTHS.contains(&bits) && address.checked_shr(bits.into()).is_some_and(|above| above != 0)
}
