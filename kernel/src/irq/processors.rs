//! The processors that the tables name: one runs, the others stay parked.

use alloc::vec::Vec;
use core::fmt;

use ::interrupts::message::HIGHEST_ID;
use dma_types::ApicId;
use report::{Cpu, CpuRunState, Event};
use spin::Once;

use super::apic::{self, Mode};
use crate::journal;
use crate::platform::acpi::InterruptTables;
use crate::platform::clock;

static PROCESSORS: Once<Vec<ApicId>> = Once::new();

/// Ids that are named one by one.
const MOST_NAMED: usize = 8;

/// Notes which processors there are, each once, and says which ones stay parked. To be called once the mode of this one's
/// APIC is settled.
pub fn note(tables: &InterruptTables) {
    let here = apic::id();
    let all = PROCESSORS.call_once(|| {
        let mut all = tables.processors.clone();
        all.push(here);
        all.sort_unstable();
        all.dedup();
        all
    });
    let parked: Vec<ApicId> = all.iter().copied().filter(|id| *id != here).collect();
    if !parked.is_empty() {
        log::info!("{} stay parked: one processor runs", Ids(&parked));
    }
    let large: Vec<ApicId> = parked.into_iter().filter(|id| *id > HIGHEST_ID).collect();
    if !large.is_empty() && apic::mode() == Some(Mode::XApic) {
        log::warn!("{} could not be reached: ids above {HIGHEST_ID} need x2APIC mode", Ids(&large));
    }
}

/// Reports each processor.
pub fn report() {
    let here = apic::id();
    for (index, id) in (0..).zip(PROCESSORS.get().into_iter().flatten()) {
        let state = if *id == here { CpuRunState::Running } else { CpuRunState::Parked };
        journal::emit(&Event::Cpu(Cpu { t: clock::now_ns(), index, apic_id: id.0, state }));
    }
}

/// Shows which processors are parked.
pub fn visit(mut show: impl FnMut(fmt::Arguments<'_>)) {
    let here = apic::id();
    let all = PROCESSORS.get().into_iter().flatten().copied();
    let parked: Vec<ApicId> = all.filter(|id| *id != here).collect();
    if !parked.is_empty() {
        show(format_args!("{} stay parked", Ids(&parked)));
    }
}

/// Processors by their ids; the first few of many.
struct Ids<'a>(&'a [ApicId]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ids) = self;
        f.write_str("processors with APIC id ")?;
        for (index, id) in ids.iter().take(MOST_NAMED).enumerate() {
            write!(f, "{}{id}", if index == 0 { "" } else { ", " })?;
        }
        match ids.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
