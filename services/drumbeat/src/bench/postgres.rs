//! PostgreSQL's own programs: `psql` to make databases, `pgbench` for the reference.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::report::tell;
use crate::exit::Failure;
use crate::wiring;

/// Beside the PATH, where Debian keeps them by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What databases are made for.
const PARTS: [&str; 9] =
    ["reference", "ingest", "enrollment", "dispatch", "latency", "recovery", "startup", "memory", "space"];

/// A server on which databases may be made.
#[derive(Debug, Clone)]
pub(super) struct Server {
    admin: String,
    psql: PathBuf,
}

impl Server {
    /// The server behind an administrator's URL.
    ///
    /// # Errors
    /// When `psql` is not there.
    pub(super) fn at(admin: &str) -> Result<Self, Failure> {
        let psql = program("psql").ok_or_else(|| {
            Failure::Refused(
                "psql (Debian: postgresql-client) is not there, and makes the databases of the bench"
                    .to_owned(),
            )
        })?;
        Ok(Self { admin: admin.to_owned(), psql })
    }

    /// Makes an empty database and gives its URL.
    pub(super) async fn make(&self, name: &str) -> Result<String, Failure> {
        self.run(&format!("drop database if exists {name} with (force)")).await?;
        self.run(&format!("create database {name}")).await?;
        Ok(self.url_of(name))
    }

    /// Removes a database.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Failure> {
        self.run(&format!("drop database if exists {name} with (force)")).await
    }

    /// Removes what a run that broke off has left.
    pub(super) async fn sweep(&self) {
        for part in PARTS {
            if let Err(error) = self.remove(&database(part)).await {
                eprintln!("database {} remains: {error}", database(part));
            }
        }
    }

    /// Lets the server write what it holds back, so that no measurement pays for the one before it.
    pub(super) async fn settle(&self) -> Result<(), Failure> {
        self.run("checkpoint").await
    }

    /// The rows that a query of one of the databases gives, each as its columns.
    pub(super) async fn ask(&self, database: &str, query: &str) -> Result<Vec<Vec<String>>, Failure> {
        let mut command = Command::new(&self.psql);
        command.args([&self.url_of(database), "-qAtc", query]).kill_on_drop(true);
        let done = command.output().await?;
        if !done.status.success() {
            let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            return Err(Failure::Unreachable(format!("PostgreSQL: {why}")));
        }
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        Ok(said.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect())
    }

    fn url_of(&self, name: &str) -> String {
        let (address, query) = match self.admin.split_once('?') {
            Some((address, query)) => (address, format!("?{query}")),
            None => (self.admin.as_str(), String::new()),
        };
        let slashes = address.find("://").map_or(0, |at| at + 3);
        let server = address[slashes..].find('/').map_or(address, |at| &address[..slashes + at]);
        format!("{server}/{name}{query}")
    }

    async fn run(&self, statement: &str) -> Result<(), Failure> {
        let mut command = Command::new(&self.psql);
        command.args([&self.admin, "-qc", statement]).kill_on_drop(true);
        let done = command.output().await?;
        if done.status.success() {
            return Ok(());
        }
        Err(Failure::Unreachable(format!("PostgreSQL: {}", String::from_utf8_lossy(&done.stderr).trim())))
    }

    /// Transactions in a second of pgbench's simple update, as `pgbench -N -M prepared -c8 -j2` says.
    ///
    /// # Errors
    /// The reason, where there is no such figure.
    pub(super) async fn reference(&self, seconds: u64) -> Result<f64, String> {
        let Some(pgbench) = program("pgbench") else {
            return Err(
                "R_pg: pgbench (Debian: postgresql-contrib) is not there, so there is no ratio to it"
                    .to_owned(),
            );
        };
        let name = database("reference");
        let url = self.make(&name).await.map_err(|error| format!("R_pg: {error}"))?;
        let measured = self.pgbench(&pgbench, &url, seconds).await;
        self.remove(&name).await.map_err(|error| format!("R_pg: {error}"))?;
        measured
    }

    async fn pgbench(&self, pgbench: &Path, url: &str, seconds: u64) -> Result<f64, String> {
        tell("R_pg: pgbench -N -M prepared -c8 -j2");
        output(pgbench, &["-i", "-q", url]).await?;
        self.settle().await.map_err(|error| error.to_string())?;
        let time = seconds.to_string();
        let said = output(pgbench, &["-N", "-M", "prepared", "-c8", "-j2", "-T", &time, url]).await?;
        tps(&said).ok_or_else(|| format!("R_pg: pgbench said no rate: {}", said.trim()))
    }
}

/// The name of a database of this run.
pub(super) fn database(part: &str) -> String {
    format!("drumbeat_bench_{}_{part}", std::process::id())
}

fn tps(said: &str) -> Option<f64> {
    let line = said.lines().rfind(|line| line.starts_with("tps = "))?;
    line.trim_start_matches("tps = ").split_whitespace().next()?.parse().ok()
}

async fn output(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let done = Command::new(program).args(arguments).kill_on_drop(true).output().await;
    let done = done.map_err(|error| format!("R_pg: {}: {error}", program.display()))?;
    if !done.status.success() {
        return Err(format!("R_pg: pgbench failed: {}", String::from_utf8_lossy(&done.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// A program of PostgreSQL: on the PATH, else of the newest version that Debian installed.
fn program(name: &str) -> Option<PathBuf> {
    let path = wiring::variable("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    on_path.or_else(|| {
        let versions = std::fs::read_dir(DEBIAN).ok()?;
        let mut found: Vec<(u32, PathBuf)> = versions
            .filter_map(|entry| {
                let folder = entry.ok()?.path();
                let version = folder.file_name()?.to_str()?.parse().ok()?;
                let file = folder.join("bin").join(name);
                file.is_file().then_some((version, file))
            })
            .collect();
        found.sort();
        found.pop().map(|(_, file)| file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(admin: &str) -> Server {
        Server { admin: admin.to_owned(), psql: PathBuf::new() }
    }

    #[test]
    fn a_database_is_named_on_the_administrators_server() {
        assert_eq!(server("postgres://me@h:5432/postgres").url_of("b"), "postgres://me@h:5432/b");
        assert_eq!(server("postgres://me@h:5432").url_of("b"), "postgres://me@h:5432/b");
        assert_eq!(server("postgres://h/a?sslmode=require").url_of("b"), "postgres://h/b?sslmode=require");
    }

    #[test]
    fn the_rate_is_read_from_what_pgbench_says() {
        let said = "latency average = 1.9 ms\ninitial connection time = 9.1 ms\ntps = 4187.25 (without initial connection time)\n";

        assert_eq!(tps(said), Some(4187.25));
        assert_eq!(tps("pgbench: error"), None);
    }
}
