//! A DMAR table as a tree: units, regions, and the devices of each.

use acpi_tables::{Atsr, Dmar, DmarFlags, Drhd, Rmrr, Satc, Scope, ScopeKind, Scopes, Structure};
use dma_types::Segment;

use super::tree::Node;
use printed::Printable;

/// The machine as a whole, in a line.
pub(super) fn platform(dmar: &Dmar<'_>) -> String {
    let offers = |flag: DmarFlags, yes: &'static str, no: &'static str| {
        if dmar.flags().contains(flag) { yes } else { no }
    };
    format!(
        "{} address bits, {}, {}{}",
        dmar.host_address_width(),
        offers(DmarFlags::INTR_REMAP, "interrupt remapping", "no interrupt remapping"),
        offers(DmarFlags::DMA_CTRL_PLATFORM_OPT_IN, "opted in to DMA protection", "not opted in"),
        offers(DmarFlags::X2APIC_OPT_OUT, ", x2APIC refused", ""),
    )
}

/// The structures in order.
pub(super) fn structures(dmar: &Dmar<'_>) -> Vec<Node> {
    dmar.structures()
        .map(|structure| match structure {
            Ok(structure) => node(&structure),
            Err(error) => Node::leaf(format!("unreadable: {error}")),
        })
        .collect()
}

fn node(structure: &Structure<'_>) -> Node {
    let text = match structure {
        Structure::Drhd(drhd) => unit(drhd),
        Structure::Rmrr(rmrr) => region(rmrr),
        Structure::Atsr(atsr) => ports(atsr),
        Structure::Satc(satc) => caches(satc),
        Structure::Sidp(sidp) => format!("device properties{}", OfSegment(sidp.segment)),
        Structure::Rhsa(rhsa) => {
            format!("unit at {} is in proximity domain {}", rhsa.register_base, rhsa.proximity_domain)
        }
        Structure::Andd(andd) => {
            let name = String::from_utf8_lossy(andd.name());
            format!("namespace device {}: {}", andd.device_number, Printable(&name))
        }
        Structure::Unknown(unknown) => {
            format!("unknown structure of kind {:#x}, {} bytes", unknown.kind, unknown.length)
        }
    };
    Node::new(text, devices(structure.scopes()))
}

fn unit(drhd: &Drhd<'_>) -> String {
    let rest = if drhd.include_pci_all() { ", for all devices that no other unit lists" } else { "" };
    format!("unit at {}{}{rest}", drhd.register_base, OfSegment(drhd.segment))
}

fn region(rmrr: &Rmrr<'_>) -> String {
    let size = rmrr.bytes().map(|bytes| format!(", {}", Size(bytes))).unwrap_or_default();
    format!("reserved region {} to {}{size}{}", rmrr.base, rmrr.limit, OfSegment(rmrr.segment))
}

fn ports(atsr: &Atsr<'_>) -> String {
    let all = if atsr.all_ports() { ": all of them" } else { "" };
    format!("root ports with address translation services{}{all}", OfSegment(atsr.segment))
}

fn caches(satc: &Satc<'_>) -> String {
    let required = if satc.atc_required() { ", which they need" } else { "" };
    format!("devices with translation caches{}{required}", OfSegment(satc.segment))
}

fn devices(scopes: Scopes<'_>) -> impl Iterator<Item = Node> {
    scopes.map(|scope| match scope {
        Ok(scope) => Node::leaf(device(&scope)),
        Err(error) => Node::leaf(format!("unreadable: {error}")),
    })
}

/// A scope entry: kind, number where the kind has one, and path.
fn device(scope: &Scope<'_>) -> String {
    let number = match scope.kind {
        ScopeKind::IOAPIC | ScopeKind::HPET | ScopeKind::NAMESPACE => format!(" {}", scope.enumeration_id),
        _ => String::new(),
    };
    let mut path = format!("{:02x}:", scope.start_bus);
    for (index, hop) in scope.path().enumerate() {
        let separator = if index == 0 { "" } else { "/" };
        path += &format!("{separator}{:02x}.{:x}", hop.device, hop.function);
    }
    format!("{}{number} at {path}", scope.kind)
}

/// A segment, which is worth a word only if it is not the first.
struct OfSegment(Segment);

impl std::fmt::Display for OfSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Segment(0) => Ok(()),
            Segment(number) => write!(f, ", segment {number}"),
        }
    }
}

/// A number of bytes as people count them.
pub(super) struct Size(pub(super) u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 30 && bytes.is_multiple_of(1 << 30) => write!(f, "{} GiB", bytes >> 30),
            bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;
    use acpi_tables::DrhdFlags;
    use acpi_tables::testing::{DmarBuilder, ScopeSpec};
    use dma_types::PhysAddr;

    #[test]
    fn units_and_regions_have_their_devices_below() {
        let (base, limit) = (PhysAddr::new(0x7b80_0000), PhysAddr::new(0x7fff_ffff));
        let apic = ScopeSpec::new(ScopeKind::IOAPIC, 0xf0, 0x1f, 0).id(2);
        let port = ScopeSpec::bridge(0, 0x1c, 4).then(0, 0);
        let unit = PhysAddr::new(0xfed9_1000);
        let table = DmarBuilder::new()
            .drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), unit, &[apic])
            .rmrr(Segment(1), base, limit, &[port])
            .andd(1, b"\\_SB.PCI0\x1b\0")
            .build();
        let dmar = Dmar::parse(&table).unwrap();
        assert_eq!(platform(&dmar), "39 address bits, interrupt remapping, opted in to DMA protection");
        let mut text = Vec::new();
        tree::write(&mut text, &structures(&dmar)).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "├─ unit at 0xfed91000, for all devices that no other unit lists\n\
             │  └─ I/O APIC 2 at f0:1f.0\n\
             ├─ reserved region 0x7b800000 to 0x7fffffff, 72 MiB, segment 1\n\
             │  └─ sub-hierarchy at 00:1c.4/00.0\n\
             └─ namespace device 1: \\_SB.PCI0\\u{1b}\n"
        );
    }
}
