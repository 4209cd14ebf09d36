//! What can be written behind the commands that need no kernel.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The commands that need no kernel.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what a machine's ACPI tables (DMAR, IVRS) mean for its DMA protection
    #[command(after_help = AUDIT_HELP)]
    Audit(AuditArguments),
    /// Explain a DMA fault message or Windows bug check 0xE6
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArguments),
    /// Take the report that a kernel sends over the network with `report udp`
    #[command(after_help = LISTEN_HELP)]
    Listen(ListenArguments),
    /// Print a report without what tells whose machine it is, ready to be pasted
    Submit(SubmitArguments),
    /// Judge a report of ivt: is the machine protected, and did all checks hold
    #[command(after_help = JUDGE_HELP)]
    Judge(JudgeArguments),
    /// Show what differs between two reports, or between two tables
    #[command(after_help = DIFF_HELP)]
    Diff(DiffArguments),
}

const AUDIT_HELP: &str = "\
Takes binary tables, acpidump text, iasl .dsl files with raw data, and hex dumps. In a folder, files without a
DMAR or IVRS table are passed over.

Verdicts: protected (notes at most), gaps (a warning), broken (an error, or unreadable).
Exit status: 0 no error in any table; 1 an error (with --fail-on warning: or a warning); 2 something is unreadable as
a table.

Examples:
  sudo ivt audit /sys/firmware/acpi/tables/DMAR
  sudo acpidump | ivt audit -
  ivt audit --json dumps/ DMAR.dsl";

/// Options of `audit`.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// Files or folders; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Write a JSON object a line, one line a table
    #[arg(long)]
    pub(super) json: bool,
    /// The least that makes the exit status 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t)]
    pub(super) fail_on: FailOn,
}

/// What makes `audit` fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// A table that cannot be relied on
    #[default]
    Error,
    /// That, or a gap in what it describes
    Warning,
}

const EXPLAIN_HELP: &str = "\
Takes single lines, wrapped text and whole logs: DMAR and INTR-REMAP lines of Linux and Xen, AMD-Vi events,
VT-d fault records in hex, Windows bug check 0xE6 in any spelling, the stop line of this kernel and the text of
its QR code, UEFI error records (CPER) as hex dumps. The texts of the QR codes that `report qr` shows, in any order,
are put together to the report: its verdict is shown, and its faults are explained.

Exit status: 0 explained; 1 no fault in the text.

Examples:
  ivt explain 'DMAR: [DMA Read] Request device [00:02.0] fault addr 5a3f1000 [fault reason 06]'
  ivt explain '0xE6 (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)'
  journalctl -k | ivt explain
  ivt explain --json dmesg.txt";

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The message, or files that hold it [default: standard input, as -]
    #[arg(value_name = "TEXT")]
    pub(super) text: Vec<OsString>,
    /// Write a JSON object a line, one line a fault; repeats are counted
    #[arg(long)]
    pub(super) json: bool,
    /// Where to write the report whose pages the text holds, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
}

const LISTEN_HELP: &str = "\
Needs no address on the other machine, whose frames do not leave its cable. Ends with the first report that came whole.

Exit status: 0 a report came; 1 none came whole in time.

Examples:
  ivt listen > report.jsonl
  ivt listen --out report.jsonl --timeout 60";

/// Options of `listen`.
#[derive(Debug, Args)]
pub struct ListenArguments {
    /// The UDP port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = pages::PORT)]
    pub(super) port: u16,
    /// Where to write the report, as JSON lines [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// How long to wait [default: for ever]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) timeout: Option<u32>,
}

/// Options of `submit`.
#[derive(Debug, Args)]
pub struct SubmitArguments {
    /// The report, as JSON lines
    #[arg(value_name = "REPORT")]
    pub(super) file: PathBuf,
}

const JUDGE_HELP: &str = "\
Takes what `ivt run --report FILE` writes, or what was captured from the serial port of a PC.

Exit status: 0 PROTECTED, and every check held; 1 anything less; 2 no report; 3 the kernel stopped without being asked
to, or the report breaks off.

Example:
  ivt judge report.jsonl";

/// Options of `judge`.
#[derive(Debug, Args)]
pub struct JudgeArguments {
    /// The report; - is standard input
    #[arg(value_name = "REPORT")]
    pub(super) report: PathBuf,
}

const DIFF_HELP: &str = "\
Times, counts and addresses of the kernel's own are left out. Lines with - are of A alone, with + of B alone.

Exit status: 0 no difference; 1 a difference; 2 one of them is neither a report nor a table, or they are of two kinds.

Examples:
  ivt diff before.jsonl after.jsonl
  ivt diff DMAR.old /sys/firmware/acpi/tables/DMAR";

/// Options of `diff`.
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// A report or a table
    #[arg(value_name = "A")]
    pub(super) before: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    pub(super) after: PathBuf,
}
