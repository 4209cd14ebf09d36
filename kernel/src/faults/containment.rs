//! Who is stopped for a fault: bus mastering goes at once, the address space once no record waits.

use arrayvec::ArrayVec;
use diagnosis::{Holder, Window};
use dma_types::Bdf;
use fault_response::{Accounts, Haste, Measure, cannot_wait};
use report::DeviceState;

use super::drain::Captured;
use super::{accounts, handle, interrupt};
use crate::devices::{self, DeviceRecord, Role};
use crate::platform::pci as bus;
use crate::sync::{IrqLock, rank};
use crate::{dma, iommu, journal};

/// Devices that wait to be cut off; one more is cut off as it is condemned.
const WAITING: usize = 8;

/// A device that has lost bus mastering, and is cut off once every fault that it caused before is answered: the verdict on
/// those is by what held then.
struct Condemned {
    record: &'static DeviceRecord,
    /// Its state before.
    before: DeviceState,
}

static CONDEMNED: IrqLock<ArrayVec<Condemned, WAITING>, rank::Condemned> =
    IrqLock::new(ArrayVec::new_const());

/// Takes bus mastering from whoever may have sent a request, if it costs each of them that whatever the verdict.
pub(super) fn stop_at_once(captured: &Captured) {
    let Some(unit) = iommu::units().get(captured.unit) else { return };
    let fault = handle::fault_of(captured, unit);
    if fault.is_anonymous() {
        return;
    }
    let notice = accounts::notice(&fault);
    let endpoints = || devices::behind(fault.requester).filter(|record| record.role == Role::Endpoint);
    let policies = endpoints().map(|record| accounts::policy_for(Some(record)));
    if let Haste::AtOnce = cannot_wait(notice, policies)
        // The others are tied to it.
        && let Some(record) = endpoints().next()
    {
        dma::silence(record);
    }
}

/// Stops whom a fault costs that.
pub(super) fn carry_out(measure: Measure<&'static DeviceRecord>) {
    match measure {
        Measure::Nothing => {}
        Measure::Contain(record) => condemn(record),
        Measure::Close(bridge) => close(bridge),
    }
}

/// Cuts off who was condemned; to be called when no record waits.
pub(super) fn cut_off_condemned() {
    while let Some(condemned) = next_condemned() {
        cut_off(&condemned);
    }
}

/// Tells whether somebody is yet to be cut off.
pub(super) fn is_due() -> bool {
    !CONDEMNED.lock().is_empty()
}

/// Takes note that a window of fault handling has ended. Those that kept the fault interrupt masked for many
/// in a row are contained, unless storms are nobody's business.
pub(super) fn end_window(window: Window) {
    let mut stormy = accounts::with(|accounts| {
        accounts.end_window(window);
        accounts.next_stormy()
    });
    while let Some(holder) = stormy {
        match holder {
            Holder::Id(id) => {
                for record in devices::behind(id).filter(|record| record.is_open()) {
                    log::warn!("{record} faults without end");
                    condemn(record);
                }
            }
            Holder::Port(bridge) => close(bridge),
            // Nothing is known that could be closed; what the units block stays blocked.
            Holder::Elsewhere => {}
        }
        stormy = accounts::with(Accounts::next_stormy);
    }
}

/// Contains a device that sends messages without end, like one that faults without end. Interrupt handlers may call it.
pub fn contain_sender(record: &'static DeviceRecord) {
    journal::note_failure();
    condemn(record);
    // It is cut off once the faults that wait are answered.
    interrupt::poll();
}

/// Closes a port: everybody below loses bus mastering, with them the port itself, and they are cut off as soon as no
/// fault waits. Does nothing, and says nothing, where that is so already.
fn close(bridge: Bdf) {
    let Some(port) = devices::find(bridge) else { return };
    let has_something = |record: &&DeviceRecord| {
        record.role == Role::Endpoint && (record.life().works() || record.life().in_attempt())
    };
    let stopped = devices::below(bridge).filter(has_something).map(condemn).count();
    let changes = port.life_events().close();
    if changes || stopped > 0 {
        bus::close_bridge(bridge);
    }
    if changes {
        log::warn!("requests with ids that no function carries come through {port} without end");
        port.report_change();
        log::warn!("{port} is closed; `release {bridge}` opens it again for the devices below");
    }
}

/// Takes a device's bus mastering at once, and has it cut off as soon as no fault waits. Nobody lets it in meanwhile.
fn condemn(record: &'static DeviceRecord) {
    let mut condemned = CONDEMNED.lock();
    let known = condemned.iter().any(|other| other.record.bdf == record.bdf);
    let new = (!known).then(|| Condemned::new(record));
    let over = new.and_then(|new| condemned.try_push(new).err());
    drop(condemned);
    // Again, too: who was letting it in may have switched it on.
    dma::silence(record);
    if let Some(over) = over {
        cut_off(&over.element());
    }
}

impl Condemned {
    fn new(record: &'static DeviceRecord) -> Self {
        let before = record.state();
        dma::condemn(record);
        Self { record, before }
    }
}

fn next_condemned() -> Option<Condemned> {
    CONDEMNED.lock().pop()
}

/// Cuts a device off, and says so if that changes anything: one that goes on faulting is told of by its faults.
fn cut_off(condemned: &Condemned) {
    let Condemned { record, before } = *condemned;
    let contained = dma::contain(record);
    dma::end_condemned(record);
    if record.state() == before {
        return;
    }
    match contained {
        Ok(()) => log::warn!("{record} is quarantined; `release {}` lets it work again", record.bdf),
        Err(error) => log::error!("{record} has lost bus mastering, but its unit did not confirm: {error}"),
    }
}
