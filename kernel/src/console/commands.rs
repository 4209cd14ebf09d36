//! What the commands do.

use alloc::vec::Vec;
use core::fmt;

use ::network::Exchange;
use dma_types::{Access, Bdf};
use options::{COMMANDS, Command, Policy, RecordForm, ReportWay, Switch, VerifierOrder};

use super::carry::{self, CarryMistake};
use super::disks::{self, DiskMistake};
use super::{interrupts, memory, network, output, page};
use crate::arch::{FAULT_VECTOR, cpu};
use crate::devices::{self, DeviceRecord, StartError};
use crate::dma;
use crate::journal::{self, Ending};
use crate::platform::{cancel, clock, power, serial};
use crate::{attack, bench, faults, firmware, iommu, irq, println, protection, selftest, verdict};

/// Why a command that was understood could not be carried out.
pub enum Mistake {
    /// There is no such function.
    NoSuchDevice(Bdf),
    /// There is no self-test of that name.
    NoSuchTest,
    /// No driver runs the device as a network card.
    NoNetworkCard(Bdf),
    /// The device could not be released.
    NotReleased(StartError),
    /// A disk does not store what was asked for, or must not be written to.
    Disk(DiskMistake),
    /// The report could not be carried away.
    NotCarried(CarryMistake),
    /// The user ended it.
    Cancelled,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchDevice(bdf) => write!(f, "there is no device {bdf}; `devices` lists what is there"),
            Self::NoSuchTest => {
                f.write_str("there is no such self-test; expected ")?;
                selftest::NAMES
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, name)| write!(f, "{}{name}", if index == 0 { "" } else { ", " }))
            }
            Self::NoNetworkCard(bdf) => {
                write!(f, "no driver runs {bdf} as a network card; `net` lists those that are")
            }
            Self::NotReleased(error) => error.fmt(f),
            Self::Disk(mistake) => mistake.fmt(f),
            Self::NotCarried(mistake) => mistake.fmt(f),
            Self::Cancelled => f.write_str("ended by Ctrl-C before it was done"),
        }
    }
}

/// Carries a command out.
///
/// # Errors
/// If it names something that is not there; nothing was done then. Or if the user ended it.
pub fn run(command: Command<'_>) -> Result<(), Mistake> {
    devices::look_around();
    if !matches!(command, Command::Reboot | Command::PowerOff) {
        output::uncover();
    }
    match command {
        Command::Help(None) => COMMANDS.iter().for_each(|command| println!("{command}")),
        Command::Help(Some(command)) => {
            println!("{}\n  {}", command.usage(), command.summary);
            command.details().into_iter().for_each(|details| println!("{details}"));
        }
        Command::Units => units(),
        Command::Devices => list_devices(),
        Command::Domains => list_domains(),
        Command::Mappings(bdf) => mappings(find(bdf)?),
        Command::Faults { device, form: None } => super::faults::list(device),
        Command::Faults { device, form: Some(RecordForm::Cper) } => super::faults::show_records(device),
        Command::Interrupts => interrupts::show(),
        Command::Memory => memory::show(),
        Command::Report(None) => {
            report();
            page::show();
        }
        Command::Report(Some(ReportWay::Qr)) => carry::by_screen().map_err(Mistake::NotCarried)?,
        Command::Report(Some(ReportWay::Udp)) => carry::by_network().map_err(Mistake::NotCarried)?,
        Command::Drill => attack::drill_all(),
        Command::Attack { device, transfer, target } => {
            find(device)?;
            attack::strike(device, Access::from(transfer), target);
        }
        Command::Policy { device, new } => policy(device, new)?,
        Command::Release(bdf) => devices::release(find(bdf)?).map_err(Mistake::NotReleased)?,
        Command::Verifier(order) => verifier(order),
        Command::Net => network::net(),
        Command::Ping(to) => network::ping(to),
        Command::Tcp { device, peer, receive, send } => {
            find(device)?;
            network::tcp(device, Exchange { peer, receive, send })?;
        }
        Command::Disks => disks::list(),
        Command::Disk { device, transfer, range } => {
            disks::run(find(device)?, transfer, range).map_err(Mistake::Disk)?;
        }
        Command::SelfTest(name) => selftest::run(name).map_err(|_| Mistake::NoSuchTest)?,
        Command::Bench => bench::run(),
        Command::Demo => {
            attack::demo();
            // A demo that comes back has not shown what it should.
            journal::note_failure();
        }
        Command::Reboot => {
            finish();
            power::reboot()
        }
        Command::PowerOff => power_off(),
    }
    if cancel::is_requested() { Err(Mistake::Cancelled) } else { Ok(()) }
}

/// Ends the run: the last lines of the report, everything drawn, the machine off.
pub fn power_off() -> ! {
    finish();
    power::power_off();
    output::uncover();
    println!("this machine cannot be switched off by software; it is safe to do so by hand");
    serial::send_all();
    output::draw_all();
    cpu::halt_forever()
}

fn finish() {
    faults::poll();
    faults::finish();
    verdict::tell();
    journal::end(Ending::Regular);
    serial::send_all();
    output::draw_all();
}

fn find(bdf: Bdf) -> Result<&'static DeviceRecord, Mistake> {
    devices::find(bdf).ok_or(Mistake::NoSuchDevice(bdf))
}

fn units() {
    iommu::units().iter().for_each(|unit| println!("{unit}"));
    if !iommu::units().is_empty() {
        println!("{}", irq::owners::line(FAULT_VECTOR));
    }
    if iommu::units().is_empty() {
        verdict::tell_why_no_unit(|line| println!("{line}"));
    }
}

fn list_devices() {
    output::write_heading(format_args!(
        "{:<12} {:<9} {:<16} {:<10} what it is",
        "device", "id", "state", "driver"
    ));
    for record in devices::all().iter().chain(devices::presence::newcomers()) {
        let id = record.vendor_device();
        let driver = record.driver().unwrap_or("-");
        let state = record.state().as_str();
        let left = if record.has_left() { ", which has left" } else { "" };
        println!("{} {} {state:<16} {driver:<10} {}{left}", record.bdf, id.as_str(), record.name);
        if let Some(refusal) = record.pci.refused {
            println!("    not believed: {refusal}");
        }
    }
}

/// Ports below which a device may pass for another.
fn list_open_ports() {
    let topology = firmware::discovered().map(|(_, topology)| topology);
    for port in topology.into_iter().flat_map(pci::Topology::ports_without_source_validation) {
        println!("port {}: {}", port.bdf, pci::acs::NO_SOURCE_VALIDATION);
    }
}

fn list_domains() {
    dma::domains(|domain| {
        let size = domain.space().size();
        println!(
            "domain {} on unit {}, group {}: {} mappings, {} KiB mapped, {} table pages",
            domain.space().id(),
            domain.space().unit().index,
            domain.group(),
            domain.lock_books().book().live_mappings(),
            size.mapped_bytes >> 10,
            size.table_pages
        );
        domain.report();
    });
}

/// Events that `mappings` shows of a domain.
const RECENT_EVENTS: usize = 12;

fn mappings(record: &DeviceRecord) {
    let mut any = false;
    dma::domains(|domain| {
        if domain.group() != record.group {
            return;
        }
        let books = domain.lock_books();
        for owner in books.book().live() {
            any = true;
            let mapping = &owner.mapping;
            println!(
                "{} {:#x} bytes {} {} mapped by {}",
                mapping.start, mapping.length, mapping.direction, mapping.label, mapping.mapped.site
            );
        }
        println!("of late, newest first:");
        for event in books.book().history().newest_first().take(RECENT_EVENTS) {
            println!("{}", EventLine(event));
        }
    });
    if !any {
        println!("{} can reach nothing", record.bdf);
    }
}

/// What happened to a domain, on one line.
struct EventLine<'a>(&'a diagnosis::Event);

impl fmt::Display for EventLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(event) = self;
        let at = event.at.as_nanos();
        write!(f, "{:>6}.{:03} s {}", at / 1_000_000_000, at / 1_000_000 % 1000, event.operation)?;
        match event.span() {
            Some(span) => write!(f, " {} {:#x} bytes", span.start, span.length)?,
            None => f.write_str(" the whole domain")?,
        }
        if let Some(label) = event.label {
            write!(f, " {label}")?;
        }
        event.site.map_or(Ok(()), |site| write!(f, " by {site}"))
    }
}

/// The protection report again, for people and for the host.
fn report() {
    verdict::show();
    units();
    let mut given_up = Vec::new();
    protection::visit(|shortfall| given_up.push(*shortfall));
    given_up.iter().for_each(|shortfall| println!("given up: {shortfall}"));
    firmware::findings::show();
    list_devices();
    list_open_ports();
    iommu::units().iter().for_each(|unit| unit.report(firmware::findings::of_unit(unit.index)));
    devices::presence::present().for_each(DeviceRecord::report);
    list_domains();
    interrupts::show();
    let (interrupts, spurious) = journal::fault_interrupts();
    println!(
        "{} faults, {interrupts} fault interrupts, {spurious} of them spurious, {} ms since start",
        journal::faults(),
        clock::now_ns() / 1_000_000
    );
}

fn verifier(order: Option<VerifierOrder>) {
    match order {
        Some(VerifierOrder::On) => dma::verifier::set(Switch::On),
        Some(VerifierOrder::Off) => dma::verifier::set(Switch::Off),
        Some(VerifierOrder::Reset) => dma::verifier::reset(),
        None => {
            let state = if dma::verifier::is_on() { Switch::On } else { Switch::Off };
            println!("{state}, {} checks", dma::verifier::checks());
        }
    }
}

fn policy(device: Option<Bdf>, new: Option<Policy>) -> Result<(), Mistake> {
    match (device, new) {
        (None, None) => println!("{}", faults::policy()),
        (None, Some(policy)) => faults::set_policy(policy),
        (Some(bdf), None) => match find(bdf)?.policy() {
            Some(policy) => println!("{policy}"),
            None => println!("{} (as for all)", faults::policy()),
        },
        (Some(bdf), Some(policy)) => find(bdf)?.set_policy(policy),
    }
    Ok(())
}
