//! The machine's PCI functions: reaching them, finding them, and stilling them.

mod config;
mod ports;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Bdf, Segment};
use pci::control::{self, BusMaster, Patience, Snooping, Transactions};
use pci::{BusRange, EcamWindow, Function, FunctionSet, Passage, Topology};
use spin::Once;

use super::clock::{self, Deadline};
use crate::sync::{IrqLock, rank};

pub use config::MachineConfig;

/// How configuration space is reached.
static CONFIG: Once<MachineConfig> = Once::new();
/// The functions that a stop has to still: all but bridges.
static ENDPOINTS: Once<Box<[Bdf]>> = Once::new();

/// The functions that a stop takes their virtual functions from.
static PHYSICALS: Once<Box<[Function]>> = Once::new();
/// For whom each bridge is open.
static PASSAGE: Once<Passage> = Once::new();
/// Held while a function's bit and those of the bridges above change together. The stop does without it.
static BUS_MASTERING: IrqLock<(), rank::BusMastering> = IrqLock::new(());

/// The functions of segment 0 that firmware left mastering the bus and [`still_early`] silenced.
static SILENCED: FunctionSet = FunctionSet::new();

/// The segment that the legacy ports reach.
const LEGACY_SEGMENT: Segment = Segment(0);

/// All buses of segment 0, which the legacy ports reach even where no table names them.
const LEGACY_BUSES: BusRange = BusRange { segment: LEGACY_SEGMENT, first: 0, last: u8::MAX };

/// Opens configuration space and finds every function. To be called once.
pub fn enumerate(windows: &[EcamWindow]) -> Topology {
    let config = CONFIG.call_once(|| MachineConfig::open(windows));
    let mut ranges: Vec<_> = config.windows().map(|window| window.buses()).collect();
    ranges.push(LEGACY_BUSES);
    let mut topology = pci::enumerate(config, &ranges);
    topology.note_bus_masters(|function| {
        function.segment == LEGACY_SEGMENT && SILENCED.contains(function.source)
    });
    ENDPOINTS.call_once(|| {
        let endpoints = topology.functions().iter().filter(|function| !function.is_bridge());
        endpoints.map(|function| function.bdf).collect()
    });
    PHYSICALS.call_once(|| {
        let physical = topology.functions().iter().filter(|function| function.sr_iov.is_some());
        physical.cloned().collect()
    });
    PASSAGE.call_once(|| Passage::new(&topology));
    topology
}

/// Takes bus mastering from everything in segment 0 but bridges and what firmware may still work with, before there is
/// memory, so that no device writes into what becomes the kernel's. To be called first of all, once.
pub fn still_early() {
    let config = config();
    pci::sweep(config, LEGACY_SEGMENT, |function, header| {
        let masters = || control::bus_master(config, function) == BusMaster::On;
        if !header.is_bridge() && masters() && !pci::may_serve_firmware(config, function) {
            SILENCED.insert(function.source);
            control::set_bus_master(config, function, BusMaster::Off);
        }
    });
}

/// Configuration space. Before [`enumerate`] it is what the legacy ports reach.
pub fn config() -> &'static MachineConfig {
    static LEGACY: MachineConfig = MachineConfig::legacy();
    CONFIG.get().unwrap_or(&LEGACY)
}

/// Lets a function start requests or forbids it; gives what the function then says.
///
/// The bridges above pass requests on exactly while some function below may start them: none is open above nothing but
/// blocked ones. Only whose unit enforces may get [`BusMaster::On`].
pub fn set_bus_master(function: Bdf, to: BusMaster) -> BusMaster {
    let _turn = BUS_MASTERING.lock();
    let note = || {
        let switch = |bridge, to| {
            if control::set_bus_master(config(), bridge, to) != to {
                log::warn!("bridge {bridge} does not let bus mastering be switched: {to:?}");
            }
        };
        PASSAGE.get().into_iter().for_each(|passage| passage.note(function, to, switch));
    };
    match to {
        BusMaster::On => {
            note();
            control::set_bus_master(config(), function, to)
        }
        BusMaster::Off => {
            let now = control::set_bus_master(config(), function, to);
            note();
            now
        }
    }
}

/// Closes a bridge whatever is below. The next function below that gets bus mastering opens it again.
pub fn close_bridge(bridge: Bdf) {
    let _turn = BUS_MASTERING.lock();
    if control::set_bus_master(config(), bridge, BusMaster::Off) == BusMaster::On {
        log::warn!("bridge {bridge} does not let bus mastering be switched off");
    }
}

/// Forbids a function requests that do not snoop, where its unit cannot: see [`control::forbid_no_snoop`].
pub fn forbid_no_snoop(function: &Function) {
    if control::forbid_no_snoop(config(), function) == Snooping::AsRequested {
        log::warn!("{} may read around the caches what memory held before it was cleared", function.bdf);
    }
}

/// Longest time for a function to complete what it has begun: beyond what completion time-outs allow as a rule
/// (PCIe "Completion Timeout").
const DRAIN: Duration = Duration::from_millis(100);

/// Waits until a function whose bus mastering is off has no request under way, but not forever; gives what it says
/// then.
pub fn drain(function: &Function) -> Transactions {
    let deadline = Deadline::after(DRAIN);
    control::drain(config(), function, || {
        clock::sleep(Duration::from_millis(1));
        if deadline.expired() { Patience::Ended } else { Patience::Left }
    })
}

/// Tells whether a function may start requests.
pub fn masters(function: Bdf) -> bool {
    control::bus_master(config(), function) == BusMaster::On
}

/// Closes every bridge, for those below that do not obey their own bit. Those above functions that may work are opened
/// with them.
///
/// Takes no lock, waits for nothing and allocates nothing: the stop path calls it where no unit holds devices. Before
/// the functions are known, it looks for bridges by itself.
pub fn close_bridges() {
    match PASSAGE.get() {
        Some(passage) => passage.bridges().for_each(still),
        None => pci::sweep(config(), LEGACY_SEGMENT, |function, header| {
            if header.is_bridge() {
                still(function);
            }
        }),
    }
}

/// Switches bus mastering off everywhere but on bridges, which pass on what others must still finish.
///
/// Takes no lock, waits for nothing and allocates nothing: the stop path calls it wherever it interrupted the
/// kernel. Before the functions are known, it looks for them by itself.
pub fn all_bus_mastering_off() {
    match ENDPOINTS.get() {
        Some(endpoints) => endpoints.iter().copied().for_each(still),
        None => pci::sweep(config(), LEGACY_SEGMENT, |function, header| {
            if !header.is_bridge() {
                still(function);
            }
        }),
    }
}

/// Switches virtual functions off, which have bus mastering of their own and are not seen by enumeration; they end within
/// [`VF_STOP_MS`](pci::sriov::VF_STOP_MS).
///
/// Takes no lock, waits for nothing and allocates nothing.
pub fn stop_virtual_functions() {
    let physical = PHYSICALS.get().into_iter().flatten();
    physical.for_each(|function| pci::sriov::stop_virtual_functions(config(), function));
}

fn still(function: Bdf) {
    control::set_bus_master(config(), function, BusMaster::Off);
}
