//! Operating: people, tasks, and what was set aside.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::id::{CadenceName, ConnectorName, OwnerName};
use domain::touch::{Channel, TouchState};

fn channel(text: &str) -> Result<Channel, String> {
    Channel::parse(text).ok_or_else(|| {
        let known: Vec<_> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
        format!("no channel of that name; known are {}", known.join(", "))
    })
}

fn touch_state(text: &str) -> Result<TouchState, String> {
    TouchState::parse(text).ok_or_else(|| {
        let known: Vec<_> = TouchState::ALL.iter().map(|state| state.as_str()).collect();
        format!("no state of that name; known are {}", known.join(", "))
    })
}

/// What a task can come to, as `tasks complete --outcome` takes it.
const OUTCOMES: [&str; 12] = [
    "done",
    "connected",
    "no_answer",
    "voicemail",
    "wrong_number",
    "busy",
    "not_a_fit",
    "left_company",
    "meeting_booked",
    "meeting_held",
    "do_not_contact",
    "not_now",
];

/// What a person may pass over when entering somebody by hand.
const GUARDS: [&str; 7] = ["exclusive", "reentry", "email", "phone", "owner", "customer", "open_deal"];

fn task_key(text: &str) -> Result<uuid::Uuid, String> {
    uuid::Uuid::try_parse(text)
        .map_err(|_| "no key of a task; copy one from `drumbeat tasks list`".to_owned())
}

fn moment(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "no time; write one such as 2026-03-06T14:00:00Z".to_owned())
}

/// `explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// E-mail address, phone number or CRM id.
    pub(crate) contact: String,
}

/// `tasks`
#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// Lists tasks, the earliest due first; by default the open ones.
    List(TaskListArgs),
    /// Shows one task whole, as it was handed to the CRM.
    Show(TaskKeyArgs),
    /// Marks a task complete.
    Complete(CompleteArgs),
    /// Leaves a touch out; the cadence goes on.
    Skip(TaskKeyArgs),
}

/// `tasks list`
#[derive(Debug, Args)]
pub(crate) struct TaskListArgs {
    /// Only tasks of this owner.
    #[arg(long)]
    pub(crate) owner: Option<OwnerName>,
    /// Only tasks on this channel.
    #[arg(long, value_parser = channel)]
    pub(crate) channel: Option<Channel>,
    /// Only touches in this state, such as scheduled, failed or unknown.
    #[arg(long, value_parser = touch_state)]
    pub(crate) state: Option<TouchState>,
    /// Only tasks of this contact (e-mail address, phone number or CRM id).
    #[arg(long)]
    pub(crate) contact: Option<String>,
    /// Tasks that stay in the CRM, since it refused to take them back or could not for a day.
    #[arg(long, conflicts_with_all = ["owner", "channel", "state", "contact"])]
    pub(crate) left: bool,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

/// A task's key.
#[derive(Debug, Args)]
pub(crate) struct TaskKeyArgs {
    /// The task's key, as `tasks list` shows it.
    #[arg(value_parser = task_key)]
    pub(crate) key: uuid::Uuid,
}

/// `tasks complete`
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    /// The task's key, as `tasks list` shows it.
    #[arg(value_parser = task_key)]
    pub(crate) key: uuid::Uuid,
    /// How it went.
    #[arg(long, default_value = "done", value_parser = clap::builder::PossibleValuesParser::new(OUTCOMES))]
    pub(crate) outcome: String,
}

/// `enroll`
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whom").required(true)))]
pub(crate) struct EnrollArgs {
    /// E-mail address, phone number (+…) or CRM id (crm:… if nobody is known by it yet).
    #[arg(group = "whom")]
    pub(crate) contact: Option<String>,
    /// The cadence to enter. Triggers and audience are skipped, suppression never.
    #[arg(long)]
    pub(crate) cadence: CadenceName,
    /// Many contacts: a file with a header line that names email, phone, crm_id and any fields.
    #[arg(long, value_name = "FILE", group = "whom")]
    pub(crate) csv: Option<PathBuf>,
    /// Only reads the file, and says which lines are invalid or repeated; who would be refused by the cadence is not known then.
    #[arg(long, requires = "csv")]
    pub(crate) dry_run: bool,
    /// Passes over a guard; recorded with your name.
    #[arg(long = "override", value_name = "GUARD", value_parser = clap::builder::PossibleValuesParser::new(GUARDS))]
    pub(crate) overrides: Vec<String>,
}

/// What to pause or resume.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Scope {
    /// An enrollment's id, or a contact (e-mail address, phone number or CRM id): all live enrollments.
    pub(crate) who: Option<String>,
    /// All touches of a cadence.
    #[arg(long)]
    pub(crate) cadence: Option<CadenceName>,
    /// All touches of an owner.
    #[arg(long)]
    pub(crate) owner: Option<OwnerName>,
    /// All touches that go to a connector.
    #[arg(long)]
    pub(crate) connector: Option<ConnectorName>,
    /// The whole workspace.
    #[arg(long)]
    pub(crate) all: bool,
}

/// `pause`
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Until then (RFC 3339), for enrollments; absent: until resumed.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<jiff::Timestamp>,
}

/// `resume`
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) scope: Scope,
}

/// `remove`
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// An enrollment's id, or a contact (e-mail address, phone number or CRM id): all live enrollments.
    pub(crate) who: String,
    /// Why, for the record.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// `suppress`
#[derive(Debug, Args)]
pub(crate) struct SuppressArgs {
    /// E-mail address, phone number (+…) or CRM id (crm:… if nobody is known by it yet).
    pub(crate) contact: String,
    /// Only this channel; absent: all.
    #[arg(long, value_parser = channel)]
    pub(crate) channel: Option<Channel>,
    /// Why, for the record.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// `resubscribe`
#[derive(Debug, Args)]
pub(crate) struct ResubscribeArgs {
    /// E-mail address, phone number (+…) or CRM id (crm:… if nobody is known by it yet).
    pub(crate) contact: String,
    /// Only this channel; absent: all.
    #[arg(long, value_parser = channel)]
    pub(crate) channel: Option<Channel>,
}

/// `quarantine`, `deadletter`
#[derive(Debug, Subcommand)]
pub(crate) enum AsideCommand {
    /// Lists what was set aside, newest first.
    List(AsideListArgs),
    /// Shows one whole.
    Show {
        /// Its number, as `list` shows it.
        id: i64,
    },
    /// Tries again: by number, or all that are listed and were not re-driven yet.
    Redrive(AsideRedriveArgs),
}

/// `… redrive`
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct AsideRedriveArgs {
    /// Numbers, as `list` shows them.
    pub(crate) ids: Vec<i64>,
    /// All that were not re-driven yet.
    #[arg(long)]
    pub(crate) all: bool,
}

/// `… list`
#[derive(Debug, Args)]
pub(crate) struct AsideListArgs {
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// Only those before this number.
    #[arg(long)]
    pub(crate) before: Option<i64>,
}

/// `redrive`
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RedriveArgs {
    /// Keys of failed or unknown touches, as `tasks list --state failed` shows them, or of tasks that stay in the CRM (`tasks list
    /// --left`), which are taken back then.
    #[arg(value_parser = task_key)]
    pub(crate) keys: Vec<uuid::Uuid>,
    /// All failed touches of the workspace.
    #[arg(long)]
    pub(crate) all_failed: bool,
}

/// `dispatch`
#[derive(Debug, Subcommand)]
pub(crate) enum DispatchCommand {
    /// Stops all sending of the deployment at once; nothing is lost.
    Hold,
    /// Lets it go on.
    Release,
    /// Says what is stopped.
    Status,
}

/// `tail`
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Ends after the newest ones instead of following.
    #[arg(long)]
    pub(crate) once: bool,
    /// How many of the newest to begin with.
    #[arg(long, short = 'n', default_value_t = 20)]
    pub(crate) lines: usize,
}
