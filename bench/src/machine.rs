//! The machine: its processors, its memory, its disk, and what a process uses of them. All of it is read as Linux tells it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often the disk is probed.
const PROBES: usize = 200;

/// The two processors of a run.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// The server's, and that of the crypto-only limit.
    pub server: usize,
    /// The load generator's and the mail server's.
    pub generator: usize,
}

impl Cores {
    /// The first two processors this process may use.
    pub fn choose() -> Result<Self> {
        match affinity::allowed()?.as_slice() {
            [server, generator, ..] => Ok(Self { server: *server, generator: *generator }),
            few => bail!(
                "two processors are needed, one for the server, one for the load; there is {}",
                few.len()
            ),
        }
    }
}

/// Binds this thread, and the threads and processes it starts from now on, to some processors.
pub fn pin(cores: &[usize]) -> Result<()> {
    affinity::pin(cores).with_context(|| format!("cannot bind to processors {cores:?}"))
}

#[cfg(target_os = "linux")]
mod affinity {
    use anyhow::Result;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub fn allowed() -> Result<Vec<usize>> {
        let set = sched_getaffinity(None)?;
        Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
    }

    pub fn pin(cores: &[usize]) -> Result<()> {
        let mut set = CpuSet::new();
        for core in cores {
            set.set(*core);
        }
        Ok(sched_setaffinity(None, &set)?)
    }

    pub fn ticks_per_second() -> u64 {
        rustix::param::clock_ticks_per_second()
    }
}

#[cfg(not(target_os = "linux"))]
mod affinity {
    use anyhow::{Result, bail};

    pub fn allowed() -> Result<Vec<usize>> {
        bail!("the benchmark binds processes to processors and reads /proc, which takes Linux")
    }

    pub fn pin(_: &[usize]) -> Result<()> {
        allowed().map(|_| ())
    }

    pub fn ticks_per_second() -> u64 {
        100
    }
}

/// Processor time a process has used, all its threads, user and system.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    Ok(stat(pid)?.own)
}

/// The same with that of its children, those that have ended included.
pub fn cpu_time_with_children(pid: u32) -> Result<Duration> {
    let parent = stat(pid)?;
    let mut time = parent.own + parent.ended_children;
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ends between the two looks is counted by its parent next time.
        if let Ok(child) = stat(child)
            && child.parent == pid
        {
            time += child.own + child.ended_children;
        }
    }
    Ok(time)
}

/// What is read of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

fn stat(pid: u32) -> Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // Behind the name in parentheses, which may hold anything: state is field 3, ppid 4, utime 14, stime 15, cutime 16,
    // cstime 17 (proc(5)).
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
    let field = |number: usize| fields.as_ref()?.get(number - 3)?.parse::<u64>().ok();
    let ticks = |user: usize, system: usize| {
        let ticks = (field(user)? + field(system)?) as f64;
        Some(Duration::from_secs_f64(ticks / affinity::ticks_per_second() as f64))
    };
    let read = || {
        let parent = u32::try_from(field(4)?).ok()?;
        Some(Stat { parent, own: ticks(14, 15)?, ended_children: ticks(16, 17)? })
    };
    read().with_context(|| format!("{path} makes no sense"))
}

/// Memory of a process, MiB: resident now, and at its highest.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub resident: f64,
    pub peak: f64,
}

/// What a process has in memory.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let mib = |name: &str| {
        let kib = field(&text, name)?.split_whitespace().next()?.parse::<f64>().ok()?;
        Some(kib / 1024.0)
    };
    match (mib("VmRSS"), mib("VmHWM")) {
        (Some(resident), Some(peak)) => Ok(Memory { resident, peak }),
        _ => bail!("{path} makes no sense"),
    }
}

/// Processor, number of processors and memory, in one line. No names of hosts or users.
pub fn describe() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory, kernel) =
        (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"));
    let model = field(&cpu, "model name").unwrap_or("an unknown processor");
    let count = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let gib = field(&memory, "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .map_or(0.0, |kib| kib / 1024.0 / 1024.0);
    let kernel = kernel.split(['-', '+']).next().unwrap_or_default().trim();
    format!("{model}, {count} processors, {gib:.0} GiB memory, Linux {kernel}")
}

/// Value of a `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// Median time to append 4 KiB to a file in `directory` and have it synced: what one durable commit costs at least.
pub fn sync_time(directory: &Path) -> Result<Duration> {
    let path = directory.join("sync-probe");
    let mut file = File::create(&path).context("cannot probe the disk")?;
    let mut times = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        let start = Instant::now();
        file.write_all(&[0x5a; 4096]).and_then(|()| file.sync_data()).context("cannot probe the disk")?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path).context("cannot probe the disk")?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_as_the_system_tells_it() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.resident > 0.0 && memory.peak >= memory.resident, "{memory:?}");
        let before = cpu_time(pid).unwrap();
        while cpu_time(pid).unwrap() == before {
            std::hint::black_box(sync_time(&std::env::temp_dir()).unwrap());
        }
    }

    #[test]
    fn a_child_counts_while_it_runs_and_when_it_has_ended() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let busy = Duration::from_millis(200);
        while cpu_time(child.id()).unwrap() < busy {
            std::thread::yield_now();
        }
        assert!(cpu_time_with_children(own).unwrap() >= busy);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(cpu_time_with_children(own).unwrap() >= busy);
        assert!(stat(own).unwrap().ended_children >= busy);
    }

    #[test]
    fn values_are_found_by_their_whole_name() {
        assert_eq!(field("VmRSSx:\t1 kB\nVmRSS:\t 7 kB\n", "VmRSS"), Some("7 kB"));
    }
}
