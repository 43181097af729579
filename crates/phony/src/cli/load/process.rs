//! The cost of a process, from Linux's `/proc` (proc(5)); unknown on other platforms.

use std::time::Duration;

/// Clock ticks a second in `/proc`: the same on every architecture that Phony runs on.
const TICKS_PER_SECOND: u64 = 100;

/// A process to measure.
#[derive(Debug, Clone)]
pub(super) struct Process {
    folder: String,
}

/// The cost of a process so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// CPU time, in user and system mode.
    pub(super) cpu: Duration,
    /// Resident memory, in KB of 1,024 bytes.
    pub(super) resident_kb: u64,
}

impl Process {
    pub(super) fn of(pid: u32) -> Self {
        Self { folder: format!("/proc/{pid}") }
    }

    pub(super) fn this() -> Self {
        Self { folder: "/proc/self".to_owned() }
    }

    /// Its cost so far, if that is known.
    pub(super) fn cost(&self) -> Option<Cost> {
        let cpu = cpu(&self.read("stat")?)?;
        let resident_kb = resident(&self.read("status")?)?;
        Some(Cost { cpu, resident_kb })
    }

    /// Its limit of open files, sockets included.
    pub(super) fn open_files(&self) -> Option<u64> {
        let limits = self.read("limits")?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    fn read(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(format!("{}/{file}", self.folder)).ok()
    }
}

/// User and system time. The name of the program, in brackets, may hold spaces and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    Some(Duration::from_millis(ticks * (1000 / TICKS_PER_SECOND)))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 100 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu("nonsense"), None);
    }

    #[test]
    fn the_memory_is_that_which_is_resident() {
        assert_eq!(resident("VmPeak:\t 9 kB\nVmRSS:\t  5120 kB\n"), Some(5120));
    }
}
