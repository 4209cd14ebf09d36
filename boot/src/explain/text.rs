//! Faults for people: grouped by device, counted, explained once for each kind.

use std::collections::HashMap;
use std::io::{self, Write};

use super::device::DeviceName;
use super::fault::{Code, Fault, Reading};
use super::ledger::{Entry, Ledger};
use super::words::{self, Explanation};
use crate::colour::{Colours, Tone};

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
    kinds: Vec<Kind<'l>>,
}

/// Faults that differ in nothing but the address.
struct Kind<'l> {
    count: u64,
    entries: Vec<&'l Entry>,
}

/// Writes all there is to say of a text.
pub(super) fn write(output: &mut dyn Write, ledger: &Ledger, colours: Colours) -> io::Result<()> {
    let groups = groups(ledger);
    let devices = groups.iter().filter(|group| group.device.is_some()).count();
    let total = Count(ledger.total(), "fault");
    let of = if devices > 0 { format!(" of {}", Count(devices as u64, "device")) } else { String::new() };
    writeln!(output, "{}", colours.paint(Tone::Strong, format!("{total}{of}")))?;
    if ledger.left_out() > 0 {
        let messages = Count(ledger.left_out(), "further message");
        writeln!(output, "and more: the log says that it left out {messages}")?;
    }
    if let Some(storm) = storm(&groups, ledger.total()) {
        writeln!(output, "{}", colours.paint(Tone::Bad, storm))?;
    }
    for group in groups.iter().take(DEVICES_SHOWN) {
        write_group(output, group, colours)?;
    }
    if let Some(rest) = groups.get(DEVICES_SHOWN..).filter(|rest| !rest.is_empty()) {
        let faults = rest.iter().map(|group| group.count).sum();
        let devices = Count(rest.len() as u64, "further device");
        writeln!(output, "\n{} of {devices}; --json lists them", Count(faults, "fault"))?;
    }
    Ok(())
}

/// The faults by device, those with most first.
fn groups(ledger: &Ledger) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<Option<DeviceName>, usize> = HashMap::new();
    let mut kinds: HashMap<Fault, usize> = HashMap::new();
    for entry in ledger.entries() {
        let device = entry.fault.device();
        let place = *places.entry(device).or_insert_with(|| {
            groups.push(Group { device, count: 0, kinds: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[place];
        group.count += entry.count;
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
    let worst = groups.iter().find(|group| group.device.is_some())?;
    let device = worst.device?;
    (worst.count >= STORM).then(|| {
        let share = worst.count.saturating_mul(100) / total;
        format!(
            "storm: {share} % of them are of {device}, which repeats what it does; look at its first fault"
        )
    })
}

fn write_group(output: &mut dyn Write, group: &Group<'_>, colours: Colours) -> io::Result<()> {
    let name = match group.device {
        Some(device) => match words::usual_role(device).filter(|_| !is_amd(group)) {
            Some(role) => format!("{device} (on Intel machines usually {role})"),
            None => device.to_string(),
        },
        None => "without a device".into(),
    };
    writeln!(output, "\n{}: {}", colours.paint(Tone::Strong, name), Count(group.count, "fault"))?;
    for kind in group.kinds.iter().take(KINDS_SHOWN) {
        write_kind(output, kind, colours)?;
    }
    if let Some(rest) = group.kinds.get(KINDS_SHOWN..).filter(|rest| !rest.is_empty()) {
        let faults = rest.iter().map(|kind| kind.count).sum();
        writeln!(output, "  and {} of {}", Count(faults, "fault"), Count(rest.len() as u64, "further kind"))?;
    }
    Ok(())
}

fn is_amd(group: &Group<'_>) -> bool {
    group.kinds.iter().flat_map(|kind| &kind.entries).any(|entry| matches!(entry.fault, Fault::Event(_)))
}

fn write_kind(output: &mut dyn Write, kind: &Kind<'_>, colours: Colours) -> io::Result<()> {
    let Some(first) = kind.entries.first() else { return Ok(()) };
    let Explanation { meaning, causes, next } = words::explain(&first.fault);
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
    Some(match all.len() - shown.len() {
        0 => format!("at {list}"),
        more => format!("at {list} and {more} more, all from {lowest:#x} to {highest:#x}"),
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
