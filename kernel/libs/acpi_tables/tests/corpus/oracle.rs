//! The corpus of real tables beside the repository, and the independent decoder that comes with it.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use serde_json::Value;

/// Reads tables in hex from standard input, a line each, and prints the decode of each as a line of JSON.
const DRIVER: &str = "
import json, sys
sys.path.insert(0, sys.argv[1])
import oracle
for line in sys.stdin:
    print(json.dumps(oracle.decode(bytes.fromhex(line))[0]))
";

/// A real table.
pub struct RealTable {
    /// The first digits of its hash, by which the corpus names it.
    pub name: String,
    /// `real`, `modified`, `virtual`, `synthetic` or `real-corrupt-dump`.
    pub class: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The corpus, or `None` after a line on standard error that says why not.
///
/// The line is written past the test harness, which would keep it back as the test passes.
pub fn corpus() -> Option<&'static [RealTable]> {
    static CORPUS: OnceLock<Option<Vec<RealTable>>> = OnceLock::new();
    CORPUS
        .get_or_init(|| {
            let found = if python_works() { load(&folder()) } else { Err("python3 does not start".into()) };
            found
                .inspect_err(|reason| {
                    writeln!(io::stderr(), "SKIP acpi_tables corpus: {reason}").expect("standard error");
                })
                .ok()
        })
        .as_deref()
}

/// Decodes tables with the independent decoder; `None` for what is no table. Call it only with a corpus.
pub fn decode(tables: &[Vec<u8>]) -> Vec<Option<Value>> {
    let mut python = Command::new("python3")
        .args(["-B", "-c", DRIVER])
        .arg(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = python.stdin.take().expect("piped");
    let output = BufReader::new(python.stdout.take().expect("piped"));
    let decoded: Vec<_> = thread::scope(|scope| {
        scope.spawn(move || {
            for table in tables {
                let hex: String = table.iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(input, "{hex}").expect("the decoder reads on");
            }
        });
        output
            .lines()
            .map(|line| serde_json::from_str(&line.expect("text")).expect("JSON"))
            .map(|value: Value| (!value.is_null()).then_some(value))
            .collect()
    });
    assert!(python.wait().expect("python3 ends").success());
    assert_eq!(decoded.len(), tables.len());
    decoded
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpus")
}

fn python_works() -> bool {
    let version =
        Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn load(folder: &Path) -> Result<Vec<RealTable>, Box<dyn Error>> {
    let tables = folder.join("dmar");
    let index_path = tables.join("index.tsv");
    let index = fs::read_to_string(&index_path)
        .map_err(|error| format!("no corpus at {}: {error}", index_path.display()))?;
    let mut lines = index.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let columns = lines.next().ok_or("the index is empty")?;
    let column = |name: &str| columns.iter().position(|column| *column == name).ok_or("a column is missing");
    let (hash, class) = (column("sha256")?, column("class")?);
    lines
        .map(|row| {
            let name = row.get(hash).and_then(|hash| hash.get(..12)).ok_or("a row without a hash")?;
            let bytes = fs::read(tables.join(name).with_extension("bin"))?;
            Ok(RealTable {
                name: name.into(),
                class: row.get(class).copied().unwrap_or_default().into(),
                bytes,
            })
        })
        .collect()
}
