//! Which pages of a memory an instance wrote: they are reset, and only they.
//!
//! wasmtime asks Linux for them (`PAGEMAP_SCAN`, ioctl_fs(2)) and 48.0.8 asks for
//! too little (<https://github.com/bytecodealliance/wasmtime/pull/14357>):
//!
//! - Pages that are *present*. One that the system has swapped out, or is moving to
//!   another place just then, is not: it keeps what was written, for the next
//!   instance to read. With swapping it was every page, and while the system
//!   compacted its memory every two-thousandth request read the one before.
//! - The first 32 runs of such pages. All behind them is unmapped, which costs the
//!   next request a fault for each page: most of what a Python guest takes.
//!
//! wasmtime has no setting for either. It asks through the C library's `ioctl`
//! (rustix does, with its feature `use-libc`), so that is what is defined here: it
//! passes on everything as it is, but for this question. Where it is not what
//! wasmtime calls, [`are_found`] is false, and nothing is asked that way.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use wasmtime::PoolingAllocationConfig;

use super::background::is_background;

/// `PAGEMAP_SCAN` of linux/fs.h: `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::Ioctl = 0xC060_6610_u32 as libc::Ioctl;

/// `PAGE_IS_…` of linux/fs.h.
const WRITTEN: u64 = 1 << 1;
const FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
const PFNZERO: u64 = 1 << 5;

/// How many runs of pages the system is asked for at a time, after wasmtime's 32.
/// There are no more in all than pages that are kept (`linear_memory_keep_resident`).
const RUNS_AT_ONCE: usize = 512;

/// How many pages are reset in place of a guest that computed for long: 1 MiB. It may
/// have written to all of its memory, and to copy tens of megabytes takes milliseconds
/// and the caches of those who are short. To unmap them is quick, and what the next one
/// pays for it, a fault for each page, is little beside what it computes.
const BACKGROUND_PAGES_MAX: u64 = 256;

/// Whether wasmtime's question came here.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The answer to this thread's last question, if wasmtime had no room for it.
    static RUNS: RefCell<Vec<Run>> = const { RefCell::new(Vec::new()) };
}

/// Whether the system can tell which pages were written, all of them.
pub(super) fn are_found() -> bool {
    // It asks, to find out.
    PoolingAllocationConfig::is_pagemap_scan_available() && IS_ASKED.load(Relaxed)
}

/// `struct pm_scan_arg` of linux/fs.h.
#[derive(Clone, Copy)]
#[repr(C)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    /// Set by the system: how far it came.
    walk_end: u64,
    /// Where it puts the runs, and how many there is room for.
    runs: u64,
    runs_max: u64,
    pages_max: u64,
    /// A page is taken that has all of `mask` and one of `any_of`, where those
    /// `inverted` are the ones that it does not have.
    inverted: u64,
    mask: u64,
    any_of: u64,
    returned: u64,
}

/// `struct page_region` of linux/fs.h.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
struct Run {
    start: u64,
    end: u64,
    categories: u64,
}

/// `ioctl(2)` as the C library has it.
///
/// # Safety
///
/// As for that one: `argument` is what `request` takes.
#[expect(
    unsafe_code,
    reason = "wasmtime's question can only be put right on its way to the system"
)]
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn ioctl(
    fd: c_int,
    request: libc::Ioctl,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: as required of the caller; or it is the caller's `Scan`, put right.
    let ask = |argument: *mut c_void| unsafe {
        libc::syscall(libc::SYS_ioctl, fd, request, argument) as c_int
    };
    if request != PAGEMAP_SCAN || argument.is_null() {
        return ask(argument);
    }
    IS_ASKED.store(true, Relaxed);
    // SAFETY: this request takes one, which nobody else has meanwhile.
    let scan = unsafe { &mut *argument.cast::<Scan>() };
    scan.answer(|scan| ask((&raw mut *scan).cast()))
}

impl Scan {
    /// Whether it is about pages to reset, as wasmtime asks for them.
    fn is_wasmtimes(&self) -> bool {
        let (mask, inverted) = (WRITTEN | PRESENT | PFNZERO | FILE, PFNZERO | FILE);
        (self.size, self.flags) == (size_of::<Self>() as u64, 0)
            && (self.mask, self.inverted, self.any_of) == (mask, inverted, 0)
    }

    /// Puts it right, and has it answered in full. Returns how many runs there are,
    /// or below zero if the system refuses.
    fn answer(&mut self, ask: impl Fn(&mut Self) -> c_int) -> c_int {
        if !self.is_wasmtimes() {
            return ask(self);
        }
        if is_background() {
            self.pages_max = self.pages_max.min(BACKGROUND_PAGES_MAX);
        }
        self.mask &= !PRESENT;
        self.any_of = PRESENT | SWAPPED;
        let found = ask(self);
        let is_full = u64::try_from(found).is_ok_and(|found| found == self.runs_max);
        if !is_full || self.walk_end >= self.end {
            return found;
        }
        // A thread that ends has no such place any more: the rest is unmapped.
        RUNS.try_with(|runs| self.answer_rest(&mut runs.borrow_mut(), ask))
            .unwrap_or(found)
    }

    /// Goes on behind the runs that it has room for, and has all of them in `runs`.
    fn answer_rest(&mut self, runs: &mut Vec<Run>, ask: impl Fn(&mut Self) -> c_int) -> c_int {
        #[expect(unsafe_code, reason = "the system says where it wrote by a number")]
        // SAFETY: the system has just filled all of them.
        let first = unsafe {
            let first = std::ptr::with_exposed_provenance::<Run>(self.runs as usize);
            slice::from_raw_parts(first, self.runs_max as usize)
        };
        runs.clear();
        runs.extend_from_slice(first);
        let page_bytes = rustix::param::page_size() as u64;
        let mut rest = *self;
        rest.pages_max = self.pages_max.saturating_sub(pages(first, page_bytes));
        while rest.pages_max > 0 && self.walk_end < self.end {
            let known = runs.len();
            runs.resize(known + RUNS_AT_ONCE, Run::default());
            rest.start = self.walk_end;
            rest.runs = runs[known..].as_mut_ptr().expose_provenance() as u64;
            rest.runs_max = RUNS_AT_ONCE as u64;
            let found = usize::try_from(ask(&mut rest));
            runs.truncate(known + found.unwrap_or_default());
            if found.is_err() {
                break;
            }
            self.walk_end = rest.walk_end;
            let more = pages(&runs[known..], page_bytes);
            rest.pages_max = rest.pages_max.saturating_sub(more);
        }
        self.runs = runs.as_mut_ptr().expose_provenance() as u64;
        self.runs_max = runs.len() as u64;
        c_int::try_from(runs.len()).unwrap_or(c_int::MAX)
    }
}

fn pages(runs: &[Run], page_bytes: u64) -> u64 {
    let bytes = runs.iter().map(|run| run.end - run.start);
    bytes.sum::<u64>() / page_bytes
}

#[cfg(test)]
mod tests {
    use super::super::background::give_way;
    use super::*;

    const PAGE_BYTES: u64 = 4096;

    /// A page that only was read.
    const READ: u64 = FILE | PRESENT;

    /// What Linux answers about these pages, the first of which is at address zero:
    /// `pagemap_scan_is_interesting_page` of fs/proc/task_mmu.c.
    fn system(pages: &[u64], scan: &mut Scan) -> c_int {
        let (mut runs, mut taken): (Vec<Run>, _) = (Vec::new(), 0);
        scan.walk_end = scan.end;
        for start in (scan.start..scan.end).step_by(PAGE_BYTES as usize) {
            let page = pages[(start / PAGE_BYTES) as usize] ^ scan.inverted;
            let is_of_any = scan.any_of == 0 || page & scan.any_of != 0;
            if page & scan.mask != scan.mask || !is_of_any {
                continue;
            }
            let goes_on = runs.last().is_some_and(|run| run.end == start);
            let is_full = !goes_on && runs.len() as u64 == scan.runs_max;
            if is_full || taken == scan.pages_max {
                scan.walk_end = start;
                break;
            }
            taken += 1;
            match runs.last_mut().filter(|_| goes_on) {
                Some(run) => run.end += PAGE_BYTES,
                None => runs.push(Run {
                    start,
                    end: start + PAGE_BYTES,
                    categories: 0,
                }),
            }
        }
        #[expect(unsafe_code, reason = "as the system does")]
        // SAFETY: who asks has room for `runs_max` there.
        unsafe {
            let room = std::ptr::with_exposed_provenance_mut::<Run>(scan.runs as usize);
            slice::from_raw_parts_mut(room, runs.len()).copy_from_slice(&runs);
        }
        c_int::try_from(runs.len()).expect("few")
    }

    /// wasmtime's question about so many pages, with room for 32 runs.
    fn question(room: &mut [Run; 32], pages: usize, pages_max: u64) -> Scan {
        Scan {
            size: size_of::<Scan>() as u64,
            flags: 0,
            start: 0,
            end: pages as u64 * PAGE_BYTES,
            walk_end: 0,
            runs: room.as_mut_ptr().expose_provenance() as u64,
            runs_max: room.len() as u64,
            pages_max,
            inverted: PFNZERO | FILE,
            mask: WRITTEN | PRESENT | PFNZERO | FILE,
            any_of: 0,
            returned: 0,
        }
    }

    /// The numbers of the pages that are found, and how far the system came.
    fn found(pages: &[u64], pages_max: u64) -> (Vec<usize>, usize) {
        let mut room = [Run::default(); 32];
        let mut scan = question(&mut room, pages.len(), pages_max);
        let found = scan.answer(|scan| system(pages, scan));
        assert_eq!((scan.start, scan.pages_max), (0, pages_max));
        assert!(found as u64 <= scan.runs_max);
        #[expect(unsafe_code, reason = "as wasmtime does")]
        // SAFETY: so many were found, and put there.
        let runs = unsafe {
            let first = std::ptr::with_exposed_provenance::<Run>(scan.runs as usize);
            slice::from_raw_parts(first, found as usize)
        };
        let number = |address: u64| (address / PAGE_BYTES) as usize;
        let pages = runs
            .iter()
            .flat_map(|run| number(run.start)..number(run.end));
        (pages.collect(), number(scan.walk_end))
    }

    #[test]
    fn pages_that_are_not_in_place_are_found_too() {
        let away = WRITTEN | SWAPPED;
        let pages = [
            0,
            WRITTEN | PRESENT,
            READ,
            away,
            WRITTEN | PRESENT | PFNZERO,
            away | FILE,
        ];
        assert_eq!(found(&pages, 100), (vec![1, 3], 6));
    }

    #[test]
    fn all_runs_are_found() {
        let written = |number: usize| match number % 3 {
            0 => WRITTEN | PRESENT,
            _ => READ,
        };
        let pages: Vec<_> = (0..9000).map(written).collect();
        let every_third: Vec<_> = (0..9000).step_by(3).collect();
        assert_eq!(found(&pages, 9000), (every_third.clone(), 9000));
        // No more than are kept: what is behind them is unmapped.
        assert_eq!(found(&pages, 1000), (every_third[..1000].to_vec(), 3000));
        assert_eq!(found(&pages[..96], 32), (every_third[..32].to_vec(), 96));
        assert_eq!(found(&pages[..97], 32), (every_third[..32].to_vec(), 96));
    }

    #[test]
    fn few_are_found_of_a_guest_that_computed_for_long() {
        let pages = [WRITTEN | PRESENT].repeat(9000);
        let found = std::thread::spawn(move || {
            give_way();
            let mut room = [Run::default(); 32];
            let mut scan = question(&mut room, pages.len(), 9000);
            let found = scan.answer(|scan| system(&pages, scan));
            (found, room[0].end, scan.walk_end)
        });
        let end = BACKGROUND_PAGES_MAX * PAGE_BYTES;
        assert_eq!(found.join().expect("it ends"), (1, end, end));
    }

    #[test]
    fn what_is_not_known_is_unmapped() {
        let pages = [WRITTEN | PRESENT, 0].repeat(100);
        let mut room = [Run::default(); 32];
        let mut scan = question(&mut room, pages.len(), 1000);
        let asked = std::cell::Cell::new(0);
        let found = scan.answer(|scan| {
            asked.set(asked.get() + 1);
            match asked.get() {
                1 => system(&pages, scan),
                _ => -1,
            }
        });
        assert_eq!((found, scan.walk_end), (32, 64 * PAGE_BYTES));
        assert_eq!((scan.start, scan.runs_max), (0, 32));
    }

    #[test]
    fn other_questions_stay_as_they_are() {
        let pages = [WRITTEN | SWAPPED, WRITTEN | PRESENT];
        let mut room = [Run::default(); 32];
        let mut scan = question(&mut room, pages.len(), 100);
        scan.mask = PRESENT;
        scan.inverted = 0;
        let found = scan.answer(|scan| system(&pages, scan));
        assert_eq!((found, scan.mask, scan.any_of), (1, PRESENT, 0));
    }

    #[test]
    fn wasmtimes_question_comes_here() {
        assert_eq!(
            are_found(),
            PoolingAllocationConfig::is_pagemap_scan_available()
        );
    }
}
