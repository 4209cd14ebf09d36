//! The recent events of one domain.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use dma_types::{Direction, Iova, PAGE_SIZE};
use iova::OutOfMemory;

use crate::{Label, Mapping, Site, Step, Timestamp};

/// Events that a domain's ring keeps: 64 bytes each, 16 KiB.
pub const EVENTS: usize = 256;

/// What happened to a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A device was attached to it.
    Attach,
    /// A device was detached from it.
    Detach,
    /// A mapping was made.
    Map,
    /// A mapping was removed.
    Unmap,
    /// Cached translations were invalidated.
    Flush,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::Map => "map",
            Self::Unmap => "unmap",
            Self::Flush => "flush",
        })
    }
}

/// Addresses that an event was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte, as the device addresses it.
    pub start: Iova,
    /// Bytes from there on.
    pub length: u64,
}

impl Span {
    /// No addresses: the whole domain. Far from every address that there is.
    const NONE: Self = Self { start: Iova::new(1 << 63), length: 0 };
}

/// Consecutive pages: what spans may touch.
#[derive(Clone, Copy, Debug)]
struct Pages {
    last_byte: u64,
    /// How far the first byte lies below.
    depth: u64,
}

impl Pages {
    /// The page around an address and so many beside it on either side.
    const fn around(address: Iova, beside: u64) -> Self {
        let margin = beside * PAGE_SIZE;
        Self {
            last_byte: address.page().as_u64().wrapping_add(margin + PAGE_SIZE - 1),
            depth: 2 * margin + PAGE_SIZE - 1,
        }
    }

    /// Tells whether a span touches one of them; of [`Span::NONE`] it may say so wrongly.
    #[inline]
    const fn touched_by(&self, span: &Span) -> bool {
        // How far the span starts below the last byte; wraps to a huge number if above.
        let offset = self.last_byte.wrapping_sub(span.start.as_u64());
        offset < self.depth.wrapping_add(span.length)
    }
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Event {
    /// What was done to the domain or one of its ranges.
    pub operation: Operation,
    /// When it was done, on the kernel's clock.
    pub at: Timestamp,
    /// Which addresses, or none; without a tag, since every fault compares them all.
    touched: Span,
    /// The mapping's label, if it was about one.
    pub label: Option<Label>,
    /// The call that caused it, where known.
    pub site: Option<Site>,
    /// The mapping's direction, if it was about one.
    pub direction: Option<Direction>,
}

impl Event {
    /// A place in the ring that no event has used yet.
    const BLANK: Self = Self {
        operation: Operation::Attach,
        at: Timestamp::from_nanos(0),
        touched: Span::NONE,
        label: None,
        site: None,
        direction: None,
    };

    /// An event that concerns no mapping; without a span, the whole domain.
    pub(crate) fn beside(operation: Operation, span: Option<Span>, step: Step) -> Self {
        let touched = span.unwrap_or(Span::NONE);
        Self { operation, at: step.at, touched, label: None, site: Some(step.site), direction: None }
    }

    /// A map or unmap event.
    #[inline]
    pub(crate) const fn of(operation: Operation, mapping: &Mapping, step: Step) -> Self {
        Self {
            operation,
            at: step.at,
            touched: Span { start: mapping.start, length: mapping.length },
            label: Some(mapping.label),
            site: Some(step.site),
            direction: Some(mapping.direction),
        }
    }

    /// Which addresses; `None` for the whole domain.
    pub fn span(&self) -> Option<Span> {
        (self.touched != Span::NONE).then_some(self.touched)
    }

    /// When and by which call, where the call is known.
    pub(crate) fn step(&self) -> Option<Step> {
        Some(Step { at: self.at, site: self.site? })
    }
}

/// Events that a [`Trace`] keeps.
pub(crate) const TRACED: usize = 8;
/// Events that it keeps where none touched the page.
const LATEST: usize = 4;

/// What the ring knows about one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace<'b> {
    /// The events that touched the page or the one on either side, newest first; the latest of all if none
    /// did.
    pub(crate) events: [Option<&'b Event>; TRACED],
    /// The last unmap of the page itself.
    pub(crate) release: Option<&'b Event>,
    /// The map that it undid.
    pub(crate) mapping: Option<&'b Event>,
}

impl<'b> Trace<'b> {
    /// No event known.
    pub(crate) const NOTHING: Self = Self { events: [None; TRACED], release: None, mapping: None };

    /// Takes note of those of some events that touched the page around an address or one beside it; all of them are
    /// older than all noted before, the last is the newest.
    #[inline(never)]
    fn note_all(&mut self, events: &'b [Event], address: Iova) {
        let (page, near) = (Pages::around(address, 0), Pages::around(address, 1));
        for event in events.iter().rev() {
            if near.touched_by(&event.touched)
                && let Some(span) = event.span()
            {
                let touches = if page.touched_by(&span) { Touches::Page } else { Touches::Neighbour };
                self.note(event, touches);
            }
        }
    }

    /// Takes note of an event that touched the page or one beside it, older than all noted before.
    fn note(&mut self, event: &'b Event, touches: Touches) {
        match (touches, event.operation, self.release) {
            (Touches::Page, Operation::Unmap, None) => self.release = Some(event),
            (Touches::Page, Operation::Map, Some(release))
                if self.mapping.is_none() && event.touched == release.touched =>
            {
                self.mapping = Some(event);
            }
            _ => {}
        }
        if let Some(place) = self.events.iter_mut().find(|place| place.is_none()) {
            *place = Some(event);
        }
    }
}

/// Which pages an event touched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touches {
    /// The page itself, whatever else.
    Page,
    /// Only one beside it.
    Neighbour,
}

/// The last [`EVENTS`] events; older ones are overwritten.
#[derive(Debug)]
pub struct History {
    events: Box<[Event; EVENTS]>,
    total: u64,
}

impl History {
    /// An empty ring with all its memory.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub(crate) fn new() -> Result<Self, OutOfMemory> {
        let mut events = Vec::new();
        events.try_reserve_exact(EVENTS).map_err(|_| OutOfMemory)?;
        events.resize(EVENTS, Event::BLANK);
        Ok(Self { events: events.into_boxed_slice().try_into().map_err(|_| OutOfMemory)?, total: 0 })
    }

    /// Adds an event; never allocates.
    #[inline]
    pub(crate) fn push(&mut self, event: Event) {
        self.events[self.total as usize % EVENTS] = event;
        self.total = self.total.wrapping_add(1);
    }

    /// The events that are still known, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Event> {
        (self.overwritten()..self.total).rev().map(|number| &self.events[number as usize % EVENTS])
    }

    /// Collects what is known about the page around `address`, in one pass over the ring.
    ///
    /// A third of what a verdict takes, so it is kept apart from the rest, with all that it needs in registers.
    #[inline(never)]
    pub(crate) fn trace(&self, address: Iova) -> Trace<'_> {
        let mut trace = Trace::NOTHING;
        let near = Pages::around(address, 1);
        // The ring's two parts, each from its newest event down. What no event has used yet has no span.
        let (newer, older) = self.events.split_at(self.total as usize % EVENTS);
        for part in [newer, older] {
            let (rest, together) = part.as_rchunks();
            for events @ [a, b, c, d] in together.iter().rev() {
                let touched = |event: &Event| near.touched_by(&event.touched);
                if touched(d) || touched(c) || touched(b) || touched(a) {
                    trace.note_all(events, address);
                }
            }
            trace.note_all(rest, address);
        }
        if trace.events.iter().all(Option::is_none) {
            for (place, event) in trace.events.iter_mut().zip(self.newest_first().take(LATEST)) {
                *place = Some(event);
            }
        }
        trace
    }

    /// Events that were overwritten.
    pub const fn overwritten(&self) -> u64 {
        self.total.saturating_sub(EVENTS as u64)
    }
}
