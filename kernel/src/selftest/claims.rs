//! Devices that come to a group in which others work already: they get the same domain, and nobody loses anything.

use core::ptr;

use dma_types::Iova;
use report::DeviceState;

use super::release::idle_functions;
use super::{check, skip};
use crate::devices::{DeviceRecord, SELF_TEST};
use crate::dma::{self, Device, DmaError, FromDevice, PageBuffer};

const NAME: &str = "shared-domain";
const TIED: &str = "shared-id";

/// The highest address of a device that sends few bits.
const NARROW: Iova = Iova::new(0x0fff_ffff);

pub(super) fn run() {
    let pair = idle_functions().find_map(|first| {
        let second = idle_functions().find(|other| other.group == first.group && other.bdf != first.bdf)?;
        Some((first, second))
    });
    match pair {
        Some((first, second)) => check(NAME, come_together(first, second)),
        None => skip(NAME, "there are no two idle devices here that must share a domain"),
    }
}

pub(super) fn run_tied() {
    let pair = idle_functions().find_map(|first| {
        let tied = |other: &&DeviceRecord| ptr::eq(other.tie, first.tie) && other.bdf != first.bdf;
        Some((first, idle_functions().find(tied)?))
    });
    match pair {
        Some((first, second)) => check(TIED, come_while_cut_off(first, second)),
        None => skip(TIED, "there are no two idle devices here that share an id"),
    }
}

/// One with a wide window and a buffer in it, then one that cannot send such addresses.
fn come_together(first: &'static DeviceRecord, second: &'static DeviceRecord) -> Result<(), &'static str> {
    let wide = Device::claim(first, SELF_TEST, Iova::new(u64::MAX)).map_err(|_| "no first claim")?;
    let page = PageBuffer::new(0).map_err(|_| "no memory")?;
    let mapping = wide.map::<FromDevice, _>(page, "shared domain test").map_err(|_| "no room")?;
    if mapping.iova() <= NARROW {
        return Err("the window is narrower than the device needs");
    }
    match Device::claim(second, SELF_TEST, NARROW) {
        Err(DmaError::NoCommonWindow { device, .. }) if device == second.bdf => {}
        Err(_) => return Err("the newcomer was refused for another reason"),
        Ok(_) => return Err("a newcomer got a domain with buffers that it cannot address"),
    }
    if second.state() != DeviceState::Blocked || second.driver().is_some() {
        return Err("the newcomer that was refused is not blocked");
    }
    if !wide.is_open() || !wide.is_live(mapping.iova()) {
        return Err("the newcomer cost the other its buffer");
    }
    let page = mapping.unmap().map_err(|_| "the buffer could not be taken back")?;
    let narrow = Device::claim(second, SELF_TEST, NARROW).map_err(|_| "no second claim")?;
    let mapping = wide.map::<FromDevice, _>(page, "shared domain test").map_err(|_| "no room")?;
    if mapping.iova() > NARROW || !narrow.is_live(mapping.iova()) {
        return Err("the common window does not suit both");
    }
    // The first goes; the second keeps the domain and what is mapped there.
    wide.release().map_err(|_| "the first could not be released")?;
    if !narrow.is_open() || !narrow.is_live(mapping.iova()) || first.state() != DeviceState::Blocked {
        return Err("a device took the other along");
    }
    drop(mapping);
    drop(narrow);
    match dma::domain_of(second) {
        None => Ok(()),
        Some(_) => Err("a domain without devices was left"),
    }
}

/// While one is cut off, another that shares an id with it is not let in: the entries would be the same.
fn come_while_cut_off(
    first: &'static DeviceRecord,
    second: &'static DeviceRecord,
) -> Result<(), &'static str> {
    let highest = Iova::new(u64::MAX);
    let device = Device::claim(first, SELF_TEST, highest).map_err(|_| "no claim before the cut")?;
    dma::contain(first).map_err(|_| "the first could not be cut off")?;
    match Device::claim(second, SELF_TEST, highest) {
        Err(DmaError::CutOffTogether { with, .. }) if with == first.bdf => {}
        Err(_) => return Err("the other was refused for another reason than who is cut off"),
        Ok(_) => return Err("a device was let in with the ids of one that is cut off"),
    }
    dma::release(first).map_err(|_| "the first could not be let back")?;
    let other = Device::claim(second, SELF_TEST, highest);
    let result = if other.is_ok() { Ok(()) } else { Err("the other is refused for ever") };
    device.release().map_err(|_| "the first could not be released")?;
    result
}
