//! Private servers, to be broken: a broker and a database of the test's own, run by the scripts in `deploy/dev`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::deployment::Shape;

/// A broker and a database. Their data goes with them, unless they are kept for the next test.
pub(crate) struct Servers {
    kafka: Script,
    postgres: Script,
    kafka_at: String,
    postgres_at: String,
}

/// What the database is told beside its usual settings: commits leave their time, which is the oracle of their order.
const SETTINGS: &str = "track_commit_timestamp = on\nmax_wal_size = '128MB'";

/// One script with its folder.
#[derive(Clone)]
struct Script {
    name: &'static str,
    folder: PathBuf,
    /// Whether somebody else takes the data away.
    is_kept: bool,
    /// What it is told beside its folder.
    also: Vec<(&'static str, String)>,
}

/// Where a test wants its servers to be.
#[derive(Debug, Default)]
pub(crate) struct Places<'a> {
    /// The database's files.
    pub(crate) database: Option<&'a Path>,
    /// The broker's files.
    pub(crate) log: Option<&'a Path>,
    /// A second listener of the broker's: its port, and that at which its clients are told to find it.
    pub(crate) second: Option<(u16, u16)>,
}

impl Script {
    fn run(&self, verb: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/dev").join(self.name);
        let output = Command::new(script)
            .arg(verb)
            .env("DRUMBEAT_DEV_DIR", &self.folder)
            .env("DRUMBEAT_DEV_POSTGRES_SETTINGS", SETTINGS)
            .envs(self.also.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {verb}: {error}", self.name);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !self.is_kept && !self.folder.as_os_str().is_empty() {
            self.run("wipe");
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Servers {
    /// Starts both. In `DRUMBEAT_FAULTS_DIR` they are kept from test to test, and whoever named it takes them away.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_at(name, &Places::default())
    }

    /// The same at places of the test's choosing; what is there is never kept.
    pub(crate) fn start_at(name: &str, places: &Places<'_>) -> Self {
        let shared = std::env::var_os("DRUMBEAT_FAULTS_DIR").map(PathBuf::from);
        let script = |name_of: &'static str, what: &str, place: Option<PathBuf>| {
            let own =
                || std::env::temp_dir().join(format!("drumbeat-faults-{name}-{what}-{}", std::process::id()));
            let is_kept = place.is_none() && shared.is_some();
            let folder = place.or_else(|| shared.clone()).unwrap_or_else(own);
            Script { name: name_of, folder, is_kept, also: Vec::new() }
        };
        let alone = places.second.map(|_| {
            std::env::temp_dir().join(format!("drumbeat-faults-{name}-kafka-{}", std::process::id()))
        });
        let mut kafka = script("kafka.sh", "kafka", places.log.map(|place| place.join("broker")).or(alone));
        if let Some((port, known)) = places.second {
            kafka.also.push(("DRUMBEAT_DEV_KAFKA_SECOND", format!("{port}:{known}")));
        }
        let postgres = script("postgres.sh", "postgres", places.database.map(|place| place.join("database")));
        for script in [&kafka, &postgres] {
            std::fs::create_dir_all(&script.folder).unwrap();
            // The database runs as another user when we are root.
            std::fs::set_permissions(&script.folder, std::fs::Permissions::from_mode(0o711)).unwrap();
        }
        let kafka_at = kafka.run("up");
        let address = postgres.run("up");
        Self { kafka, postgres, kafka_at, postgres_at: format!("postgres://postgres@{address}/postgres") }
    }

    /// What to deploy on them.
    pub(crate) fn shape(&self) -> Shape {
        Shape::Roles { kafka: self.kafka_at.clone(), postgres: self.postgres_at.clone() }
    }

    /// `host:port` of the database.
    pub(crate) fn database(&self) -> &str {
        let (_, address) = self.postgres_at.rsplit_once('@').unwrap();
        address.split('/').next().unwrap()
    }

    /// `host:port` of the broker.
    pub(crate) fn broker(&self) -> &str {
        &self.kafka_at
    }

    /// `up`, `down`, `kill`. Blocks.
    pub(crate) fn kafka(&self, verb: &str) {
        self.kafka.run(verb);
    }

    /// `up`, `down`, `immediate`, `kill`. Blocks.
    pub(crate) fn postgres(&self, verb: &str) {
        self.postgres.run(verb);
    }

    /// One statement as the database's administrator; what it gives, line by line.
    pub(crate) fn ask(&self, statement: &str) -> Result<String, String> {
        self.ask_in("postgres", statement)
    }

    /// The same in a database.
    pub(crate) fn ask_in(&self, database: &str, statement: &str) -> Result<String, String> {
        let (server, _) = self.postgres_at.rsplit_once('/').unwrap();
        let url = format!("{server}/{database}");
        let output = Command::new("psql").args([&url, "-qAtc", statement]).output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}
