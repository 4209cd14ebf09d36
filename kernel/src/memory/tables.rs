//! Frames as the memory of translation tables and invalidation queues.
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes words of frames that units follow")]

use core::sync::atomic::{AtomicU64, Ordering, fence};

use ::frames::Order;
use dma_types::PhysAddr;
use vtd::TableMemory;

use super::direct;
use super::frames::Frame;

/// Frames as table memory. They come from the frame allocator, so no buffer of a driver is among them.
///
/// What is asked of it are the addresses that it gave out itself, in `allocate`: the tables and queues of `vtd` use it, and
/// they keep no others; a self-test that makes an entry wrong finds it by a walk from the root table. This is what each
/// block below relies on.
#[derive(Clone, Copy, Debug)]
pub struct FrameMemory;

impl TableMemory for FrameMemory {
    fn allocate(&mut self) -> Option<PhysAddr> {
        Frame::zeroed().map(Frame::into_raw)
    }

    fn free(&mut self, page: PhysAddr) {
        // SAFETY: a frame from `allocate`; units have forgotten a table before it is freed.
        drop(unsafe { Frame::from_raw(page, Order::FRAME) });
    }

    #[inline]
    fn read(&self, at: PhysAddr) -> u64 {
        direct::read_word(at)
    }

    #[inline]
    fn write(&mut self, at: PhysAddr, value: u64) {
        // SAFETY: a word of a frame from `allocate`.
        unsafe { direct::write_word(at, value) };
    }

    #[inline(always)]
    fn any(&self, at: PhysAddr, words: u64) -> u64 {
        if words == 1 {
            return self.read(at);
        }
        // SAFETY: of a frame from `allocate`, which is borrowed meanwhile; units only read the entries of tables.
        let (lines, rest) = unsafe { direct::own_words(at, words) }.as_chunks();
        let of_rest = rest.iter().fold(0, |bits, word| bits | word);
        lines
            .iter()
            .fold(of_rest, |bits, &[a, b, c, d, e, f, g, h]: &Line<u64>| bits | a | b | c | d | e | f | g | h)
    }

    #[inline(always)]
    fn each_has(&self, at: PhysAddr, words: u64, mask: u64) -> bool {
        if words == 1 {
            return self.read(at) & mask != 0;
        }
        // SAFETY: as in `any`.
        let own = unsafe { direct::own_words(at, words) };
        let (lines, rest) = own.as_chunks();
        let of_rest = rest.iter().fold(u64::MAX, |bits, word| bits & word);
        let common = lines.iter().fold(of_rest, |bits, &[a, b, c, d, e, f, g, h]: &Line<u64>| {
            bits & a & b & c & d & e & f & g & h
        });
        // Most often one bit is set in all of them.
        common & mask != 0 || own.iter().all(|word| word & mask != 0)
    }

    #[inline(always)]
    fn fill(&mut self, at: PhysAddr, words: u64, first: u64, step: u64) {
        if words == 1 {
            return self.write(at, first);
        }
        fence(Ordering::Release);
        // SAFETY: of a frame from `allocate`, which is borrowed meanwhile.
        let (lines, rest) = unsafe { direct::words(at, words) }.as_chunks();
        let mut value = first;
        let mut put = |word: &AtomicU64| {
            word.store(value, Ordering::Relaxed);
            value = value.wrapping_add(step);
        };
        for [a, b, c, d, e, f, g, h] in lines {
            put(a);
            put(b);
            put(c);
            put(d);
            put(e);
            put(f);
            put(g);
            put(h);
        }
        rest.iter().for_each(put);
    }

    #[inline(always)]
    fn write_two(&mut self, at: PhysAddr, words: [u64; 4]) {
        let [a, b, c, d] = words;
        // SAFETY: of a frame from `allocate`, which is borrowed meanwhile.
        if let [first, second, third, fourth] = unsafe { direct::words(at, 4) } {
            first.store(a, Ordering::Relaxed);
            second.store(b, Ordering::Relaxed);
            third.store(c, Ordering::Relaxed);
            fourth.store(d, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn flush(&self, at: PhysAddr, bytes: u64) {
        direct::flush_cache(at, bytes);
    }
}

/// Words that are looked at in one go, a cache line of them. They are named one by one where they are used:
/// the kernel is compiled for size, and its loops are not unrolled.
type Line<W> = [W; 8];
