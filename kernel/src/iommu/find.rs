//! Looking at the units before anything is changed.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use coverage::Plan;
use dma_types::PAGE_SIZE;
use vtd::spec::fault_record::FaultRecord;

use super::unit::UnitWindow;
use crate::memory::mmio::Mmio;

/// Records of an earlier boot that are reported of one unit.
const STALE_RECORDS: usize = 256;

/// A unit of the plan: answering, or not.
pub type Found = Result<vtd::Unit<UnitWindow>, String>;

/// Maps and probes every unit of the plan.
pub fn find(plan: &Plan) -> Vec<Found> {
    plan.units.iter().map(|planned| probe(plan, planned)).collect()
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

fn map(planned: &coverage::Unit, bytes: usize) -> Result<UnitWindow, String> {
    let window = Mmio::of_platform(planned.base, bytes).map_err(|error| error.to_string())?;
    Ok(Box::leak(Box::new(window)))
}

/// Takes the fault records of earlier times away.
pub fn drain_stale(unit: &vtd::Unit<UnitWindow>) -> Vec<FaultRecord> {
    let mut stale = Vec::new();
    let _ = unit.fault_port().drain(&mut |record| stale.push(record), STALE_RECORDS);
    stale
}
