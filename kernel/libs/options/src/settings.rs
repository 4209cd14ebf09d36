//! The kernel's options and how they are read.

use core::fmt;

use dma_types::Bdf;

use crate::bdf_list::BdfList;
use crate::complaint::{Complaint, Mistake, Source};
use crate::nearest::nearest;
use crate::tokens::{RawValue, Tokens};
use crate::words::{DmarSource, ExternalDevices, Interrupts, LogLevel, Policy, ReportTarget, Storm, Switch};

/// The longest options text that is read.
pub const MAX_SOURCE_BYTES: usize = 4096;

/// What the user asked of the kernel.
///
/// [`Options::default`] is the strictest set: what holds if nothing was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// What happens after a fault nobody announced.
    pub policy: Policy,
    /// How many faults of one requester are too many.
    pub storm: Storm,
    /// Whether drivers' use of the DMA layer is checked call by call.
    pub verifier: Switch,
    /// Console commands to run before the machine is switched off.
    pub script: Option<&'a str>,
    /// How much goes to the log.
    pub loglevel: LogLevel,
    /// Whether a short drill runs at the end of the boot.
    pub drill: Switch,
    /// Where the report goes.
    pub report: ReportTarget,
    /// Devices for which parts of pages may be mapped without a bounce page.
    pub trust: BdfList,
    /// Whether external devices are given a driver.
    pub external: ExternalDevices,
    /// Ports that lead outside the machine, whatever the firmware says.
    pub external_port: BdfList,
    /// The one disk that may be written to.
    pub disk_write: Option<Bdf>,
    /// Where the DMA remapping table comes from.
    pub dmar: DmarSource,
    /// Whether devices' interrupts are remapped.
    pub interrupts: Interrupts,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            policy: Policy::Bugcheck,
            storm: Storm::After(1000),
            verifier: Switch::Off,
            script: None,
            loglevel: LogLevel::Info,
            drill: Switch::On,
            report: ReportTarget::Com2,
            trust: BdfList::EMPTY,
            external: ExternalDevices::Deny,
            external_port: BdfList::EMPTY,
            disk_write: None,
            dmar: DmarSource::Firmware,
            interrupts: Interrupts::Remap,
        }
    }
}

impl<'a> Options<'a> {
    /// Reads the options of both sources; `fw_cfg` wins key by key.
    ///
    /// Each mistake is handed to `complain` once, in the order of the texts and then of [`OptionKey::ALL`], and
    /// costs no more than the option it is in. A value that the other source overrides is not looked at.
    pub fn parse(
        ramdisk: Option<&'a [u8]>,
        fw_cfg: Option<&'a [u8]>,
        complain: &mut dyn FnMut(Complaint<'a>),
    ) -> Self {
        let lower = Given::collect(Source::Ramdisk, ramdisk, complain);
        let upper = Given::collect(Source::FwCfg, fw_cfg, complain);
        let mut options = Self::default();
        for key in OptionKey::ALL {
            let found = [&upper, &lower].into_iter().find_map(|given| Some((given, given.value(key)?)));
            let Some((given, value)) = found else { continue };
            if let Err(mistake) = options.set(key, value) {
                complain(Complaint { source: given.source, mistake });
            }
        }
        options
    }

    /// Sets one option from its text, or leaves it as it is.
    fn set(&mut self, key: OptionKey, value: RawValue<'a>) -> Result<(), Mistake<'a>> {
        match value {
            RawValue::Text(value) => self.set_text(key, value).ok_or(Mistake::BadValue { key, value }),
            RawValue::BehindQuote(value) => Err(Mistake::BadValue { key, value }),
            RawValue::Missing => Err(Mistake::NoValue { key }),
            RawValue::Unterminated(_) => Err(Mistake::Unterminated { key }),
        }
    }

    fn set_text(&mut self, key: OptionKey, text: &'a str) -> Option<()> {
        match key {
            OptionKey::Policy => self.policy = text.parse().ok()?,
            OptionKey::Storm => self.storm = text.parse().ok()?,
            OptionKey::Verifier => self.verifier = text.parse().ok()?,
            OptionKey::Script => self.script = Some(text),
            OptionKey::LogLevel => self.loglevel = text.parse().ok()?,
            OptionKey::Drill => self.drill = text.parse().ok()?,
            OptionKey::Report => self.report = text.parse().ok()?,
            OptionKey::Trust => self.trust = text.parse().ok()?,
            OptionKey::External => self.external = text.parse().ok()?,
            OptionKey::ExternalPort => self.external_port = text.parse().ok()?,
            OptionKey::DiskWrite => self.disk_write = Some(text.parse().ok()?),
            OptionKey::Dmar => self.dmar = text.parse().ok()?,
            OptionKey::Interrupts => self.interrupts = text.parse().ok()?,
        }
        Some(())
    }
}

/// The name of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKey {
    /// `policy`
    Policy,
    /// `storm`
    Storm,
    /// `verifier`
    Verifier,
    /// `script`
    Script,
    /// `loglevel`
    LogLevel,
    /// `drill`
    Drill,
    /// `report`
    Report,
    /// `trust`
    Trust,
    /// `external`
    External,
    /// `external-port`
    ExternalPort,
    /// `disk-write`
    DiskWrite,
    /// `dmar`
    Dmar,
    /// `interrupts`
    Interrupts,
}

impl OptionKey {
    /// Every option.
    pub const ALL: [Self; 13] = [
        Self::Policy,
        Self::Storm,
        Self::Verifier,
        Self::Script,
        Self::LogLevel,
        Self::Drill,
        Self::Report,
        Self::Trust,
        Self::External,
        Self::ExternalPort,
        Self::DiskWrite,
        Self::Dmar,
        Self::Interrupts,
    ];

    /// The name as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Storm => "storm",
            Self::Verifier => "verifier",
            Self::Script => "script",
            Self::LogLevel => "loglevel",
            Self::Drill => "drill",
            Self::Report => "report",
            Self::Trust => "trust",
            Self::External => "external",
            Self::ExternalPort => "external-port",
            Self::DiskWrite => "disk-write",
            Self::Dmar => "dmar",
            Self::Interrupts => "interrupts",
        }
    }

    /// The values it takes, for people.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Policy => Policy::EXPECTED,
            Self::Storm => Storm::EXPECTED,
            Self::Verifier | Self::Drill => Switch::EXPECTED,
            Self::Script => "console commands separated by ;, in double quotes",
            Self::LogLevel => LogLevel::EXPECTED,
            Self::Report => ReportTarget::EXPECTED,
            Self::Trust | Self::ExternalPort => BdfList::EXPECTED,
            Self::External => ExternalDevices::EXPECTED,
            Self::DiskWrite => "a device as [SSSS:]BB:DD.F in hex",
            Self::Dmar => DmarSource::EXPECTED,
            Self::Interrupts => Interrupts::EXPECTED,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

impl fmt::Display for OptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one source gives for each option, not yet understood.
struct Given<'a> {
    source: Source,
    values: [Option<RawValue<'a>>; OptionKey::ALL.len()],
}

impl<'a> Given<'a> {
    fn collect(source: Source, text: Option<&'a [u8]>, complain: &mut dyn FnMut(Complaint<'a>)) -> Self {
        let mut given = Self { source, values: [None; OptionKey::ALL.len()] };
        let mut complain = |mistake| complain(Complaint { source, mistake });
        match as_text(text.unwrap_or_default()) {
            Ok(text) => given.add(text, &mut complain),
            Err(mistake) => complain(mistake),
        }
        given
    }

    fn add(&mut self, text: &'a str, complain: &mut dyn FnMut(Mistake<'a>)) {
        for token in Tokens::new(text) {
            let Some(key) = OptionKey::named(token.key) else {
                let nearest =
                    nearest(token.key, OptionKey::ALL.map(OptionKey::name)).and_then(OptionKey::named);
                complain(Mistake::UnknownOption { key: token.key, nearest });
                continue;
            };
            let slot = self.values.get_mut(key as usize);
            if slot.and_then(|slot| slot.replace(token.value)).is_some() {
                complain(Mistake::Repeated { key });
            }
        }
    }

    fn value(&self, key: OptionKey) -> Option<RawValue<'a>> {
        self.values.get(key as usize).copied().flatten()
    }
}

/// Checks a source as a whole. Editors' byte order mark and padding with zero bytes are no mistakes.
fn as_text(bytes: &[u8]) -> Result<&str, Mistake<'static>> {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let bytes = bytes.get(..end).unwrap_or_default();
    if bytes.len() > MAX_SOURCE_BYTES {
        return Err(Mistake::TooLong { bytes: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|error| Mistake::NotUtf8 { offset: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests;
