//! The machine's PCI functions: reaching them, finding them, and stilling them.

mod config;
mod ports;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use dma_types::{Bdf, Iova, Segment, SourceId};
use pci::control::{self, BusMaster, Patience, Transactions};
use pci::{BusRange, ConfigSpace, EcamWindow, Function, Topology};
use spin::Once;

use super::clock::{self, Deadline};

pub use config::MachineConfig;

/// How configuration space is reached.
static CONFIG: Once<MachineConfig> = Once::new();
/// The functions that a stop has to still: all but bridges.
static ENDPOINTS: Once<Box<[Bdf]>> = Once::new();

/// All buses of segment 0, which the legacy ports reach even where no table names them.
const LEGACY_BUSES: BusRange = BusRange { segment: Segment(0), first: 0, last: u8::MAX };

/// Where firmware places windows below 4 GiB.
const LOW_WINDOWS: Range<Iova> = Iova::new(0xc000_0000)..Iova::new(1 << 32);

/// Opens configuration space and finds every function. To be called once.
pub fn enumerate(windows: &[EcamWindow]) -> Topology {
    let config = CONFIG.call_once(|| MachineConfig::open(windows));
    let mut ranges: Vec<_> = config.windows().map(|window| window.buses()).collect();
    ranges.push(LEGACY_BUSES);
    let topology = pci::enumerate(config, &ranges);
    ENDPOINTS.call_once(|| {
        let endpoints = topology.functions().iter().filter(|function| !function.is_bridge());
        endpoints.map(|function| function.bdf).collect()
    });
    topology
}

/// Configuration space. Before [`enumerate`] it is what the legacy ports reach.
pub fn config() -> &'static MachineConfig {
    static LEGACY: MachineConfig = MachineConfig::legacy();
    CONFIG.get().unwrap_or(&LEGACY)
}

/// Lets a function start requests or forbids it; gives what the function then says.
pub fn set_bus_master(function: Bdf, to: BusMaster) -> BusMaster {
    control::set_bus_master(config(), function, to)
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

/// Where devices' own registers lie: addresses that no domain should hand out, since a bridge could turn a
/// request for one to a neighbour before the IOMMU sees it. No driver may use its function meanwhile.
///
/// Below 4 GiB all of the upper part counts, where windows are opened that did not stand before.
pub fn memory_windows(topology: &Topology) -> Vec<Range<Iova>> {
    let windows = topology.functions().iter().flat_map(|function| pci::memory_windows(config(), function));
    let windows = windows.map(|window| Iova::new(window.start.as_u64())..Iova::new(window.end.as_u64()));
    core::iter::once(LOW_WINDOWS).chain(windows).collect()
}

/// Lets every bridge pass requests on, which firmware does only where it needed it itself.
///
/// To be called once the units enforce; the ids of the bridges themselves must lead to nothing, or to the
/// domain of a group that they belong to.
pub fn open_bridges(topology: &Topology) {
    for bridge in topology.functions().iter().filter(|function| function.is_bridge()) {
        if set_bus_master(bridge.bdf, BusMaster::On) == BusMaster::Off {
            log::warn!("bridge {} does not pass requests on", bridge.bdf);
        }
    }
}

/// Switches bus mastering off everywhere but on bridges, which pass on what others must still finish.
///
/// Takes no lock, waits for nothing and allocates nothing: the stop path calls it wherever it interrupted the
/// kernel. Before the functions are known, it looks for them by itself.
pub fn all_bus_mastering_off() {
    match ENDPOINTS.get() {
        Some(endpoints) => endpoints.iter().for_each(|function| still(config(), *function)),
        None => sweep(config()),
    }
}

fn still(config: &impl ConfigSpace, function: Bdf) {
    control::set_bus_master(config, function, BusMaster::Off);
}

/// Stills every function of segment 0 that is no bridge.
fn sweep(config: &impl ConfigSpace) {
    let mut header = None;
    for id in 0..=u16::MAX {
        let function = Bdf::new(Segment(0), SourceId::from_bits(id));
        let is_first = function.source.function() == 0;
        if is_first {
            header = pci::header_type(config, function);
        }
        let here = match header {
            Some(first) if is_first => Some(first),
            Some(first) if first.is_multi_function() => pci::header_type(config, function),
            _ => None,
        };
        if here.is_some_and(|header| header.layout() == pci::HeaderType::ENDPOINT) {
            still(config, function);
        }
    }
}
