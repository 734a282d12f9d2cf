//! This same program in processes of its own: started, asked, killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use ports::clock::Clock;
use tokio::process::{Child, Command};

use super::http::Connection;
use crate::exit::Failure;
use crate::wiring;

/// How long a process may take to be ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked.
const ASK: Duration = Duration::from_millis(1);

/// What to start.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// `up` or a role.
    pub(super) role: &'static str,
    pub(super) config: PathBuf,
    /// Beside the configuration, `KEY=VALUE`.
    pub(super) set: Vec<String>,
}

/// A process; killed when dropped.
pub(super) struct Process {
    child: Child,
    role: &'static str,
    /// Health and metrics.
    pub(super) admin: SocketAddr,
    started: Duration,
    log: PathBuf,
}

impl Program {
    pub(super) fn new(role: &'static str, config: &Path) -> Self {
        Self { role, config: config.to_owned(), set: Vec::new() }
    }

    pub(super) fn set(mut self, pair: String) -> Self {
        self.set.push(pair);
        self
    }

    /// Starts it. Nothing of the environment reaches it but where programs and temporary files are.
    pub(super) fn start(&self, clock: &dyn Clock) -> Result<Process, Failure> {
        let admin = free()?;
        let log = self.config.with_file_name(format!("{}-{}.log", self.role, admin.port()));
        let file = std::fs::File::create(&log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--config").arg(&self.config);
        let set = self.set.iter().cloned();
        for pair in set.chain([format!("admin.listen={admin}"), "telemetry.filter=warn".to_owned()]) {
            command.arg("--set").arg(pair);
        }
        command.arg(self.role).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
        command.env_clear();
        for name in ["PATH", "TMPDIR"] {
            command.envs(wiring::variable(name).map(|value| (name, value)));
        }
        let started = clock.monotonic();
        Ok(Process { child: command.spawn()?, role: self.role, admin, started, log })
    }
}

impl Process {
    /// Waits until it is ready, and gives how long that took from its start.
    pub(super) async fn ready(&mut self, clock: &dyn Clock) -> Result<Duration, Failure> {
        loop {
            if self.asked().await {
                return Ok(clock.monotonic().saturating_sub(self.started));
            }
            let ended = self.child.try_wait()?.map(|status| format!("{} ended: {status}", self.role));
            let late = (clock.monotonic().saturating_sub(self.started) > PATIENCE)
                .then(|| format!("{} is not ready after {} s", self.role, PATIENCE.as_secs()));
            if let Some(why) = ended.or(late) {
                return Err(Failure::Refused(format!("{why}\n{}", self.said())));
            }
            tokio::time::sleep(ASK).await;
        }
    }

    async fn asked(&self) -> bool {
        let Ok(mut connection) = Connection::open(self.admin).await else { return false };
        let answered = tokio::time::timeout(Duration::from_secs(1), connection.get("/readyz")).await;
        matches!(answered, Ok(Ok((200, _))))
    }

    /// The end of its log.
    fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Bytes of memory that are resident, as Linux tells.
    pub(super) fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        resident(&status)
    }

    /// Kills it at once, as a crash or `kill -9` does.
    pub(super) async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to end, and waits: who leaves a group of consumers in silence keeps the next one waiting.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        if let Some(id) = self.child.id() {
            let asked = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
            if asked.success() && tokio::time::timeout(PATIENCE, self.child.wait()).await.is_ok() {
                return Ok(());
            }
        }
        Ok(self.child.kill().await?)
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// An address that nobody has now.
pub(super) fn free() -> Result<SocketAddr, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Starts several and waits until all are ready.
pub(super) async fn start_all(programs: &[Program], clock: &Arc<dyn Clock>) -> Result<Vec<Process>, Failure> {
    let mut running = Vec::new();
    for program in programs {
        running.push(program.start(clock.as_ref())?);
    }
    for process in &mut running {
        process.ready(clock.as_ref()).await?;
    }
    Ok(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_as_linux_writes_it() {
        let status = "Name:\tdrumbeat\nVmHWM:\t   99999 kB\nVmRSS:\t   12345 kB\nThreads:\t4\n";

        assert_eq!(resident(status), Some(12_345 * 1024));
        assert_eq!(resident("Name:\tdrumbeat\n"), None);
    }
}
