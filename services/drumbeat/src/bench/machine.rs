//! Where a run is made.

use ports::clock::Clock;

use super::report::Machine;

pub(super) fn machine(clock: &dyn Clock, seconds: u64, commit: Option<&str>) -> Machine {
    Machine {
        at: clock.now(),
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        system: system(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit.map(str::to_owned),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        seconds,
        runs: 1,
    }
}

/// The system, the processor's name and the memory, as far as Linux tells them.
fn system() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok())
        .map(|kib| format!("{} GiB", kib.div_ceil(1024 * 1024)));
    let load =
        read("/proc/loadavg").split_whitespace().next().map(|load| format!("load {load} at the start"));
    let mut parts = vec![format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)];
    parts.extend(processor);
    parts.extend(memory);
    parts.extend(load);
    parts.join(", ")
}
