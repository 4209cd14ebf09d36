//! The decision which windows exist, made once.
//!
//! A bus is looked at before the buses below it, since a window must lie within what the bridges above pass down.
//!
//! Not every window that does not fit is a lie. An address of zero was never given. A function that does not answer
//! memory accesses may hold what was left there: it has no window then, and is not refused. Port windows and expansion
//! ROMs are not looked at, since nothing here ever uses one.

use alloc::vec::Vec;

use dma_types::Bdf;

use super::claims::Claims;
use super::range::AddressRange;
use super::{Window, forwarded, vectors};
use crate::bar::{self, Bar, Bars};
use crate::config::ConfigSpace;
use crate::function::Function;
use crate::refusal::Refusal;
use crate::topology::Topology;

impl Topology {
    /// Decides which register windows exist, and refuses the functions that lie about theirs.
    ///
    /// To be called once, after enumeration and before anybody uses a window; `claims` is what is no device's. Sizes
    /// the registers: a function decodes nothing meanwhile, so nobody may use one. Functions that were refused before
    /// are not asked. Neither are host and ISA bridges, through which the processor reaches memory and legacy devices:
    /// they must not stop decoding, and no driver is for them.
    pub fn check_windows(&mut self, config: &impl ConfigSpace, claims: &Claims) {
        let asked = self.functions().iter().map(|function| Asked::of(config, function)).collect();
        let mut gate = Gate { functions: self.functions_mut(), asked, claims };
        gate.check_each();
        gate.check_buses();
        gate.conclude();
    }

    /// Notes that a function is not believed, and takes its windows back. The first reason counts.
    pub fn refuse(&mut self, bdf: Bdf, reason: Refusal) {
        if let Some(index) = self.index_of(bdf)
            && let Some(function) = self.functions_mut().get_mut(index)
        {
            function.refused.get_or_insert(reason);
            function.windows.revoke();
        }
    }

    /// The addresses that bridges above a function turn to its neighbours, so that a request for one never reaches an
    /// IOMMU: what the outermost bridge passes down, as far as that is believed.
    pub fn turned<'a>(&'a self, function: &'a Function) -> impl Iterator<Item = AddressRange> {
        let outermost = self.ancestors(function).last();
        outermost.into_iter().flat_map(|bridge| bridge.windows.forwarded())
    }

    /// Every range that a function's registers take, with the function: what is believed, what a bridge passes down,
    /// and what is disputed between a function and the firmware's reserved regions.
    pub fn register_ranges(&self) -> impl Iterator<Item = (Bdf, AddressRange)> {
        self.functions().iter().flat_map(|function| {
            let windows = &function.windows;
            let own = windows.all().map(Window::range).chain(windows.over_regions());
            own.chain(windows.forwarded()).map(|range| (function.bdf, range))
        })
    }
}

/// What a function answered; it is not asked again.
pub(super) struct Asked {
    pub(super) bars: Bars,
    pub(super) forwarded: [Option<AddressRange>; 2],
}

impl Asked {
    /// Asks a function; `None` if it is not to be asked.
    fn of(config: &impl ConfigSpace, function: &Function) -> Option<Self> {
        if function.refused.is_some() || function.class.is_host_or_isa_bridge() {
            return None;
        }
        let forwarded = forwarded::read(config, function);
        Some(Self { bars: bar::read(config, function.bdf, function.header), forwarded })
    }
}

/// The decision while it is made.
pub(super) struct Gate<'a> {
    pub(super) functions: &'a mut [Function],
    /// Beside each function.
    pub(super) asked: Vec<Option<Asked>>,
    pub(super) claims: &'a Claims,
}

impl Gate<'_> {
    /// Refuses the functions whose registers contradict themselves.
    fn check_each(&mut self) {
        for (function, asked) in self.functions.iter_mut().zip(&self.asked) {
            let Some(asked) = asked else { continue };
            function.windows.registers = Some(asked.bars.registers);
            let misshapen =
                (0..).zip(&asked.bars.bars).find_map(|(register, bar)| shape(register, bar).err());
            let vectors = || function.msix.and_then(|msix| vectors::check(&msix, &asked.bars.bars).err());
            function.refused = misshapen.or_else(vectors);
        }
    }

    /// Looks at every bus, those above first.
    fn check_buses(&mut self) {
        let mut by_parent: Vec<_> =
            self.functions.iter().enumerate().map(|(index, function)| (function.parent, index)).collect();
        by_parent.sort_unstable();
        let mut pending = Vec::from([None]);
        while let Some(parent) = pending.pop() {
            let start = by_parent.partition_point(|(bridge, _)| *bridge < parent);
            let here = by_parent.iter().skip(start).take_while(|(bridge, _)| *bridge == parent);
            let here: Vec<usize> = here.map(|(_, index)| *index).collect();
            self.check_bus(parent, &here);
            let functions = here.iter().filter_map(|index| self.functions.get(*index));
            pending.extend(functions.filter(|function| function.is_bridge()).map(|bridge| Some(bridge.bdf)));
        }
    }

    /// Finds the message tables, and takes back what functions have that were refused meanwhile.
    fn conclude(&mut self) {
        for function in self.functions.iter_mut() {
            match function.refused {
                Some(_) => function.windows.revoke(),
                None => {
                    let table = function.msix.and_then(|msix| vectors::place(&msix, &function.windows));
                    function.windows.vectors = table;
                }
            }
        }
    }
}

/// Whether a register can be one.
fn shape(register: u8, bar: &Bar) -> Result<(), Refusal> {
    match *bar {
        Bar::Contradictory { mask } => Err(Refusal::Mask { register, mask }),
        Bar::Memory { address, size, .. } if Window::of_shape(address, size).is_none() => {
            Err(Refusal::Alignment { register, start: address, bytes: size })
        }
        Bar::Absent | Bar::Memory { .. } | Bar::Io { .. } => Ok(()),
    }
}
