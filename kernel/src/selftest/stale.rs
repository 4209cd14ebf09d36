//! Translations that must be gone: after unmapping, after mapping anew, after a change of domain.
//!
//! Each begins with a transfer that succeeds, so that the unit has cached what must be forgotten.
#![expect(unsafe_code, reason = "UNSAFETY: maps a page past the books")]

use core::time::Duration;

use diagnosis::Verdict;
use dma_types::{Access, Iova, PAGE_SIZE, Permissions};
use options::Target;

use super::{check, some_device, transfer};
use crate::attack::{Notice, Order, announce, land, run_attacks};
use crate::devices::Overreach;
use crate::dma::{FromDevice, PageBuffer, inspect};
use crate::platform::clock;
use ::attack::Judgement;

/// An address that no domain hands out: below every window but those of narrow devices, where it is free
/// as long as nothing else is mapped there.
const FIXED: Iova = Iova::new(0x10_0000);

/// What a page holds before a device writes to it.
const FILL: u8 = 0x5a;

pub(super) fn run() {
    after_unmap();
    after_remap();
    after_domain_change();
}

fn after_unmap() {
    const NAME: &str = "stale-after-unmap";
    let Some(device) = some_device(NAME) else { return };
    let judged = [Access::Write, Access::Read].map(|access| {
        let order = Order::of_self_test(access, Target::Freed);
        run_attacks(&[device], order)
    });
    let blocked = Judgement::Blocked { verdict: Verdict::Stale, expected: Verdict::Stale };
    let held = judged.iter().flatten().all(|judgement| *judgement == blocked);
    check(
        NAME,
        if held { Ok(()) } else { Err("a warm translation outlived its mapping, or its fault was not seen") },
    );
}

/// The same address, first with one page behind it, then with another: the second transfer must reach the
/// second page and leave the first alone.
fn after_remap() {
    const NAME: &str = "stale-after-remap";
    let Some(device) = some_device(NAME) else { return };
    check(NAME, remap(device));
}

fn remap(device: &'static dyn Overreach) -> Result<(), &'static str> {
    let page = || PageBuffer::new(0).map_err(|_| "no memory");
    let (mut old, mut new) = (page()?, page()?);
    old.bytes_mut().fill(FILL);
    new.bytes_mut().fill(FILL);
    let written = write_at_fixed(device, &old);
    if written.is_ok() && is_untouched(&old) {
        return Err("the device did not reach the first page");
    }
    old.bytes_mut().fill(FILL);
    let written = written.and_then(|()| write_at_fixed(device, &new));
    if written == Err(STILL_MAPPED) {
        // The device may still reach both, so neither is ever used again.
        core::mem::forget((old, new));
        return Err(STILL_MAPPED);
    }
    written?;
    match (is_untouched(&old), is_untouched(&new)) {
        (true, false) => Ok(()),
        (false, _) => Err("the device still reached the first page"),
        (true, true) => Err("the device did not reach the second page"),
    }
}

const STILL_MAPPED: &str = "the unit did not confirm the unmapping";

/// Maps a page at the fixed address, lets the device write there, and unmaps it.
fn write_at_fixed(device: &'static dyn Overreach, page: &PageBuffer) -> Result<(), &'static str> {
    let domain = device.dma().domain();
    let space = domain.space();
    // SAFETY: the caller's page, which it gives up for good where this ends with `STILL_MAPPED`.
    let mapped = unsafe { space.map(FIXED, inspect::buffer(page), PAGE_SIZE, Permissions::WRITE) };
    mapped.map_err(
        |error| {
            if error.may_be_reached() { STILL_MAPPED } else { "the page could not be mapped" }
        },
    )?;
    let written = transfer(device, Access::Write, FIXED);
    space.unmap(FIXED, PAGE_SIZE).map_err(|_| STILL_MAPPED)?;
    written
}

fn is_untouched(buffer: &PageBuffer) -> bool {
    buffer.bytes().iter().all(|byte| *byte == FILL)
}

/// A mapping in the domain that a device has left: the device must not reach it any more.
fn after_domain_change() {
    const NAME: &str = "stale-after-domain-change";
    let Some(device) = some_device(NAME) else { return };
    check(NAME, change_domain(device));
}

fn change_domain(device: &'static dyn Overreach) -> Result<(), &'static str> {
    let mut page = PageBuffer::new(0).map_err(|_| "no memory")?;
    page.bytes_mut().fill(FILL);
    let mut mapping = device
        .dma()
        .map::<FromDevice, _>(page, "stale domain test")
        .map_err(|_| "the page could not be mapped")?;
    transfer(device, Access::Write, mapping.iova())?;
    let flight = announce(device.record(), Access::Write, mapping.iova(), Notice::Announced);
    let flight = flight.ok_or("too many attacks are under way")?;
    let written = device.dma().change_domain().map_err(|_| "the device could not be moved").and_then(|()| {
        inspect::fill(&mut mapping, FILL);
        transfer(device, Access::Write, mapping.iova())
    });
    // The device is done before its fault's interrupt has arrived.
    clock::sleep(Duration::from_millis(5));
    let seen = land(flight).and_then(|flight| flight.seen);
    written?;
    let page = mapping.unmap().map_err(|_| "the page could not be taken back")?;
    match (is_untouched(&page), seen) {
        (false, _) => Err("the device still reached its old domain"),
        (true, None) => Err("the page is untouched, but no fault was recorded"),
        (true, Some(_)) => Ok(()),
    }
}
