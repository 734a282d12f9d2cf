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
}

impl Script {
    fn run(&self, verb: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/dev").join(self.name);
        let output = Command::new(script)
            .arg(verb)
            .env("DRUMBEAT_DEV_DIR", &self.folder)
            .env("DRUMBEAT_DEV_POSTGRES_SETTINGS", SETTINGS)
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
        Self::start_with(name, None)
    }

    /// The same with the database's files at a place of the test's choosing.
    pub(crate) fn with_database_in(name: &str, place: &Path) -> Self {
        Self::start_with(name, Some(place))
    }

    fn start_with(name: &str, place: Option<&Path>) -> Self {
        let shared = std::env::var_os("DRUMBEAT_FAULTS_DIR").map(PathBuf::from);
        let is_kept = shared.is_some();
        let own = |what: &str| {
            std::env::temp_dir().join(format!("drumbeat-faults-{name}-{what}-{}", std::process::id()))
        };
        let kafka =
            Script { name: "kafka.sh", folder: shared.clone().unwrap_or_else(|| own("kafka")), is_kept };
        let postgres = match place {
            Some(place) => Script { name: "postgres.sh", folder: place.join("database"), is_kept: false },
            None => {
                Script { name: "postgres.sh", folder: shared.unwrap_or_else(|| own("postgres")), is_kept }
            }
        };
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
