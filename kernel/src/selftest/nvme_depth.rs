//! Every depth of an NVMe controller's queue, from one request to as many as it takes.

use report::Outcome;

use super::nvme_reads::Reads;
use super::skip;
use crate::devices::Overreach;
use crate::devices::nvme::{self as driver, Nvme};
use crate::{journal, println};

const NAME: &str = "nvme-depth";

/// Times that each request of a depth is made again.
const ROUNDS: usize = 4;

pub(super) fn run() {
    let Some(nvme) = driver::all().find(|nvme| Overreach::dma(*nvme).is_open()) else {
        return skip(NAME, "no NVMe controller has a driver");
    };
    let (result, detail) = match every_depth(nvme) {
        Ok(reads) => (Outcome::Pass, alloc::format!("depths 1 to {}, {reads} reads", nvme.depth())),
        Err(why) => (Outcome::Fail, why.into()),
    };
    println!("{NAME}: {detail}");
    journal::check(NAME, result, Some(&detail));
}

/// Keeps so many requests under way, for every depth, and gives the number of reads.
fn every_depth(nvme: &Nvme) -> Result<usize, &'static str> {
    let most = usize::from(nvme.depth());
    let mut done = 0;
    for depth in 1..=most {
        let mut reads = Reads::new(nvme, depth)?;
        if depth == most && !reads.is_full()? {
            return Err("one request more than the queue takes was started");
        }
        for _ in 0..ROUNDS {
            reads.go_on()?;
        }
        done += reads.finish()?;
    }
    Ok(done)
}
