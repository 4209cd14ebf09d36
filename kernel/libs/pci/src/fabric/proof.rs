//! Asking the hardware whether a function of a root bus leads to the buses that it claims.
//!
//! Nothing above such a function bounds what it may claim, and what firmware knows of root buses stands in AML. But a
//! bus is reached through the registers of its real bridge only: with those closed, whatever stands below is gone. What
//! still answers stands elsewhere. Linux closes bridges for a moment too while it scans.
//!
//! Asked are only those that gain by a lie: where two claim one bus, or a bus answers to which no bridge leads, and
//! bridges whose ids or domains others would share.

use super::Place;
use super::claim::Claim;
use crate::config::{ConfigSpace, register};
use crate::enumerate::BusFinding;
use crate::function::{BridgeKind, Function, header_type};
use crate::refusal::Refusal;
use crate::requester::replaces_ids;
use alloc::vec::Vec;
use dma_types::Bdf;

/// Functions that are asked; machines have a handful of bridges on root buses.
const MOST_ASKED: usize = 64;

/// What came of asking a function that is no bridge for sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Everything on the buses that it claims answers without it.
    LeadsNowhere,
    /// It did not let its bus numbers be closed, or only a part of what it claims stands below it.
    Unclear,
}

/// Asks those functions of root buses that gain by a lie, and gives those that are no bridge for sure.
pub(crate) fn find_impostors(
    config: &impl ConfigSpace,
    functions: &[Function],
    places: &[Place],
    findings: &[BusFinding],
) -> Vec<(Bdf, Answer)> {
    let hides = |bdf| {
        findings
            .iter()
            .any(|finding| matches!(finding, BusFinding::HiddenBus { bridge, .. } if *bridge == bdf))
    };
    let asked = functions.iter().zip(places).enumerate().filter(|(index, (function, place))| {
        let claims_in_vain = match place.refused {
            Some(Refusal::Bridge { bridge }) => bridge == function.bdf,
            Some(Refusal::NoBridgeHere) => true,
            _ => false,
        };
        let gains = place.leads_to.is_some() && (merges_others(functions, *index) || hides(function.bdf));
        place.parent.is_none() && (claims_in_vain || gains)
    });
    let answer = |(index, (function, _)): (usize, (&Function, &Place))| {
        let behind: Vec<_> = Claim::of(index, function, u8::MAX)?.first_on_each(functions).collect();
        Some((function.bdf, ask(config, function.bdf, &behind)?))
    };
    asked.take(MOST_ASKED).filter_map(answer).collect()
}

/// Tells whether requests from below would carry the bridge's id, or share a domain with an endpoint beside it.
fn merges_others(functions: &[Function], index: usize) -> bool {
    let Some(bridge) = functions.get(index) else { return false };
    let open_port = bridge.bridge_kind() == Some(BridgeKind::RootPort) && bridge.acs.is_none();
    let device = |function: &Function| (function.bdf.source.bus(), function.bdf.source.device());
    let start = functions.partition_point(|function| device(function) < device(bridge));
    let mut beside = functions.iter().skip(start).take_while(|function| device(function) == device(bridge));
    replaces_ids(bridge) || open_port && beside.any(|function| !function.is_bridge())
}

/// Closes the bus numbers of a function for a moment, and looks what of `behind` answers meanwhile. `None` if all of it
/// is gone, or there is nothing.
fn ask(config: &impl ConfigSpace, bridge: Bdf, behind: &[Bdf]) -> Option<Answer> {
    let before = config.read32(bridge, register::BUSES);
    let [primary, _, _, latency] = before.to_le_bytes();
    config.write32(bridge, register::BUSES, u32::from_le_bytes([primary, 0, 0, latency]));
    let [_, secondary, subordinate, _] = config.read32(bridge, register::BUSES).to_le_bytes();
    let there = behind.iter().filter(|function| header_type(config, **function).is_some()).count();
    config.write32(bridge, register::BUSES, before);
    match there {
        0 => None,
        there if there == behind.len() && (secondary, subordinate) == (0, 0) => Some(Answer::LeadsNowhere),
        _ => Some(Answer::Unclear),
    }
}
