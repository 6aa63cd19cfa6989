//! What this process takes of the machine.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// This process, as the system sees it. What can not be found out is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) cpu_time: Duration,
    pub(super) resident_bytes: u64,
    pub(super) open_files: u64,
    pub(super) threads: u64,
}

impl Process {
    pub(super) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let number = line.trim_start_matches(':').trim();
            number.trim_end_matches(" kB").parse::<u64>().ok()
        };
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count());
        Self {
            cpu_time: Duration::try_from(cpu).unwrap_or_default(),
            resident_bytes: field("VmRSS").unwrap_or(0) * 1024,
            open_files: open_files as u64,
            threads: field("Threads").unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_something_of_everything() {
        let process = Process::now();
        assert!(process.cpu_time > Duration::ZERO);
        assert!(process.resident_bytes > 100_000);
        assert!(process.open_files > 2);
        assert!(process.threads > 0);
    }
}
