//! Looking at the units before anything is changed: what are they, and what did firmware leave?

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use coverage::{Plan, Platform};
use dma_types::{Bdf, PAGE_SIZE};
use report::{Event, Hex, StaleFault, Window as WindowEvent};
use vtd::spec::fault_record::FaultRecord;

use super::unit::Window;
use crate::memory::mmio::Mmio;
use crate::platform::clock;
use crate::{devices, journal};

/// Records of an earlier boot that are reported of one unit.
const STALE_RECORDS: usize = 256;

/// A unit of the plan: answering, or not.
pub type Found = Result<vtd::Unit<Window>, String>;

/// Maps and probes every unit of the plan. Reports what firmware left in each, and takes the fault records
/// of earlier times away.
pub fn find(plan: &Plan) -> Vec<Found> {
    plan.units
        .iter()
        .zip(0..)
        .map(|(planned, index)| {
            let found = probe(plan, planned);
            report_window(planned, index, found.as_ref().ok(), plan.platform);
            found
        })
        .collect()
}

fn probe(plan: &Plan, planned: &coverage::Unit) -> Found {
    if let Some(problem) = planned.problem {
        return Err(problem.to_string());
    }
    let bytes = register_bytes(planned)?;
    if let Some(index) = plan.unit_within(planned.base, bytes as u64) {
        return Err(format!(
            "its registers, {bytes:#x} bytes by its own word, reach into those of unit {index}"
        ));
    }
    let registers = map(planned, bytes)?;
    vtd::Unit::probe(registers).map_err(|error| error.to_string())
}

/// Bytes of a unit's registers, as many as it says itself that it has.
///
/// # Errors
/// In words, if it does not answer.
pub fn register_bytes(planned: &coverage::Unit) -> Result<usize, String> {
    let first_page = map(planned, PAGE_SIZE as usize)?;
    vtd::register_bytes(&first_page).map_err(|error| error.to_string())
}

fn map(planned: &coverage::Unit, bytes: usize) -> Result<Window, String> {
    let window = Mmio::of_platform(planned.base, bytes).map_err(|error| error.to_string())?;
    Ok(Box::leak(Box::new(window)))
}

/// Takes the fault records of earlier times away.
pub(super) fn drain_stale(unit: &vtd::Unit<Window>) -> Vec<FaultRecord> {
    let mut stale = Vec::new();
    let _ = unit.fault_port().drain(&mut |record| stale.push(record), STALE_RECORDS);
    stale
}

fn report_window(planned: &coverage::Unit, index: u32, unit: Option<&vtd::Unit<Window>>, platform: Platform) {
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
    journal::emit(&Event::Window(WindowEvent {
        t: clock::now_ns(),
        unit: Some(index),
        translation_was_on: state.map(|state| state.translation),
        pmr_was_on: state.map(|state| state.protected_memory),
        opt_in: Some(platform.kept_dma_out),
        stale_faults: unit.map(|_| stale.as_slice().into()),
        bus_masters: None,
    }));
}
