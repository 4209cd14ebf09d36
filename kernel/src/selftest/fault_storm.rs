//! A disk that faults as fast as it can: everything else goes on, and what is told of it is no more than true.
//!
//! Where storms are let pass, every transfer is tried; otherwise the disk is cut off on the way, and that ends it. Run
//! it with `policy=log`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Access, Iova};
use nvme::spec::command::Transfer;
use report::Outcome;

use super::nvme_reads::Reads;
use super::skip;
use crate::attack::{Notice, announce, land};
use crate::devices::Overreach;
use crate::devices::nvme::{self as driver, Io, Nvme, Token};
use crate::dma::{PageBuffer, inspect};
use crate::faults;
use crate::memory::{frames, heap};
use crate::platform::clock::{self, Deadline};
use crate::{journal, println};

const NAME: &str = "storm";

/// Transfers of the short storm and of the long one.
const SHORT: u64 = 20_000;
const LONG: u64 = 1_000_000;

/// Reads of a bystander after which its tables and books have reached their size.
const WARM_UP: usize = 2_500;

/// Requests under way at once.
const DEPTH: usize = 32;

/// Requests of a bystander under way at once.
const BESIDE: usize = 4;

/// Longest wait for a controller when there is nothing else to do.
const PAUSE: Duration = Duration::from_millis(1);

/// Longest time in which nobody but the fault handler may come to work.
const GAP: Duration = Duration::from_secs(1);

/// Most of any 100 ms that the handling of faults may take, in nanoseconds.
const MOST: u64 = 10_000_000;

/// Faults that one transfer may cause: a page that it does not get is asked for twice by some controllers.
const FAULTS_A_TRANSFER: u64 = 2;

/// What a storm came to.
struct Storm {
    tried: u64,
    drained: u64,
    longest_gap: u64,
    beside: Option<usize>,
}

pub(super) fn run() {
    judge(SHORT);
}

pub(super) fn run_long() {
    judge(LONG);
}

fn judge(transfers: u64) {
    let mut open = driver::all().filter(|nvme| Overreach::dma(*nvme).is_open());
    let Some(culprit) = open.next() else { return skip(NAME, "no NVMe controller has a driver") };
    let (result, detail) = match storm(culprit, open.next(), transfers) {
        Ok(detail) => (Outcome::Pass, detail),
        Err(detail) => (Outcome::Fail, detail),
    };
    println!("{NAME}: {detail}");
    journal::check(NAME, result, Some(&detail));
}

fn storm(culprit: &Nvme, other: Option<&Nvme>, transfers: u64) -> Result<String, String> {
    let mut canary = PageBuffer::new(0).map_err(|_| String::from("no memory"))?;
    canary.bytes_mut().fill(0xa5);
    let target = Iova::new(inspect::buffer(&canary).as_u64());
    let record = Overreach::record(culprit);
    let flight = announce(record, Access::Write, target, Notice::Silent);
    let flight = flight.ok_or_else(|| String::from("too many attacks are under way"))?;
    let outcome = rage(culprit, other, target, transfers);
    faults::poll();
    land(flight);
    let Storm { tried, drained, longest_gap, beside } = outcome?;
    let most = faults::most_in_a_window();
    let detail = format!(
        "{tried} transfers, {drained} records, at most {} us of any 100 ms for them, longest gap {} us, {} transfers \
         beside them, {}",
        most / 1000,
        longest_gap / 1000,
        beside.unwrap_or(0),
        record.state().as_str(),
    );
    let held = canary.bytes().iter().all(|byte| *byte == 0xa5)
        && drained > 0
        && drained <= tried * FAULTS_A_TRANSFER
        && most <= MOST
        && longest_gap < GAP.as_nanos() as u64
        && beside != Some(0)
        && (tried == transfers || !Overreach::dma(culprit).is_open());
    if held { Ok(detail) } else { Err(detail) }
}

/// Lets the controller write where it must not, until all is tried or it is cut off.
fn rage(culprit: &Nvme, other: Option<&Nvme>, target: Iova, transfers: u64) -> Result<Storm, String> {
    let namespace = *culprit.namespaces().first().ok_or("the controller stores nothing")?;
    let io = Io { transfer: Transfer::Read, namespace, block: 0, blocks: 1 };
    let mut beside = other.map(|other| Reads::new(other, BESIDE)).transpose()?;
    let mut flying: Vec<Token> = Vec::with_capacity(DEPTH);
    let (drained_before, mut tried) = (journal::faults(), 0);
    if let (Some(reads), Some(other)) = (&mut beside, other) {
        while reads.done() < WARM_UP {
            reads.go_on()?;
            other.wait_for_news(Deadline::after(PAUSE));
        }
    }
    let memory = (frames::free_frames(), heap::used_bytes());
    let (mut last, mut longest_gap) = (clock::now_ns(), 0);
    while (tried < transfers && Overreach::dma(culprit).is_open()) || !flying.is_empty() {
        let now = clock::now_ns();
        longest_gap = longest_gap.max(now - last);
        last = now;
        while tried < transfers && flying.len() < DEPTH {
            let Ok(token) = culprit.submit_at(&io, target) else { break };
            flying.push(token);
            tried += 1;
        }
        // Whether a request ended well or not says nothing: a blocked one may do either.
        flying.retain(|token| culprit.poll(*token).is_none());
        if let Some(reads) = &mut beside {
            reads.go_on()?;
        }
        if flying.len() == DEPTH {
            culprit.wait_for_news(Deadline::after(PAUSE));
        }
    }
    let drained = journal::faults() - drained_before;
    let now = (frames::free_frames(), heap::used_bytes());
    if memory != now {
        return Err(format!("free frames and bytes of the heap went from {memory:?} to {now:?}"));
    }
    let beside = beside.map(Reads::finish).transpose()?;
    Ok(Storm { tried, drained, longest_gap, beside })
}
