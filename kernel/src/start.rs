//! From the loader's facts to a protected machine, and on to the prompt or the script.
//!
//! Until the units enforce, every step either only looks or takes something away from devices.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bootloader_api::info::FrameBuffer;
use coverage::{Description, Plan, Platform, Shortfall};
use dma_types::{INTERRUPT_RANGE, PhysAddr};
use interrupts::{Routing, Wish};
use options::{Complaint, DmarSource as DmarOption, LogLevel, Options, ReportTarget, Severity, Switch};
use pci::control::BusMaster;
use pci::sriov::VirtualFunctions;
use pci::{AddressRange, Claims, Owner, Topology};
use report::{Boot, DeviceState, Event, Function, Outcome, Protected, Window};

use crate::arch::cpu;
use crate::console::{self, output};
use crate::devices::{self, DeviceRecord, Role};
use crate::firmware::{self, FirmwareTable, Soundness, findings};
use crate::iommu::{enforcement, regions};
use crate::memory::boot::BootFacts;
use crate::memory::map;
use crate::platform::acpi::{self, AcpiTables};
use crate::platform::fw_cfg::{self, FwCfg};
use crate::platform::serial::{self, Port};
use crate::platform::{cancel, clock, framebuffer, machine, pci as bus, power};
use crate::text::Text;
use crate::{attack, bench, dma, faults, iommu, irq, journal, protection, stop, verdict};

/// Largest options text, and one byte more so that a longer one shows.
const OPTIONS_BYTES: usize = options::MAX_SOURCE_BYTES + 1;

/// Largest table that fw_cfg may hand over.
const FW_CFG_DMAR_BYTES: usize = 1 << 20;

/// Runs the kernel proper.
pub fn run(facts: &'static mut BootFacts) -> ! {
    irq::exceptions::set_stop_hook(stop::exception);
    irq::panic::set_panic_hook(|info| stop::panic(info));
    enforcement::set_stop_hook(stop::protection_lost);
    faults::set_stop_hook(stop::violation);
    dma::verifier::set_stop_hook(stop::misuse);
    let mut fw_cfg = FwCfg::detect();
    let cmdline: &'static [u8] = read_cmdline(fw_cfg.as_mut()).leak();
    let mut complaints = Vec::new();
    let screen = facts.framebuffer.take();
    let options_file = (!facts.options_file.is_empty()).then_some(facts.options_file.as_slice());
    let fw_cfg_options = (!cmdline.is_empty()).then_some(cmdline);
    let options = Options::parse(options_file, fw_cfg_options, &mut |complaint| complaints.push(complaint));
    log::set_max_level(level(options.loglevel));
    open_channels(&options, screen);

    let tables = find_tables(facts);
    clock::correct_by(tables.as_ref().and_then(|tables| tables.fixed.timer));
    let table = choose_table(&options, tables.as_ref(), fw_cfg.as_mut());
    let described = table.describe();
    let_interrupts_in(tables.as_ref(), described.as_ref());
    report_boot(facts, cmdline, tables.as_ref(), &table);
    complaints.iter().for_each(complain);

    devices::take_messages(options.storm);
    dma::verifier::set(options.verifier);
    let topology = protect(tables.as_ref(), &table, described.as_ref(), &options);
    if let Some(tables) = &tables {
        power::init(tables.fixed.power);
    }
    firmware::note_discovered(&table, topology);
    after_protection(&options)
}

fn find_tables(facts: &BootFacts) -> Option<AcpiTables> {
    let Some(rsdp) = facts.rsdp else {
        log::error!("the firmware names no ACPI tables");
        return None;
    };
    acpi::read(rsdp).inspect_err(|error| log::error!("ACPI tables cannot be read: {error}")).ok()
}

/// Silences what firmware left armed, and lets interrupts in.
fn let_interrupts_in(tables: Option<&AcpiTables>, described: Option<&Description<'_>>) {
    let mut claims = Claims::default();
    claims.add_configuration(tables.map_or(&[][..], |tables| &tables.ecam));
    let messages = INTERRUPT_RANGE.end - INTERRUPT_RANGE.start;
    claims.add(AddressRange::with_length(PhysAddr::new(INTERRUPT_RANGE.start), messages), Owner::Chipset);
    for (index, unit) in described.iter().flat_map(|described| &described.units).enumerate() {
        claims.add(AddressRange::with_length(unit.base, unit.window_bytes), Owner::Unit { index });
    }
    let interrupts = tables.map(|tables| tables.interrupts.clone()).unwrap_or_default();
    if interrupts.damaged {
        protection::give_up(Shortfall::InterruptTablesDamaged);
    }
    for irq::Unsilenced { at } in irq::silence(&interrupts, &claims) {
        protection::give_up(Shortfall::InterruptSource { at });
    }
    irq::let_in();
}

/// Chooses the mode of the local APIC, before any unit or device is told where to send its interrupts.
fn settle_apic_mode(tables: Option<&AcpiTables>, platform: Platform, units: &[iommu::Found]) {
    let wish = if platform.opts_out_of_x2apic { Wish::OptOut } else { Wish::None };
    let names_all = |unit: &iommu::Found| {
        unit.as_ref().is_ok_and(|unit| unit.extended_capabilities().extended_interrupt_mode())
    };
    let routing = match platform.remaps_interrupts && !units.is_empty() {
        true if units.iter().all(names_all) => Routing::Remapped,
        true => Routing::XApicAlone,
        false => Routing::Unremapped,
    };
    irq::apic::settle(wish, routing);
    if let Some(tables) = tables {
        irq::processors::note(&tables.interrupts);
    }
}

/// Takes the machine's devices and units in hand, up to the event `protected`.
fn protect(
    tables: Option<&AcpiTables>,
    table: &FirmwareTable,
    described: Option<&Description<'static>>,
    options: &Options<'_>,
) -> Topology {
    let ecam = tables.map_or(&[][..], |tables| &tables.ecam);
    let mut topology = bus::enumerate(ecam);
    topology.enable_acs(bus::config());
    faults::note_table(table.bytes);
    let plan = described.map(|described| Plan::new(described, &topology, cpu::physical_address_bits()));
    let claims = devices::check_windows(&mut topology, plan.as_ref(), tables);
    let of_regions =
        plan.as_ref().map(|plan| regions::set_aside(plan, &topology, claims, tables)).unwrap_or_default();
    devices::enumerate(&topology, plan.as_ref(), options);
    if let Err(error) = faults::start(options.policy, options.storm) {
        log::error!("faults cannot be counted: {error:?}");
    }

    let found = plan.as_ref().map(iommu::find);
    if let (Some(plan), Some(found)) = (&plan, &found) {
        firmware::evidence::report(plan, found);
        findings::judge(table, plan, &of_regions, found);
    }
    let window = match (&plan, &found) {
        (Some(plan), Some(found)) => verdict::measure_window(plan, found),
        _ => ::verdict::Window::default(),
    };
    still_everything(&topology);
    let platform = plan.as_ref().map(|plan| plan.platform).unwrap_or_default();
    settle_apic_mode(tables, platform, found.as_deref().unwrap_or_default());
    if let (Some(plan), Some(found)) = (&plan, found) {
        iommu::take(plan, found, options.interrupts, findings::of_unit);
        // What the units had to say before their interrupt was let through raises none.
        faults::poll();
    }
    devices::all().iter().for_each(DeviceRecord::report);
    devices::give_firmware_regions();
    let ivrs = tables.and_then(|tables| tables.ivrs.as_deref());
    let standing = announce_protection(table);
    verdict::note(table, ivrs, plan.as_ref(), window, &topology, options);
    standing.tell();
    findings::report();
    enforcement::watch();
    topology
}

/// Reports which devices firmware left mastering the bus, and takes it from all of them: from bridges too, which are
/// opened with what is claimed below them, and from virtual functions.
fn still_everything(topology: &Topology) {
    let masters = topology.functions().iter().filter(|function| function.bus_master_at_boot);
    let masters: Vec<_> = masters.map(|function| Function(function.bdf)).collect();
    journal::emit(&Event::Window(Window {
        t: clock::now_ns(),
        bus_masters: Some(masters.as_slice().into()),
        ..Window::default()
    }));
    for record in devices::all().iter().filter(|record| record.role == Role::Endpoint) {
        if bus::set_bus_master(record.bdf, BusMaster::Off) == BusMaster::On {
            protection::give_up(Shortfall::BusMasterStuck { device: record.bdf });
        }
    }
    bus::close_bridges();
    topology.functions().iter().for_each(warn_of_virtual_functions);
    bus::stop_virtual_functions();
}

/// Names the virtual functions that firmware left on: nothing else lists them.
fn warn_of_virtual_functions(physical: &pci::Function) {
    let Some(capability) = physical.sr_iov.filter(|capability| capability.at_boot == VirtualFunctions::On)
    else {
        return;
    };
    let mut ids = capability.ids(physical.bdf.source);
    if let Some(first) = ids.next() {
        log::warn!(
            "firmware left {} virtual functions of {} on, {first} to {}; they are switched off",
            capability.count,
            physical.bdf,
            ids.last().unwrap_or(first)
        );
    }
}

/// What was announced of the machine's protection.
struct Standing {
    enforcing: usize,
    complete: bool,
    bypassing: Vec<&'static DeviceRecord>,
}

fn announce_protection(table: &FirmwareTable) -> Standing {
    enforcement::demand();
    let units = iommu::units();
    let enforcing = units.iter().filter(|unit| unit.is_enforcing()).count();
    let bypassing: Vec<&'static DeviceRecord> =
        devices::all().iter().filter(|record| record.state() == DeviceState::BypassesIommu).collect();
    give_up_the_uncovered(table, &bypassing);
    let complete = protection::announce();
    let t = clock::now_ns();
    bench::note_protected(t);
    journal::emit(&Event::Protected(Protected {
        t,
        units: enforcing as u32,
        complete,
        interrupts: iommu::interrupts::of_machine(),
    }));
    Standing { enforcing, complete, bypassing }
}

impl Standing {
    /// Tells people.
    fn tell(&self) {
        if iommu::units().is_empty() {
            return log::error!("{}; until it has one, no device gets bus mastering", Shortfall::NoUnit);
        }
        if self.complete {
            let enforcing = self.enforcing;
            return log::info!("protected: every unit enforces ({enforcing}), every device is covered");
        }
        log::error!("protection is not complete; what is not covered stays without bus mastering");
        self.bypassing.iter().for_each(|record| match record.unit {
            None => log::error!("{record} bypasses the IOMMU: no unit covers it"),
            Some(_) => log::error!("{record} bypasses the IOMMU: it does not offer to pass through it"),
        });
    }
}

/// Gives up what no unit keeps in bounds.
fn give_up_the_uncovered(table: &FirmwareTable, bypassing: &[&DeviceRecord]) {
    let units = iommu::units();
    if units.is_empty() {
        protection::give_up(Shortfall::NoUnit);
    }
    for unit in units.iter().filter(|unit| !unit.is_enforcing()) {
        protection::give_up(Shortfall::UnitFailed { unit: unit.index });
    }
    for record in bypassing {
        protection::give_up(Shortfall::Bypass { device: record.bdf });
    }
    if table.soundness == Soundness::Damaged {
        protection::give_up(Shortfall::TableDamaged);
    }
}

/// Goes on once the machine is protected: drivers, drill, then script or prompt.
fn after_protection(options: &Options<'_>) -> ! {
    console::disks::allow_writing(options.disk_write);
    irq::processors::report();
    devices::presence::watch();
    devices::start_drivers();
    if options.drill == Switch::On {
        attack::drill_at_boot();
    }
    verdict::tell();
    verdict::show();
    console::page::show();
    cancel::listen(console::input::look_for_cancel);
    match options.script {
        Some(script) => {
            console::script::run(script);
            console::commands::power_off()
        }
        None => console::prompt::run(),
    }
}

fn read_cmdline(fw_cfg: Option<&mut FwCfg>) -> Vec<u8> {
    read_file(fw_cfg, fw_cfg::CMDLINE, OPTIONS_BYTES)
}

fn read_file(fw_cfg: Option<&mut FwCfg>, name: &str, limit: usize) -> Vec<u8> {
    let Some(fw_cfg) = fw_cfg else { return Vec::new() };
    let mut buffer = vec![0; limit];
    let length = fw_cfg.read(name, &mut buffer).map_or(0, |file| file.bytes.len());
    buffer.truncate(length);
    buffer
}

/// Opens report and screen as the options say.
fn open_channels(options: &Options<'_>, screen: Option<FrameBuffer>) {
    match options.report {
        ReportTarget::Off => {}
        ReportTarget::Com2 => serial::set_report_port(Port::com2),
        ReportTarget::DebugCon => serial::set_report_port(Port::debugcon),
    }
    if let Some(screen) = screen {
        framebuffer::init(screen);
    }
    output::init(&format_args!("ivt {}", env!("CARGO_PKG_VERSION")));
    serial::set_log_mirror(output::note_log);
}

const fn level(level: LogLevel) -> log::LevelFilter {
    match level {
        LogLevel::Error => log::LevelFilter::Error,
        LogLevel::Warn => log::LevelFilter::Warn,
        LogLevel::Info => log::LevelFilter::Info,
        LogLevel::Debug => log::LevelFilter::Debug,
    }
}

/// The table about the IOMMU: the one that an option names, else one of firmware's.
fn choose_table(
    options: &Options<'_>,
    tables: Option<&AcpiTables>,
    fw_cfg: Option<&mut FwCfg>,
) -> FirmwareTable {
    match options.dmar {
        DmarOption::FwCfg => FirmwareTable::given(read_file(fw_cfg, fw_cfg::DMAR, FW_CFG_DMAR_BYTES)),
        DmarOption::Firmware => FirmwareTable::of_firmware(tables.map_or(&[][..], |tables| &tables.dmar)),
    }
}

fn report_boot(facts: &BootFacts, cmdline: &[u8], tables: Option<&AcpiTables>, table: &FirmwareTable) {
    let given = if cmdline.is_empty() { &facts.options_file } else { cmdline };
    let firmware = Text::<8>::of(&facts.firmware);
    journal::emit(&Event::Boot(Boot {
        t: clock::now_ns(),
        schema: Some(report::SCHEMA),
        machine: machine_names(),
        version: env!("CARGO_PKG_VERSION").into(),
        firmware: firmware.as_str().into(),
        cpus: u32::try_from(tables.map_or(1, |tables| tables.interrupts.processors.len().max(1)))
            .unwrap_or(u32::MAX),
        memory_mib: map::total_bytes().div_ceil(1 << 20),
        cmdline: String::from_utf8_lossy(given).into_owned().into(),
        dmar_source: table.source,
    }));
}

/// What the machine calls itself, as the report has it.
fn machine_names() -> report::Machine<'static> {
    let names = machine::names();
    report::Machine {
        maker: names.maker.map(Into::into),
        product: names.product.map(Into::into),
        board: names.board.map(Into::into),
        firmware_vendor: names.firmware_vendor.map(Into::into),
        firmware_version: names.firmware_version.map(Into::into),
        firmware_date: names.firmware_date.map(Into::into),
    }
}

/// Reports an option that could not be taken as it was given.
fn complain(complaint: &Complaint<'_>) {
    log::warn!("{complaint}");
    let outcome = match complaint.severity() {
        Severity::Warning => return,
        Severity::Skip => Outcome::Skip,
        Severity::Fail => Outcome::Fail,
    };
    let detail = complaint.to_string();
    let name = match complaint.key() {
        Some(key) => alloc::format!("option {key}"),
        None => "options".into(),
    };
    journal::check(&name, outcome, Some(&detail));
}
