//! The two sets of adapters, and a fresh deployment on one of them for each measurement.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::id::Workspace;
use domain::touch::Channel;
use engine::{Apply, Catalogs};
use manifest::Source;
use ports::clock::Clock;
use ports::content::Activation;
use runtime::config::{Config, LoadOptions, Role, Severity};
use store::Store;

use super::postgres::{Server, database};
use crate::exit::Failure;
use crate::wiring::{self, Started, System};

/// The key under which the bench signs.
pub(super) const SECRET: &str = "the-bench-signs-with-this";
/// The connector of the bench's cadences.
pub(super) const CONNECTOR: &str = "crm";

/// How long a file may take to be whole after its store was closed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at counts that are to come to rest.
const SETTLED: Duration = Duration::from_millis(500);

/// A set of adapters.
#[derive(Debug, Clone)]
pub(super) enum Side {
    /// SQLite and the embedded log, in a temporary folder.
    Embedded,
    /// PostgreSQL and Kafka.
    Servers {
        /// Where databases are made.
        postgres: Server,
        /// `host:port`
        kafka: String,
    },
}

impl Side {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Servers { .. } => "pg+kafka",
        }
    }

    /// The set's store alone.
    pub(super) fn store_name(&self) -> &'static str {
        match self {
            Self::Embedded => "sqlite",
            Self::Servers { .. } => "postgres",
        }
    }

    /// The set's bus alone.
    pub(super) fn bus_name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded log",
            Self::Servers { .. } => "kafka",
        }
    }
}

/// A deployment for one measurement: its folder, its database, its configuration. Nothing of it remains, but the topics.
pub(super) struct Deployment {
    pub(super) config: Config,
    pub(super) clock: Arc<dyn Clock>,
    /// Held until the end.
    folder: Folder,
    adapters: String,
    database: Option<(Server, String)>,
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What remains lies in the system's folder of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Deployment {
    /// Makes it. `part` tells it from the other measurements of this run; `crm` is where its connector posts.
    pub(super) async fn make(side: &Side, part: &str, crm: Option<&str>) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!(
            "drumbeat-bench-{}-{}-{part}",
            std::process::id(),
            side.store_name()
        ));
        std::fs::create_dir_all(&path)?;
        let folder = Folder(path);
        let mut made = None;
        let mut adapters = String::new();
        if let Side::Servers { postgres, kafka } = side {
            let name = database(part);
            let url = postgres.make(&name).await?;
            std::fs::write(folder.0.join("store.url"), &url)?;
            std::fs::write(folder.0.join("key"), "42".repeat(32))?;
            adapters = servers(&name.replace('_', "-"), kafka);
            made = Some((postgres.clone(), name));
        }
        std::fs::write(folder.0.join("forms.secret"), SECRET)?;
        std::fs::write(folder.0.join("drumbeat.toml"), toml(&adapters, crm, ""))?;
        let config = load(&folder.0)?;
        if made.is_some() {
            Store::migrate(&wiring::url(&config)?).await?;
        }
        let clock = Arc::new(wiring::SystemClock::new());
        Ok(Self { config, clock, folder, adapters, database: made })
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Writes another configuration of the same deployment: with its own connector, and what that one needs beside.
    pub(super) fn variant(&self, name: &str, (crm, connector): (&str, &str)) -> Result<PathBuf, Failure> {
        let file = self.folder.0.join(name);
        std::fs::write(&file, toml(&self.adapters, Some(crm), connector))?;
        Ok(file)
    }

    /// Lets the store come to rest after many rows were written at once: what PostgreSQL would do by itself in the next
    /// minutes, in the middle of a measurement.
    pub(super) async fn rest(&self) -> Result<(), Failure> {
        if let Some((server, name)) = &self.database {
            server.ask(name, "vacuum analyze").await?;
            server.settle().await?;
        }
        Ok(())
    }

    /// How often rows of these tables were updated so far, and how often in place; `None`: this store does not count.
    pub(super) async fn updates(&self, tables: &[&str]) -> Result<Option<Vec<(String, f64, f64)>>, Failure> {
        let Some((server, name)) = &self.database else { return Ok(None) };
        let tables: Vec<String> = tables.iter().map(|table| format!("'{table}'")).collect();
        let query = format!(
            "select relname, n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname in ({}) order by 1",
            tables.join(", ")
        );
        // Sessions tell their counts as they end, which may come after this.
        let mut before = None;
        loop {
            let rows = server.ask(name, &query).await?;
            if before.as_ref() == Some(&rows) {
                let number = |text: &String| text.parse::<f64>().unwrap_or_default();
                let row = |row: Vec<String>| match &row[..] {
                    [table, updated, in_place] => Some((table.clone(), number(updated), number(in_place))),
                    _ => None,
                };
                return Ok(Some(rows.into_iter().filter_map(row).collect()));
            }
            before = Some(rows);
            tokio::time::sleep(SETTLED).await;
        }
    }

    /// Bytes of the store on disk: all tables with their indexes, or the file. Close the store before.
    pub(super) async fn bytes(&self) -> Result<f64, Failure> {
        if let Some((server, name)) = &self.database {
            let query = "select sum(pg_total_relation_size(oid)) from pg_class where relkind in ('r', 'm') \
                         and relnamespace = 'public'::regnamespace";
            let rows = server.ask(name, query).await?;
            let bytes = rows.first().and_then(|row| row.first()).and_then(|text| text.parse().ok());
            return bytes.ok_or_else(|| Failure::Refused("PostgreSQL told no size".to_owned()));
        }
        let path = self.config.store.url.sqlite_path();
        let path = path.ok_or_else(|| Failure::Refused("the store is no file".to_owned()))?;
        // A store's last session only reads, and leaves the log where it is. This one may write, and takes it into the
        // file as it ends, some time after it was told to.
        Store::migrate(&wiring::url(&self.config)?).await?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let began = self.clock.monotonic();
        while std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            if self.clock.monotonic().saturating_sub(began) > PATIENCE {
                return Err(Failure::Refused("the store's file is not whole: its log remains".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        #[expect(clippy::cast_precision_loss, reason = "a size on disk is far below 2^52")]
        let bytes = std::fs::metadata(path)?.len() as f64;
        Ok(bytes)
    }

    /// Opens its store, with the catalogs on it.
    pub(super) async fn store(&self) -> Result<(Arc<Store>, Arc<Catalogs>), Failure> {
        let store = wiring::open_store(&self.config, &self.clock, "bench").await?;
        let catalogs = Arc::new(Catalogs::new(Arc::<Store>::clone(&store), wiring::defaults(&self.config)?));
        Ok((store, catalogs))
    }

    /// Makes the topics, where they are not made by themselves.
    pub(super) async fn topics(&self) -> Result<(), Failure> {
        let bus = wiring::open_bus(&self.config, &self.clock).await?;
        bus.admin.ensure().await?;
        Ok(())
    }

    /// Starts roles as `drumbeat` does.
    pub(super) async fn start(&self, roles: &[Role]) -> Result<Started, Failure> {
        System::prepare(self.config.clone(), "bench")?.start(roles).await
    }

    /// Removes its database; the folder goes by itself.
    pub(super) async fn remove(self) -> Result<(), Failure> {
        match &self.database {
            Some((server, name)) => {
                server.remove(name).await?;
                server.settle().await
            }
            None => Ok(()),
        }
    }
}

/// Lints and applies cadences.
pub(super) async fn apply(store: &Store, texts: Vec<String>) -> Result<(), Failure> {
    let sources: Vec<Source> = texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| Source::new(format!("bench-{index}.yaml"), text))
        .collect();
    let how = Apply {
        workspace: &Workspace::main(),
        connectors: &[CONNECTOR.to_owned()],
        activation: Activation::Activate,
        actor: "bench",
    };
    engine::apply(store, &sources, how).await.map(drop).map_err(|error| match error {
        engine::ApplyError::Store(error) => error.into(),
        engine::ApplyError::Findings(loaded) => {
            let texts: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
            Failure::Refused(format!("the bench's own cadences: {}", texts.join("\n")))
        }
    })
}

/// The defaults, and nothing of the environment: a figure must not depend on who measures.
fn load(folder: &Path) -> Result<Config, Failure> {
    let mut options = LoadOptions::bare(folder).file(folder.join("drumbeat.toml"));
    options.vocabulary.channels = Channel::ALL.iter().map(|channel| channel.as_str().to_owned()).collect();
    let config = Config::load(&options).map_err(|findings| Failure::Refused(findings.to_string()))?;
    let findings = config.check_for(&[Role::Ingest, Role::Enrollment, Role::Dispatcher]);
    let wrong: Vec<String> =
        findings.iter().filter(|one| one.severity == Severity::Error).map(ToString::to_string).collect();
    if wrong.is_empty() { Ok(config) } else { Err(Failure::Refused(wrong.join("\n"))) }
}

fn servers(name: &str, kafka: &str) -> String {
    format!(
        "[store]\nurl = \"file:store.url\"\n[bus]\nkind = \"kafka\"\nbrokers = [\"{kafka}\"]\ngroup = \"{name}\"\n\
         topics = {{ prefix = \"{name}\", replication = 1 }}\n[security]\nkeys = [\"file:key\"]\n"
    )
}

fn toml(adapters: &str, crm: Option<&str>, connector: &str) -> String {
    let connector = crm.map_or_else(String::new, |url| {
        format!(
            "[[connectors]]\nname = \"{CONNECTOR}\"\nkind = \"rest\"\nbase_url = \"{url}\"\nallow_private = true\n{connector}"
        )
    });
    format!(
        r#"data = "data"
[ingest]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
{adapters}
[[sources]]
name = "forms"
provider = "generic"
verify = {{ scheme = "hmac-sha256", header = "X-Signature", encoding = "hex", prefix = "sha256=", signed = "{{body}}" }}
secrets = ["file:forms.secret"]
[sources.map]
kind = "/type"
id = "/id"
email = "/person/email"
contact = {{ first_name = "/person/first_name", company = "/person/company", country = "/person/country", title = "/person/title", last_seen = "/person/last_seen" }}
classification = "/classification"
data = {{ form = "/data/form", page = "/data/page" }}

{connector}"#
    )
}
