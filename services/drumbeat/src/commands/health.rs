//! `health`: asks a running process about itself, for images without a shell, units and scripts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use egress::{AllowPrivate, Egress, Method, Policy, Request};
use serde_json::Value;

use crate::cli::{Global, HealthArgs};
use crate::exit::{Failure, Outcome};
use crate::{output, wiring};

/// A process on this machine that takes longer than this to answer is not well.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often is asked while waiting.
const POLL: Duration = Duration::from_millis(100);

pub(super) async fn run(global: &Global, args: &HealthArgs) -> Outcome {
    let asked = Asked::of(global, args)?;
    let answer = asked.until_well(Duration::from_secs(args.wait)).await?;
    output::show(global.output, &answer.report, || answer.print())?;
    if answer.well { Ok(()) } else { Err(Failure::findings()) }
}

/// Whom to ask, and what.
struct Asked {
    client: Egress,
    url: String,
}

/// What the process says of itself.
struct Answer {
    well: bool,
    report: Value,
}

impl Asked {
    fn of(global: &Global, args: &HealthArgs) -> Result<Self, Failure> {
        let config = wiring::read(global)?;
        let listen = config.admin.listen;
        if listen.port() == 0 {
            return Err(super::usage(
                "admin.listen takes any free port; give the one that the process printed at its start: \
                 --set admin.listen=127.0.0.1:PORT",
            ));
        }
        let path = if args.alive { "healthz" } else { "readyz" };
        let policy = Policy { allow_private: AllowPrivate::Yes, ..Policy::default() };
        let client = Egress::new(policy).map_err(|error| Failure::Refused(error.to_string()))?;
        Ok(Self { client, url: format!("http://{}/{path}", reachable(listen)) })
    }

    /// Asks until the process is well or the time is up; then what it said last holds.
    async fn until_well(&self, wait: Duration) -> Result<Answer, Failure> {
        let mut last = self.ask().await;
        let asking = async {
            while !matches!(&last, Ok(answer) if answer.well) {
                tokio::time::sleep(POLL).await;
                last = self.ask().await;
            }
        };
        // Late or not, `last` says how it is.
        let _ = tokio::time::timeout(wait, asking).await;
        last
    }

    async fn ask(&self) -> Result<Answer, Failure> {
        let url = &self.url;
        let request = Request::new(Method::Get, url).timeout(PATIENCE);
        let response = self.client.send(request).await.map_err(|error| {
            Failure::Unreachable(format!(
                "{url}: {error}; is `drumbeat up` or a role running with this configuration?"
            ))
        })?;
        let report = serde_json::from_slice(&response.body).map_err(|_| {
            Failure::Refused(format!(
                "{url} answered {} without a report; another program seems to have that port",
                response.status
            ))
        })?;
        Ok(Answer { well: response.is_success(), report })
    }
}

/// An address that means "all interfaces" is asked on this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

impl Answer {
    fn print(&self) {
        let checks = self.report["checks"].as_array().into_iter().flatten();
        let waiting: Vec<String> = checks
            .filter(|check| check["ready"] == false)
            .map(|check| {
                let name = check["name"].as_str().unwrap_or_default();
                format!("  {name}: {}", check["why"].as_str().unwrap_or("not ready"))
            })
            .collect();
        match (self.well, self.report.get("checks")) {
            (true, None) => output::say!("alive"),
            (true, Some(_)) => output::say!("ready"),
            (false, _) if self.report["draining"] == true => output::say!("draining: it is about to end"),
            (false, _) => output::say!("not ready"),
        }
        for line in waiting {
            output::say!("{line}");
        }
    }
}
