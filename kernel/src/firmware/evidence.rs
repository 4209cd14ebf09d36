//! What firmware and earlier boots left in the units: whether they translated, and the faults that they still hold.

use alloc::vec::Vec;

use coverage::{Plan, Platform};
use dma_types::Bdf;
use report::{Event, Hex, StaleFault, Window};
use vtd::spec::fault_record::FaultRecord;

use crate::iommu::{Found, drain_stale};
use crate::platform::clock;
use crate::{devices, journal};

/// Reports what firmware left in each unit of the plan, and takes the fault records of earlier times away.
pub fn report(plan: &Plan, found: &[Found]) {
    for ((planned, found), index) in plan.units.iter().zip(found).zip(0..) {
        report_unit(planned, index, found, plan.platform);
    }
}

fn report_unit(planned: &coverage::Unit, index: u32, found: &Found, platform: Platform) {
    let unit = found.as_ref().ok();
    let state = unit.map(vtd::Unit::firmware_state);
    let in_words = |record: FaultRecord| StaleFault {
        requester: Bdf::new(planned.segment, record.source()).into(),
        address: Hex(record.page().map_or(0, |page| page.as_u64())),
        access: record.access().into(),
        reason: Hex(u64::from(record.reason().0)),
    };
    let records = unit.map(drain_stale).unwrap_or_default();
    for record in &records {
        let requester = Bdf::new(planned.segment, record.source());
        let who = devices::behind(requester).next();
        log::warn!(
            "unit {index} holds a fault from before this boot: {requester}, {}, {} at {}, reason {:#x}",
            who.map_or("which is not here now", |record| record.name.as_str()),
            record.access(),
            record.page().unwrap_or_default(),
            record.reason().0
        );
    }
    let stale: Vec<_> = records.into_iter().map(in_words).collect();
    journal::emit(&Event::Window(Window {
        t: clock::now_ns(),
        unit: Some(index),
        translation_was_on: state.map(|state| state.translation),
        pmr_was_on: state.map(|state| state.protected_memory),
        interrupt_remapping_was_on: state.map(|state| state.interrupt_remapping),
        opt_in: Some(platform.kept_dma_out),
        stale_faults: unit.map(|_| stale.as_slice().into()),
        bus_masters: None,
    }));
}
