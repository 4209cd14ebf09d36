//! What an NVMe request costs the processor, with translation and without.
//!
//! Counted is the path from the request to the doorbell, and from the completion that was seen to the buffer that is
//! back; each request maps and unmaps a buffer of its own. Waiting is left out, and interrupts are held back meanwhile:
//! which request they would be counted with is chance. For the figures without translation the
//! controller is given a pass-through entry for their length: it then reaches all of memory by physical addresses, and
//! nothing is mapped or unmapped.
#![expect(unsafe_code, reason = "UNSAFETY: lets a controller reach memory untranslated")]

use alloc::vec::Vec;

use dma_types::Iova;
use nvme::spec::command::Transfer;
use pci::control::BusMaster;

use super::pass_through::PassThrough;
use super::{median, tell};
use crate::devices::nvme::{self as driver, Ended, Io, Nvme, NvmeError, Token};
use crate::devices::{Driver, Overreach};
use crate::dma::{Device, DmaError, FromDevice, PageBuffer, inspect};
use crate::iommu::IommuError;
use crate::platform::cancel;
use crate::platform::clock::{self, Deadline};
use crate::platform::pci as bus;
use crate::println;
use crate::sync::InterruptsOff;

/// Requests that are measured.
const ROUNDS: usize = 1000;

/// Requests before: until then ranges are new to the domain, which costs more.
const WARM_UP: usize = 400;

/// Longest time for all requests of a figure.
const TIME: core::time::Duration = core::time::Duration::from_secs(60);

/// One figure: the names of what is measured.
struct Case {
    /// With translation.
    name: &'static str,
    /// Without.
    passthrough: &'static str,
    /// Mapping alone, with as many buffers live, taken back in another order than they were given.
    map: &'static str,
    /// The same for unmapping.
    unmap: &'static str,
    /// Time from the first request to the last completion, a request; for information.
    whole: &'static str,
    /// Bytes of a request, as a power of two of pages.
    exponent: u8,
    /// Requests under way at once.
    depth: usize,
}

/// The names of a figure's parts.
macro_rules! case {
    ($name:literal, $exponent:literal, $depth:literal) => {
        Case {
            name: $name,
            passthrough: concat!($name, "_passthrough"),
            map: concat!($name, "_map"),
            unmap: concat!($name, "_unmap"),
            whole: concat!($name, "_whole"),
            exponent: $exponent,
            depth: $depth,
        }
    };
}

const CASES: [Case; 3] =
    [case!("nvme_read_4k_qd1", 0, 1), case!("nvme_read_4k_qd32", 0, 32), case!("nvme_read_128k", 5, 1)];

/// Measures and reports, on the first controller that works.
pub(super) fn run() {
    let Some(nvme) = driver::all().find(|nvme| Overreach::dma(*nvme).is_open()) else {
        println!("no NVMe controller has a driver");
        return;
    };
    for case in CASES.iter().take_while(|_| !cancel::is_requested()) {
        report(case.name, Some(case.whole), requests(nvme, case, Way::Isolated));
        match mapping(Overreach::dma(nvme), case) {
            Ok((map, unmap)) => {
                tell(case.map, median(map), ROUNDS as u64);
                tell(case.unmap, median(unmap), ROUNDS as u64);
            }
            Err(error) => println!("{}: {error}", case.map),
        }
    }
    let passed = untranslated(nvme, || {
        for case in &CASES {
            report(case.passthrough, None, requests(nvme, case, Way::Untranslated));
        }
    });
    if let Err(error) = passed {
        println!("no figures without translation: {error}");
    }
}

fn report(name: &str, whole: Option<&str>, measured: Result<Measured, NvmeError>) {
    match measured {
        Ok(Measured { each, all_ns }) => {
            let n = each.len() as u64;
            tell(name, median(each), n);
            if let Some(whole) = whole {
                tell(whole, all_ns / n.max(1), n);
            }
        }
        Err(error) => println!("{name}: {error}"),
    }
}

/// Steps through the live buffers: disks complete requests in any order.
const STRIDE: usize = 7;

/// Unmaps one of the live buffers and maps it again, over and over: what each cost.
fn mapping(dma: &Device, case: &Case) -> Result<(Vec<u64>, Vec<u64>), DmaError> {
    let mut live = Vec::with_capacity(case.depth);
    for _ in 0..case.depth {
        live.push(dma.map::<FromDevice, _>(PageBuffer::new(case.exponent)?, "bench")?);
    }
    let (mut mapped, mut unmapped) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for round in 0..WARM_UP + ROUNDS {
        let old = live.swap_remove(round * STRIDE % case.depth);
        let _off = InterruptsOff::new();
        let start = clock::timestamp();
        let buffer = old.unmap()?;
        let between = clock::timestamp();
        let new = dma.map::<FromDevice, _>(buffer, "bench")?;
        let end = clock::timestamp();
        live.push(new);
        if round >= WARM_UP {
            unmapped.push(clock::ns_at(between) - clock::ns_at(start));
            mapped.push(clock::ns_at(end) - clock::ns_at(between));
        }
    }
    Ok((mapped, unmapped))
}

/// How buffers are given to the controller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each is mapped for its request.
    Isolated,
    /// By their physical addresses.
    Untranslated,
}

/// What was measured.
struct Measured {
    /// Processor time of each request.
    each: Vec<u64>,
    /// Time from the first request that counts to the last completion.
    all_ns: u64,
}

/// A request under way.
struct Flying {
    token: Token,
    /// What its start cost.
    start: u64,
    /// Its buffer, where the driver does not hold it.
    buffer: Option<PageBuffer>,
}

/// Reads the same blocks again and again, so many at a time.
fn requests(nvme: &Nvme, case: &Case, way: Way) -> Result<Measured, NvmeError> {
    let namespace = *nvme.namespaces().first().ok_or(NvmeError::NoBlocks)?;
    let bytes = dma_types::PAGE_SIZE << case.exponent;
    let blocks = (bytes / u64::from(namespace.block_bytes)) as u32;
    let io = Io { transfer: Transfer::Read, namespace, block: 0, blocks };
    let depth = case.depth.min(usize::from(nvme.depth()));
    let mut each = Vec::with_capacity(ROUNDS);
    let mut flying: Vec<Flying> = Vec::with_capacity(depth);
    for _ in 0..depth {
        let buffer = PageBuffer::new(case.exponent).map_err(DmaError::from)?;
        flying.push(start(nvme, &io, buffer, way)?);
    }
    let deadline = Deadline::after(TIME);
    let mut began = clock::now_ns();
    for round in 0..WARM_UP + ROUNDS {
        if !nvme.wait_for_news(deadline) {
            return Err(NvmeError::Timeout);
        }
        let (seen, token, ended, back) = {
            let _off = InterruptsOff::new();
            let seen = clock::timestamp();
            let token = nvme.collect().ok_or(NvmeError::Reset)?;
            let ended = nvme.take(token).ok_or(NvmeError::Reset)?;
            (seen, token, ended, clock::timestamp())
        };
        let Ended { result, buffer } = ended;
        result?;
        let place = flying.iter().position(|flying| flying.token == token).ok_or(NvmeError::Reset)?;
        let over = flying.swap_remove(place);
        if round >= WARM_UP {
            each.push(over.start + clock::ns_at(back) - clock::ns_at(seen));
        } else {
            began = clock::now_ns();
        }
        let buffer = buffer.or(over.buffer).ok_or(NvmeError::Reset)?;
        flying.push(start(nvme, &io, buffer, way)?);
    }
    let all_ns = clock::now_ns() - began;
    flying.into_iter().try_for_each(|flying| nvme.wait(flying.token).result)?;
    Ok(Measured { each, all_ns })
}

fn start(nvme: &Nvme, io: &Io, buffer: PageBuffer, way: Way) -> Result<Flying, NvmeError> {
    let at = Iova::new(inspect::buffer(&buffer).as_u64());
    let _off = InterruptsOff::new();
    let before = clock::timestamp();
    let (token, buffer) = match way {
        Way::Isolated => (nvme.submit(io, buffer)?, None),
        Way::Untranslated => (nvme.submit_at(io, at)?, Some(buffer)),
    };
    let after = clock::timestamp();
    Ok(Flying { token, start: clock::ns_at(after) - clock::ns_at(before), buffer })
}

/// Runs something while the controller's requests pass untranslated. Its domain is as before when this returns, or it is
/// blocked.
fn untranslated(nvme: &'static Nvme, work: impl FnOnce()) -> Result<(), IommuError> {
    let record = Driver::record(nvme);
    let domain = Overreach::dma(nvme).domain();
    let [source] = record.aliases[..] else {
        // Others that share an id would pass as well.
        return Err(IommuError::NoPassThrough { unit: domain.space().unit().index });
    };
    let as_sent = |iova: Iova| {
        let memory = domain.space().translate(iova.page()).map_or(0, |(memory, _)| memory.as_u64());
        Iova::new(memory + iova.page_offset())
    };
    // SAFETY: no other device has the id, and the controller is told what its domain's tables lead to.
    let passing = unsafe { PassThrough::begin(domain.space().unit(), source)? };
    match nvme.restart_with(&as_sent) {
        Ok(()) => work(),
        Err(error) => println!("the controller does not start without translation: {error}"),
    }
    let ended = passing.end().and_then(|()| domain.space().attach(source));
    if ended.is_err() {
        bus::set_bus_master(record.bdf, BusMaster::Off);
    }
    if let Err(error) = nvme.restart() {
        println!("the controller does not start again: {error}");
    }
    ended
}
