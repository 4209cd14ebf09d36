//! The event timers (HPET): the kernel has another timer, and stops these before interrupts are let in.

use alloc::vec::Vec;
use core::fmt;

use ::interrupts::hpet::{self, NotStopped, REGISTER_BYTES, Stopped};
use dma_types::PhysAddr;
use pci::Claims;
use spin::Once;

use super::sources::{self, NotBelieved, Unsilenced};

/// Timer blocks that are looked at; more are given up.
const MOST: usize = 8;

/// Where one lies, and what it was doing.
static STOPPED: Once<Vec<(PhysAddr, Stopped)>> = Once::new();

/// Stops every event timer, and names what firmware had it do. To be called once.
///
/// `claims` is what can be none. Gives those that may go on interrupting.
pub fn stop(addresses: &[PhysAddr], claims: &Claims) -> Vec<Unsilenced> {
    let (mut stopped, mut unsilenced) = (Vec::new(), Vec::new());
    for (number, at) in addresses.iter().copied().enumerate() {
        let outcome = if number < MOST { stop_one(at, claims) } else { Err(NotBelieved::TooMany) };
        match outcome {
            Ok(outcome) => stopped.push((at, outcome)),
            Err(error) => {
                log::error!("event timer (HPET) at {at}: {error}");
                unsilenced.push(Unsilenced { at });
            }
        }
    }
    STOPPED.call_once(|| stopped);
    visit_running(|at, words| log::warn!("event timer (HPET) at {at}: {words}; it is stopped"));
    unsilenced
}

fn stop_one(at: PhysAddr, claims: &Claims) -> Result<Stopped, NotBelieved<NotStopped>> {
    let registers = sources::map(at, REGISTER_BYTES, claims)?;
    hpet::stop(&registers).map_err(NotBelieved::Odd)
}

/// Shows each event timer.
pub fn visit(mut show: impl FnMut(fmt::Arguments<'_>)) {
    for (at, was) in STOPPED.get().into_iter().flatten() {
        show(format_args!("event timer (HPET) at {at}, {} timers: stopped", was.timers));
    }
    visit_running(|at, words| show(format_args!("    at {at}: {words}")));
}

/// Tells of those that firmware had left at work.
fn visit_running(mut show: impl FnMut(PhysAddr, fmt::Arguments<'_>)) {
    for (at, was) in STOPPED.get().into_iter().flatten() {
        match (was.ran, was.armed) {
            (false, 0) => {}
            (true, 0) => show(*at, format_args!("firmware left it counting")),
            (_, armed) => show(*at, format_args!("firmware had armed its timers {armed:#x}")),
        }
    }
}
