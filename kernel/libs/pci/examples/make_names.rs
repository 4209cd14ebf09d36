//! Makes `data/names.bin` from the PCI ID list and this project's additions.
//!
//! `cargo run -p pci --example make_names -- /usr/share/misc/pci.ids data/additions.ids data/names.bin`
//!
//! All inputs have the list's own format; of an id that stands in several, the last one counts. Subsystems are left
//! out. The format of the output is described in the module `names`.

use miniz_oxide::deflate::compress_to_vec;
use pci::names::{BLOCK_LEN, class_key, device_key, vendor_key};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::{env, fmt, fs};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make_names: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((output, inputs)) = arguments.split_last().filter(|(_, inputs)| !inputs.is_empty()) else {
        return Err("expected the lists to read, then the file to write".into());
    };
    let mut lists = Lists::default();
    for input in inputs {
        lists.read(&fs::read_to_string(input)?).map_err(|error| format!("{input}: {error}"))?;
    }
    let table = lists.encode()?;
    fs::write(output, &table)?;
    let (devices, classes) = (lists.devices.len(), lists.classes.len());
    println!("{devices} vendors and devices, {classes} classes: {} bytes", table.len());
    Ok(())
}

/// A line that the list's format does not allow.
#[derive(Debug)]
struct BadLine(usize);

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is neither a comment nor an id with a name", self.0)
    }
}

impl Error for BadLine {}

/// Names by their keys.
#[derive(Default)]
struct Lists {
    devices: BTreeMap<u64, String>,
    classes: BTreeMap<u64, String>,
}

/// What the indented lines belong to.
enum Section {
    Vendor(u16),
    Class { base: u8, sub: u8 },
    Other,
}

impl Lists {
    fn read(&mut self, text: &str) -> Result<(), BadLine> {
        let mut section = Section::Other;
        for (index, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                self.read_line(line, &mut section).ok_or(BadLine(index + 1))?;
            }
        }
        Ok(())
    }

    fn read_line(&mut self, line: &str, section: &mut Section) -> Option<()> {
        let depth = line.bytes().take_while(|&byte| byte == b'\t').count();
        let line = &line[depth..];
        match (depth, &mut *section) {
            (0, _) if line.starts_with("C ") => {
                let (base, name) = byte(&line[2..])?;
                *section = Section::Class { base, sub: 0 };
                self.classes.insert(class_key(&[base]), name);
            }
            (0, _) => {
                let (vendor, name) = id(line, 4)?;
                *section = Section::Vendor(vendor);
                self.devices.insert(vendor_key(vendor), name);
            }
            (1, Section::Vendor(vendor)) => {
                let (device, name) = id(line, 4)?;
                self.devices.insert(device_key(*vendor, device), name);
            }
            (2, Section::Vendor(_)) => {}
            (1, Section::Class { base, sub }) => {
                let (number, name) = byte(line)?;
                *sub = number;
                self.classes.insert(class_key(&[*base, number]), name);
            }
            (2, Section::Class { base, sub }) => {
                let (interface, name) = byte(line)?;
                self.classes.insert(class_key(&[*base, *sub, interface]), name);
            }
            _ => return None,
        }
        Some(())
    }

    fn encode(&self) -> Result<Vec<u8>, Box<dyn Error>> {
        let classes = entries(0, &self.classes);
        let blocks = self.blocks();
        let mut table = Vec::new();
        table.extend(u32::try_from(blocks.len())?.to_le_bytes());
        table.extend(u32::try_from(classes.len())?.to_le_bytes());
        let mut compressed = Vec::new();
        for block in &blocks {
            compressed.extend(compress_to_vec(&block.bytes, 10));
            table.extend(block.first_key.to_le_bytes());
            table.extend(u32::try_from(compressed.len())?.to_le_bytes());
        }
        table.extend(classes);
        table.extend(compressed);
        Ok(table)
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        for (&key, name) in &self.devices {
            // Nine bytes of distance and one of length at most.
            let fits = |block: &&mut Block| block.bytes.len() + name.len() + 10 <= BLOCK_LEN;
            match blocks.last_mut().filter(fits) {
                Some(block) => {
                    push_entry(&mut block.bytes, key - block.last_key, name);
                    block.last_key = key;
                }
                None => {
                    let mut block = Block { first_key: key, last_key: key, bytes: Vec::new() };
                    push_name(&mut block.bytes, &self.devices[&(key & !0x1_ffff)]);
                    push_entry(&mut block.bytes, 0, name);
                    blocks.push(block);
                }
            }
        }
        blocks
    }
}

/// A run of entries of vendors and devices, not yet compressed.
struct Block {
    first_key: u64,
    last_key: u64,
    bytes: Vec<u8>,
}

/// Encodes a whole list.
fn entries(mut last_key: u64, list: &BTreeMap<u64, String>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (&key, name) in list {
        push_entry(&mut bytes, key - last_key, name);
        last_key = key;
    }
    bytes
}

fn push_entry(bytes: &mut Vec<u8>, mut distance: u64, name: &str) {
    while distance >= 0x80 {
        bytes.push(distance.to_le_bytes()[0] | 0x80);
        distance >>= 7;
    }
    bytes.push(distance.to_le_bytes()[0]);
    push_name(bytes, name);
}

fn push_name(bytes: &mut Vec<u8>, name: &str) {
    bytes.extend(u8::try_from(name.len()));
    bytes.extend(name.bytes());
}

/// Splits a line into two hex digits and a name.
fn byte(line: &str) -> Option<(u8, String)> {
    let (number, name) = id(line, 2)?;
    Some((u8::try_from(number).ok()?, name))
}

/// Splits a line into an id of so many hex digits and a name that a length byte can count.
fn id(line: &str, digits: usize) -> Option<(u16, String)> {
    let (number, name) = line.split_at_checked(digits)?;
    let name = name.strip_prefix("  ")?.trim();
    let fits = !name.is_empty() && name.len() <= usize::from(u8::MAX);
    fits.then_some((u16::from_str_radix(number, 16).ok()?, name.to_owned()))
}
