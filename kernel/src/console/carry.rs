//! The report on its way out of a machine from which nothing else leaves: as QR codes, and over a network card.

use core::fmt;
use core::time::Duration;

use options::Key;
use pages::Pages;
use report::Outcome;

use super::{input, output, page};
use crate::devices::Link;
use crate::platform::{cancel, clock, framebuffer};
use crate::{journal, net, println};

/// Packed bytes of a page on the screen: as text, they fill a QR code of version 20.
const SCREEN_BYTES: usize = 800;
/// Packed bytes of a page on the network: as text, they fit into one frame.
const FRAME_BYTES: usize = 900;

/// How long a page is shown unless a key is pressed.
const PAGE_TIME: Duration = Duration::from_secs(4);
/// How often every page is shown, and sent: some are lost.
const ROUNDS: usize = 3;
/// Time between two frames, so that a listener can take them.
const FRAME_GAP: Duration = Duration::from_millis(2);
/// How often keys are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Why the report cannot be carried away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarryMistake {
    /// There is no screen.
    NoScreen,
    /// The screen is too small for the code.
    SmallScreen,
    /// No network card with a driver is connected.
    NoCard,
    /// It has too many pages.
    TooLong,
}

impl fmt::Display for CarryMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoScreen => "there is no screen to show the report on",
            Self::SmallScreen => "the screen is too small for the report's pages",
            Self::NoCard => "no network card with a driver is connected",
            Self::TooLong => "the report has too many pages",
        })
    }
}

/// Shows the report's pages in turn, until all were shown a few times or the user ends it. A key shows the next page.
///
/// # Errors
/// If there is no screen for them.
pub fn by_screen() -> Result<(), CarryMistake> {
    let pages = Pages::of(&journal::kept(), SCREEN_BYTES).ok_or(CarryMistake::TooLong)?;
    println!("the report {:08X} in {} pages, for `ivt explain`", pages.number(), pages.count());
    let result = show_all(&pages);
    output::uncover();
    result
}

fn show_all(pages: &Pages) -> Result<(), CarryMistake> {
    for turn in 0..ROUNDS * pages.count() {
        show(pages, turn % pages.count())?;
        if wait_for_key() == Some(Key::Character('q')) || cancel::is_requested() {
            break;
        }
    }
    Ok(())
}

fn show(pages: &Pages, index: usize) -> Result<(), CarryMistake> {
    let Some(text) = pages.page(index) else { return Ok(()) };
    let title = format_args!("Report {:08X}, page {} of {}", pages.number(), index + 1, pages.count());
    let closing =
        "Scan every page, in any order; `ivt explain` puts the texts together. A key: the next page; q ends.";
    let code = alloc::format!("{text}");
    let draw = |pixels: &mut screen::PixelBuffer<'_>| screen::draw_code_page(pixels, &code, &title, &closing);
    output::cover_with(draw).ok_or(CarryMistake::NoScreen)?.map_err(|_| CarryMistake::SmallScreen)
}

/// Waits as long as a page is shown; gives the key that ended the wait.
fn wait_for_key() -> Option<Key> {
    let over = clock::Deadline::after(PAGE_TIME);
    while !over.expired() && !cancel::is_requested() {
        if let Some((key, _)) = input::poll() {
            return Some(key);
        }
        clock::sleep(POLL_INTERVAL);
    }
    None
}

/// Sends the report over every network card that is connected, to whoever listens.
///
/// # Errors
/// If there is no such card.
pub fn by_network() -> Result<(), CarryMistake> {
    let report = journal::kept();
    let pages = Pages::of(&report, FRAME_BYTES).ok_or(CarryMistake::TooLong)?;
    let mut any = false;
    for card in net::cards().filter(|card| card.link() == Link::Up) {
        any = true;
        let bdf = card.record.bdf;
        let sent = (0..ROUNDS * pages.count()).take_while(|_| !cancel::is_requested()).try_for_each(|turn| {
            let text =
                pages.page(turn % pages.count()).map(|page| alloc::format!("{page}")).unwrap_or_default();
            clock::sleep(FRAME_GAP);
            card.broadcast(pages::PORT, text.as_bytes())
        });
        let (outcome, detail) = match sent {
            Ok(()) => (
                Outcome::Pass,
                alloc::format!(
                    "report {:08X}, {} pages, UDP port {}",
                    pages.number(),
                    pages.count(),
                    pages::PORT
                ),
            ),
            Err(error) => (Outcome::Fail, alloc::format!("{error}")),
        };
        println!("{bdf}: {detail}");
        journal::check(&alloc::format!("report udp {bdf}"), outcome, Some(&detail));
    }
    if any { Ok(()) } else { Err(CarryMistake::NoCard) }
}

/// What a screen shows in turn where nobody can type: the answer, then each page of the report.
pub struct Slides {
    pages: Option<Pages>,
    /// The page that comes next; 0: the answer.
    next: usize,
    until: clock::Deadline,
}

/// How long the answer is shown.
const ANSWER_TIME: Duration = Duration::from_secs(12);

impl Slides {
    /// Begins with the answer.
    pub fn new() -> Self {
        Self { pages: None, next: 0, until: clock::Deadline::after(Duration::ZERO) }
    }

    /// Shows what comes next, once its time has come.
    pub fn turn(&mut self) {
        if !self.until.expired() {
            return;
        }
        let index = self.next.checked_sub(1);
        match (index, &self.pages) {
            (Some(index), Some(pages)) if index < pages.count() => {
                // Where the screen is too small for a page, the answer stays.
                let _ = show(pages, index);
                self.until = clock::Deadline::after(PAGE_TIME);
                self.next += 1;
            }
            _ => {
                page::show();
                // What has come meanwhile is in the pages of the next turn.
                self.pages = Pages::of(&journal::kept(), SCREEN_BYTES);
                self.until = clock::Deadline::after(ANSWER_TIME);
                self.next = 1;
            }
        }
    }
}

/// Whether there is a screen that something can be shown on.
pub fn has_screen() -> bool {
    framebuffer::with_pixels(|_| ()).is_some()
}
