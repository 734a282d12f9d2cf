//! A deployment of the built binary, with its CRM, in a folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::addresses::free_address;
use testkit::crm::FakeCrm;

use crate::store::Database;
use crate::webhook::{SECRET, Sender};

/// How the roles run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `up`: one process, SQLite, the embedded log.
    Embedded,
    /// One process a role, on a broker and a database.
    Roles {
        /// `host:port`
        kafka: String,
        /// An administrator's URL.
        postgres: String,
    },
}

impl Shape {
    /// The shapes that can be had here; what cannot is written down, never passed over in silence.
    pub(crate) fn available(test: &str) -> Vec<Self> {
        let mut shapes = vec![Self::Embedded];
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (var("DRUMBEAT_TEST_KAFKA"), var("DRUMBEAT_TEST_POSTGRES")) {
            (Some(kafka), Some(postgres)) => shapes.push(Self::Roles { kafka, postgres }),
            (kafka, _) => {
                assert!(
                    var("DRUMBEAT_REQUIRE_KAFKA").is_none(),
                    "DRUMBEAT_TEST_KAFKA and DRUMBEAT_TEST_POSTGRES are required"
                );
                let what = if kafka.is_none() { "KAFKA" } else { "POSTGRES" };
                skipped(&format!("SKIPPED-NO-{what}: e2e::{test} with one process a role"));
            }
        }
        shapes
    }

    /// The processes of this shape: a role each, and `dispatcher-2` is one more of a role.
    pub(crate) fn roles(&self) -> &'static [&'static str] {
        match self {
            Self::Embedded => &["up"],
            Self::Roles { .. } => &["ingest", "enrollment", "dispatcher"],
        }
    }
}

/// Writes down what could not be run.
pub(crate) fn skipped(line: &str) {
    eprintln!("{line}");
    if let Some(file) = std::env::var_os("DRUMBEAT_SKIPS") {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// How long anything may take to become true.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Deployment {
    pub(crate) shape: Shape,
    pub(crate) crm: FakeCrm,
    database: Database,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    /// Where webhooks are taken, one address a process that takes them.
    doors: BTreeMap<&'static str, String>,
    admin: BTreeMap<&'static str, String>,
    running: BTreeMap<&'static str, Child>,
}

impl Deployment {
    /// Writes the configuration, makes database and topics; starts nothing yet.
    pub(crate) fn prepare(test: &str, shape: Shape) -> Self {
        Self::prepare_in(&std::env::temp_dir(), test, shape)
    }

    /// The same with its folder at a place of the test's choosing.
    pub(crate) fn prepare_in(place: &Path, test: &str, shape: Shape) -> Self {
        let folder = TempDir::with_prefix_in(format!("drumbeat-{test}-"), place).unwrap();
        let crm = FakeCrm::start();
        let database = Database::prepare(&shape, test, folder.path());
        let doors = match shape {
            Shape::Embedded => BTreeMap::from([("up", free_address())]),
            Shape::Roles { .. } => ["ingest", "ingest-2"].map(|role| (role, free_address())).into(),
        };
        let (environment, admin, running) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let deployment = Self { shape, crm, database, folder, environment, doors, admin, running };
        deployment.write_configuration(test);
        if let Shape::Roles { .. } = deployment.shape {
            deployment.cli(&["migrate"]);
            deployment.cli(&["topics"]);
        }
        deployment
    }

    fn write_configuration(&self, test: &str) {
        let adapters = match &self.shape {
            Shape::Embedded => String::new(),
            Shape::Roles { kafka, .. } => {
                let name = run_name(test);
                let url = self.database.url();
                format!(
                    "[store]\nurl = \"{url}\"\n[bus]\nkind = \"kafka\"\nbrokers = [\"{kafka}\"]\ngroup = \"{name}\"\n\
                     topics = {{ prefix = \"{name}\", partitions = 4, replication = 1 }}\n"
                )
            }
        };
        let text = format!(
            r#"data = "data"
[ingest]
listen = "{ingest}"
{adapters}
[security]
keys = ["file:key"]

[[sources]]
name = "forms"
provider = "generic"
verify = {{ scheme = "hmac-sha256", header = "X-Signature", encoding = "hex", prefix = "sha256=", signed = "{{body}}" }}
secrets = ["file:forms.secret"]
[sources.map]
kind = "/type"
id = "/id"
occurred_at = "/at"
email = "/person/email"
phone = "/person/phone"
crm_id = "/person/id"
account_domain = "/company/domain"
contact = {{ first_name = "/person/first_name", company = "/person/company", country = "/person/country" }}
task = "/task"
outcome = "/outcome"
classification = "/classification"
bounce = "/bounce"
channel = "/channel"
until = "/until"
data = {{ form = "/data/form", page = "/data/page" }}

[[connectors]]
name = "crm"
kind = "rest"
base_url = "{crm}"
allow_private = true
withdraw = true
timeout = "3s"
connect_timeout = "2s"
"#,
            ingest = self.door(),
            crm = self.crm.url(),
        );
        std::fs::write(self.path("drumbeat.toml"), text).unwrap();
        std::fs::write(self.path("forms.secret"), SECRET).unwrap();
        std::fs::write(self.path("key"), "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
            .unwrap();
    }

    /// Changes a line of the configuration, for processes that start from now on.
    pub(crate) fn reconfigure(&self, from: &str, to: &str) {
        let file = self.path("drumbeat.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from} is not in the configuration");
        std::fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Writes a file that the configuration can refer to.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Sets a variable of processes that start from now on.
    pub(crate) fn environment(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// The configuration as it is now.
    pub(crate) fn configuration(&self) -> String {
        std::fs::read_to_string(self.path("drumbeat.toml")).unwrap()
    }

    /// What a process answers at its admin port.
    pub(crate) fn admin(&self, role: &str, path: &str) -> String {
        (0..10).find_map(|_| http_get(&self.admin[role], path)).unwrap_or_else(|| {
            panic!("{role} does not answer at {path}:\n{}", self.log(role));
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lints and applies a document.
    pub(crate) fn apply(&self, text: &str) {
        let file = self.path("content.yaml");
        std::fs::write(&file, text).unwrap();
        self.cli(&["apply", file.to_str().unwrap()]);
    }

    /// Starts every process and waits until each is ready.
    pub(crate) fn start(&mut self) {
        for role in self.shape.roles() {
            self.spawn(role);
        }
        for role in self.shape.roles() {
            self.wait_ready(role);
        }
    }

    /// Starts one more process, and waits until it is ready.
    pub(crate) fn start_one(&mut self, role: &'static str) {
        self.spawn(role);
        self.wait_ready(role);
    }

    /// Starts one process.
    pub(crate) fn spawn(&mut self, role: &'static str) {
        self.spawn_with(role, &[]);
    }

    /// Starts one process with more in its environment.
    pub(crate) fn spawn_with(&mut self, role: &'static str, environment: &[(&str, &str)]) {
        let admin = self.admin.entry(role).or_insert_with(free_address).clone();
        let log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(&format!("{role}.log")))
            .unwrap();
        let mut command = self.command();
        if let Some(door) = self.doors.get(role) {
            command.arg("--set").arg(format!("ingest.listen={door}"));
        }
        let child = command
            .envs(environment.iter().copied())
            .arg("--set")
            .arg(format!("admin.listen={admin}"))
            .arg(role.trim_end_matches("-2"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.insert(role, child);
    }

    /// Whether a process says that it is ready.
    pub(crate) fn is_ready(&self, role: &str) -> bool {
        http_ok(&self.admin[role], "/readyz")
    }

    /// Where the store is.
    pub(crate) fn store_url(&self) -> &str {
        self.database.url()
    }

    pub(crate) fn wait_ready(&mut self, role: &'static str) {
        let address = self.admin[role].clone();
        let began = Instant::now();
        while !http_ok(&address, "/readyz") {
            let child = self.running.get_mut(role).unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{role} ended with {status}:\n{}", self.log(role));
            }
            assert!(began.elapsed() < PATIENCE, "{role} is not ready:\n{}", self.log(role));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills a process like a power cut would.
    pub(crate) fn kill(&mut self, role: &'static str) {
        let mut child = self.running.remove(role).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Kills a process and starts it again.
    pub(crate) fn crash(&mut self, role: &'static str) {
        self.kill(role);
        self.start_one(role);
    }

    /// Asks a process to stop, and gives its exit code and how long it took.
    pub(crate) fn stop(&mut self, role: &'static str) -> (Option<i32>, Duration) {
        self.signal(role, "TERM");
        let mut child = self.running.remove(role).unwrap();
        let began = Instant::now();
        let status = child.wait().unwrap();
        (status.code(), began.elapsed())
    }

    /// Sends a signal to a process.
    pub(crate) fn signal(&self, role: &str, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.pid(role).to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// The process id.
    pub(crate) fn pid(&self, role: &str) -> u32 {
        self.running[role].id()
    }

    /// Whether a process has ended by itself; if so it is no longer among those that run.
    pub(crate) fn has_ended(&mut self, role: &'static str) -> bool {
        let ended = self.running.get_mut(role).unwrap().try_wait().unwrap().is_some();
        if ended {
            self.running.remove(role);
        }
        ended
    }

    fn door(&self) -> &str {
        self.doors.values().next().unwrap()
    }

    pub(crate) fn sender(&self) -> Sender {
        Sender::new(self.door())
    }

    /// One for every process that takes webhooks.
    pub(crate) fn senders(&self) -> Vec<Sender> {
        self.doors.values().map(|door| Sender::new(door)).collect()
    }

    /// Asks the store itself: the rows of a query, each with its columns by name.
    pub(crate) fn rows(&self, query: &str) -> Vec<Value> {
        self.database.rows(query)
    }

    /// What a process wrote.
    pub(crate) fn log(&self, role: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{role}.log"))).unwrap_or_default()
    }

    /// The last that each process wrote.
    pub(crate) fn tails(&self) -> String {
        self.admin.keys().map(|role| format!("--- {role}\n{}\n", tail(&self.log(role)))).collect()
    }

    /// Runs the command line and gives its JSON.
    pub(crate) fn cli(&self, args: &[&str]) -> Value {
        let (code, out, err) = self.try_cli(args);
        assert_eq!(code, Some(0), "{args:?}\n{out}\n{err}");
        serde_json::from_str(&out).unwrap_or(Value::Null)
    }

    /// Runs the command line: exit code, standard output, standard error.
    pub(crate) fn try_cli(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command().args(["--output", "json"]).args(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("--config")
            .arg(self.path("drumbeat.toml"))
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .current_dir(self.folder.path());
        command
    }

    /// Waits until something is there.
    pub(crate) async fn eventually<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                began.elapsed() <= PATIENCE,
                "{what} did not come about on {:?}\nrecords: {:#?}\n{}",
                self.shape,
                self.crm.records(),
                self.tails()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the CRM holds a task of a step for an address.
    pub(crate) async fn task(&self, step: &str, email: &str) -> testkit::crm::Record {
        self.eventually(&format!("the task {step} for {email}"), || {
            self.crm
                .records()
                .into_iter()
                .find(|record| record.body["step"] == step && record.body["contact"]["email"] == email)
        })
        .await
    }

    /// Ends everything; a scenario that came so far has passed.
    pub(crate) fn finish(mut self) {
        let roles: Vec<&'static str> = self.running.keys().copied().collect();
        for role in roles {
            let (code, took) = self.stop(role);
            assert_eq!(code, Some(0), "{role} did not end well:\n{}", self.log(role));
            assert!(took < Duration::from_secs(20), "{role} took {took:?} to end");
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let kept = std::env::temp_dir().join(format!("drumbeat-failed-{}", std::process::id()));
            let _ = std::fs::create_dir_all(&kept);
            for role in self.admin.keys() {
                let _ = std::fs::copy(self.path(&format!("{role}.log")), kept.join(format!("{role}.log")));
            }
            eprintln!("the logs are kept in {}", kept.display());
        }
    }
}

/// A name that no other scenario and no other run has.
pub(crate) fn run_name(test: &str) -> String {
    format!("e2e_{}_{}", test.replace('-', "_"), std::process::id())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// The binary that was built beside this test: `deploy/dev/test.sh` and `make test` build it first.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let binary = folder.join("drumbeat");
    assert!(binary.exists(), "{} is missing: run `cargo build -p drumbeat` first", binary.display());
    binary
}

fn http_ok(address: &str, path: &str) -> bool {
    http_get(address, path).is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn http_get(address: &str, path: &str) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.write_all(request.as_bytes()).ok()?;
    socket.read_to_string(&mut answer).ok()?;
    Some(answer)
}
