//! Faults for people: grouped by device, counted, explained once for each kind.

use std::collections::HashMap;
use std::io::{self, Write};

use super::Findings;
use super::context::Context;
use super::device::DeviceName;
use super::fault::{Code, Fault, Origin, Reading, Request};
use super::ledger::{Entry, Ledger, Sharing};
use super::words::{self, Custom, Explanation};
use printed::{Colours, Tone};

/// How many addresses of a kind of fault are shown.
const ADDRESSES_SHOWN: usize = 6;
/// How many devices are shown; the rest is counted.
const DEVICES_SHOWN: usize = 64;
/// How many kinds of faults of a device are shown; the rest is counted.
const KINDS_SHOWN: usize = 16;
/// Characters of a line.
const WIDTH: usize = 100;
/// So many faults are a storm.
const STORM: u64 = 1000;

/// The faults of a device, or those that name none.
struct Group<'l> {
    device: Option<DeviceName>,
    count: u64,
    /// How many of them are blocked requests.
    blocked: u64,
    kinds: Vec<Kind<'l>>,
}

/// Faults that differ in nothing but the address.
struct Kind<'l> {
    count: u64,
    entries: Vec<&'l Entry>,
}

/// Writes all there is to say of a text.
pub(super) fn write(output: &mut dyn Write, findings: &Findings, colours: Colours) -> io::Result<()> {
    let Findings { ledger, context } = findings;
    let groups = groups(ledger);
    write_headline(output, ledger, &groups, colours)?;
    if ledger.left_out() > 0 {
        let messages = Count(ledger.left_out(), "further message");
        writeln!(output, "and more: the log says that it left out {messages}")?;
    }
    if context.announced > 0 {
        writeln!(
            output,
            "{} made as a test or told by a stop are not listed",
            Count(context.announced, "request")
        )?;
    }
    if let Some(storm) = storm(&groups, ledger.blocked()) {
        writeln!(output, "{}", colours.paint(Tone::Bad, storm))?;
    }
    for group in groups.iter().take(DEVICES_SHOWN) {
        write_group(output, group, context, colours)?;
    }
    if let Some(rest) = groups.get(DEVICES_SHOWN..).filter(|rest| !rest.is_empty()) {
        let faults = rest.iter().map(|group| group.count).sum();
        let devices = Count(rest.len() as u64, "further device");
        writeln!(output, "\n{} of {devices}; --json lists them", Count(faults, "fault"))?;
    }
    Ok(())
}

/// How many faults there are of how many devices, and how many messages about something else.
fn write_headline(
    output: &mut dyn Write,
    ledger: &Ledger,
    groups: &[Group<'_>],
    colours: Colours,
) -> io::Result<()> {
    let is_faulty = |group: &&Group<'_>| group.blocked > 0;
    let devices = groups.iter().filter(|group| group.device.is_some()).filter(is_faulty).count();
    let at_least = if ledger.is_at_least() && ledger.blocked() > 0 { "at least " } else { "" };
    let faults = Count(ledger.blocked(), "fault");
    let of = if devices > 0 { format!(" of {}", Count(devices as u64, "device")) } else { String::new() };
    let notices = Count(ledger.notices(), "message");
    let line = match (ledger.blocked(), ledger.notices()) {
        (0, _) => format!("no blocked request; {notices} about the IOMMU"),
        (_, 0) => format!("{at_least}{faults}{of}"),
        _ => format!("{at_least}{faults}{of}, and {notices} about the IOMMU"),
    };
    writeln!(output, "{}", colours.paint(Tone::Strong, line))
}

impl<'l> Group<'l> {
    fn entries(&self) -> impl Iterator<Item = &&'l Entry> {
        self.kinds.iter().flat_map(|kind| &kind.entries)
    }
}

/// The faults by device, those with most first.
fn groups(ledger: &Ledger) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<Option<DeviceName>, usize> = HashMap::new();
    let mut kinds: HashMap<Fault, usize> = HashMap::new();
    for entry in ledger.entries() {
        let device = entry.fault.device();
        let place = *places.entry(device).or_insert_with(|| {
            groups.push(Group { device, count: 0, blocked: 0, kinds: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[place];
        group.count += entry.count;
        if entry.fault.is_blocked_request() {
            group.blocked += entry.count;
        }
        let kind = *kinds.entry(entry.fault.anywhere()).or_insert_with(|| {
            group.kinds.push(Kind { count: 0, entries: Vec::new() });
            group.kinds.len() - 1
        });
        group.kinds[kind].count += entry.count;
        group.kinds[kind].entries.push(entry);
    }
    groups.iter_mut().for_each(|group| group.kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count)));
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// A line on a flood of faults, if there is one.
fn storm(groups: &[Group<'_>], total: u64) -> Option<String> {
    let worst = groups.iter().filter(|group| group.device.is_some()).max_by_key(|group| group.blocked)?;
    let device = worst.device?;
    (worst.blocked >= STORM).then(|| {
        let share = worst.blocked.saturating_mul(100) / total;
        format!(
            "storm: {share} % of them are of {device}, which repeats what it does; look at its first fault"
        )
    })
}

fn write_group(
    output: &mut dyn Write,
    group: &Group<'_>,
    context: &Context,
    colours: Colours,
) -> io::Result<()> {
    let is_about_unit = group.blocked == 0;
    let name = match group.device {
        Some(device) => match words::known_as(device, context, custom(group)) {
            Some(role) => format!("{device} ({role})"),
            None => device.to_string(),
        },
        None if is_about_unit => "about the IOMMU".into(),
        None if group.entries().any(|entry| entry.sharing == Sharing::Kind) => {
            "without a device, or of devices that are not kept apart".into()
        }
        None => "without a device".into(),
    };
    let count = Count(group.count, if is_about_unit { "message" } else { "fault" });
    writeln!(output, "\n{}: {count}", colours.paint(Tone::Strong, name))?;
    for kind in group.kinds.iter().take(KINDS_SHOWN) {
        write_kind(output, kind, context, colours)?;
    }
    if let Some(rest) = group.kinds.get(KINDS_SHOWN..).filter(|rest| !rest.is_empty()) {
        let faults = rest.iter().map(|kind| kind.count).sum();
        writeln!(output, "  and {} of {}", Count(faults, "fault"), Count(rest.len() as u64, "further kind"))?;
    }
    Ok(())
}

/// Whose customs tell what a device usually is.
fn custom(group: &Group<'_>) -> Custom {
    let is_other = |entry: &&Entry| {
        matches!(entry.fault, Fault::Event(_) | Fault::Request(Request { origin: Origin::Qemu, .. }))
    };
    if group.entries().any(is_other) { Custom::None } else { Custom::Intel }
}

fn write_kind(
    output: &mut dyn Write,
    kind: &Kind<'_>,
    context: &Context,
    colours: Colours,
) -> io::Result<()> {
    let Some(first) = kind.entries.first() else { return Ok(()) };
    let Explanation { meaning, causes, next } = words::explain(first, context);
    writeln!(output, "  {}{}", colours.paint(Tone::Doubtful, heading(&first.fault)), Times(kind.count))?;
    if let Some(addresses) = addresses(&kind.entries) {
        write_wrapped(output, "    ", &addresses)?;
    }
    write_wrapped(output, "    ", &meaning)?;
    writeln!(output, "    Usual causes, the most likely first:")?;
    for (index, cause) in causes.iter().enumerate() {
        write_wrapped(output, &format!("      {}. ", index + 1), cause)?;
    }
    write_wrapped(output, "    Next: ", &next)
}

/// Writes a paragraph behind `first`, its further lines below its first word.
fn write_wrapped(output: &mut dyn Write, first: &str, paragraph: &str) -> io::Result<()> {
    let mut line = first.to_owned();
    for word in paragraph.split(' ') {
        if line.len() + word.len() > WIDTH && line.trim_end().len() > first.trim_end().len() {
            writeln!(output, "{}", line.trim_end())?;
            line = " ".repeat(first.len());
        }
        line += word;
        line.push(' ');
    }
    writeln!(output, "{}", line.trim_end())
}

/// The kind of message, what was asked, and the hardware's code for why.
fn heading(fault: &Fault) -> String {
    let mut parts = Vec::from([fault.kind().to_owned()]);
    parts.extend(fault.op().map(str::to_owned));
    match fault.code() {
        Reading::Value(code @ Code::Reason(_)) => parts.push(format!("reason {code}")),
        Reading::Value(code) => parts.push(code.to_string()),
        Reading::Absent | Reading::Unreadable => {}
    }
    if let Some(parameters) = fault.parameters() {
        let given = parameters.map(|parameter| parameter.map_or("?".into(), |number| format!("{number:#x}")));
        parts.push(format!("({})", given.join(", ")));
    }
    parts.join(", ")
}

/// The addresses of several faults of a kind; `None` where there is but one.
fn addresses(entries: &[&Entry]) -> Option<String> {
    let all: Vec<u64> = entries.iter().filter_map(|entry| entry.fault.place().value()).collect();
    let (lowest, highest) = (all.iter().min()?, all.iter().max()?);
    if all.len() < 2 {
        return None;
    }
    let shown: Vec<_> = all.iter().take(ADDRESSES_SHOWN).map(|address| format!("{address:#x}")).collect();
    let list = shown.join(", ");
    let is_about_command = matches!(entries[0].fault, Fault::Event(event) if event.kind.is_about_command());
    let at = if is_about_command { "commands at" } else { "at" };
    Some(match all.len() - shown.len() {
        0 => format!("{at} {list}"),
        more => format!("{at} {list} and {more} more, all from {lowest:#x} to {highest:#x}"),
    })
}

/// How often, if more than once.
struct Times(u64);

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 1 { Ok(()) } else { write!(f, ", {} times", self.0) }
    }
}

/// A number with its noun.
struct Count(u64, &'static str);

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(number, noun) = self;
        write!(f, "{number} {noun}{}", if *number == 1 { "" } else { "s" })
    }
}
