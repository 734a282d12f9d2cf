//! What the command line says when something is wrong, and with which code it ends.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use testkit::addresses::free_address;

const FORMS: &str = r#"
[[sources]]
name = "forms"
provider = "generic"
secrets = ["env:FORMS_SECRET"]
verify = { scheme = "hmac-sha256", header = "X-Signature", encoding = "hex", prefix = "sha256=" }
[sources.map]
kind = { const = "form_submitted" }
email = "/email"
"#;

fn drumbeat(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drumbeat"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("FORMS_SECRET", "00112233445566778899aabbccddeeff");
    command
}

/// A folder with a configuration.
fn folder(configuration: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("drumbeat.toml"), configuration).unwrap();
    folder
}

fn run(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    told(&drumbeat(folder.path(), arguments).output().unwrap())
}

fn told(out: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

/// `drumbeat up`, ended with the test.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_kind_that_does_not_exist_is_refused_where_it_is_written() {
    let folder = folder(&FORMS.replace("form_submitted", "form_submited"));

    for command in [&["config", "check"][..], &["up"]] {
        let (code, out, err) = run(&folder, command);

        let said = out + &err;
        assert_eq!(code, 1, "{command:?}: {said}");
        assert!(said.contains("sources[0] ("), "{command:?}: {said}");
        assert!(said.contains("did you mean \"form_submitted\"?"), "{command:?}: {said}");
    }
}

#[test]
fn a_secret_that_can_be_guessed_is_remarked() {
    let folder = folder(FORMS);

    let out = drumbeat(folder.path(), &["config", "check"]).env("FORMS_SECRET", "abc").output().unwrap();

    let (code, out, _) = told(&out);
    assert_eq!(code, 0, "a remark keeps nothing from starting");
    assert!(
        out.contains("warning: sources[0].secrets[0]") && out.contains("shorter than 16 characters"),
        "{out}"
    );
}

#[test]
fn one_role_alone_on_embedded_adapters_is_refused() {
    let folder = folder(FORMS);

    for (role, wanted) in [
        ("ingest", &["bus.kind"][..]),
        ("enrollment", &["bus.kind", "store.url"]),
        ("dispatcher", &["bus.kind", "store.url"]),
    ] {
        let (code, _, err) = run(&folder, &[role]);

        assert_eq!(code, 1, "{role}: {err}");
        assert!(wanted.iter().all(|key| err.contains(key)) && err.contains("drumbeat up"), "{role}: {err}");
    }
    assert!(!folder.path().join("drumbeat-data").exists(), "nothing is made for a refused start");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let folder = folder(FORMS);

    let out = drumbeat(folder.path(), &["config", "check"]).env("DRUMBEAT_CONFIG", "").output().unwrap();

    assert_eq!(told(&out).0, 0, "{out:?}");
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let folder = folder(FORMS);

    let (code, _, err) = run(&folder, &["config", "check", "--config", "other.toml"]);

    assert_eq!(code, 1);
    assert!(err.contains("other.toml cannot be read"), "{err}");
}

#[test]
fn only_what_exists_can_be_paused() {
    let folder = folder(FORMS);

    for (option, name) in [("--cadence", "inbuond"), ("--connector", "crn")] {
        let (code, out, err) = run(&folder, &["pause", option, name]);

        assert_eq!(code, 1, "{out}{err}");
        assert!(err.contains(&format!("there is no {} {name}", &option[2..])), "{err}");
    }
    let (code, out, _) = run(&folder, &["dispatch", "status"]);
    assert_eq!((code, out.as_str()), (0, "everything may be sent\n"));
}

#[test]
fn a_database_that_is_not_there_is_named_with_the_reason() {
    let folder = folder(FORMS);
    let nowhere = free_address();

    let store = format!("store.url=postgres://nobody@{nowhere}/none");
    let mut command = drumbeat(folder.path(), &["tasks", "list", "--set", &store]);
    let key = "7b".repeat(32);
    let out = command.env("KEY", &key).env("DRUMBEAT__SECURITY__KEYS", "env:KEY").output().unwrap();

    let (code, out, err) = told(&out);
    assert_eq!(code, 3, "{out}{err}");
    assert!(err.contains(&format!("PostgreSQL at {nowhere}")) && err.contains("refused"), "{err}");
}

#[test]
fn a_file_that_is_no_store_is_said_to_be_none() {
    let folder = folder(FORMS);
    std::fs::write(folder.path().join("letter.db"), "Dear reader, this is a letter.\n".repeat(200)).unwrap();

    let (code, out, err) = run(&folder, &["tasks", "list", "--set", "store.url=sqlite://letter.db"]);

    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("the file is no SQLite database"), "{err}");
}

#[test]
fn nobody_enters_a_cadence_that_is_not_there() {
    let folder = folder(FORMS);
    std::fs::write(folder.path().join("people.csv"), "email\nada@example.com\n").unwrap();

    for whom in [&["ada@example.com"][..], &["--csv", "people.csv"]] {
        let (code, out, err) = run(&folder, &[&["enroll", "--cadence", "trail"], whom].concat());

        assert_eq!(code, 1, "{out}{err}");
        assert!(err.contains("there is no cadence trail in workspace main"), "{err}");
    }
    assert_eq!(run(&folder, &["explain", "ada@example.com"]).0, 1, "nobody was made for it");
}

#[test]
fn a_mistyped_address_is_not_stopped_in_its_owners_place() {
    let folder = folder(FORMS);

    for command in [&["suppress"][..], &["resubscribe"]] {
        let (code, out, err) = run(&folder, &[command, &["ada.example.com"]].concat());

        assert_eq!(code, 2, "{out}{err}");
        assert!(err.contains("write crm:ada.example.com"), "{err}");
    }
    let (code, out, err) = run(&folder, &["suppress", "crm:0035g00000"]);
    assert_eq!(code, 0, "{out}{err}");
    for known in ["0035g00000", "crm:0035g00000"] {
        let (code, out, err) = run(&folder, &["explain", known]);
        assert!(code == 0 && out.contains("STOPPED"), "{known}: {out}{err}");
    }
    assert_eq!(
        run(&folder, &["suppress", "0035g00000", "--channel", "email"]).0,
        0,
        "somebody is known by it"
    );
}

#[test]
fn a_pause_that_is_over_is_none() {
    let folder = folder(FORMS);

    let (code, _, err) = run(&folder, &["pause", "ada@example.com", "--until", "2020-01-01T00:00:00Z"]);

    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--until is over already"), "{err}");
}

#[test]
fn a_misspelt_workspace_or_owner_is_remarked_and_never_resumed() {
    let folder = folder(FORMS);

    let (code, _, err) = run(&folder, &["tasks", "list", "--workspace", "mian"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("nothing is stored in workspace mian") && err.contains("did you mean main?"),
        "{err}"
    );
    let (_, _, err) = run(&folder, &["tasks", "list"]);
    assert!(!err.contains("workspace"), "{err}");

    let (code, _, err) = run(&folder, &["pause", "--all", "--workspace", "mian"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("there is no workspace mian") && err.contains("there are: main"), "{err}");

    let (code, _, err) = run(&folder, &["pause", "--owner", "rep@ours.com"]);
    assert_eq!(code, 0, "an owner may be paused ahead: {err}");
    assert!(err.contains("has the owner rep@ours.com yet"), "{err}");
    let (code, _, err) = run(&folder, &["resume", "--owner", "rpe@ours.com"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("there is no owner rpe@ours.com"), "{err}");
    let (code, _, err) = run(&folder, &["resume", "--owner", "rep@ours.com"]);
    assert_eq!(code, 0, "{err}");

    let (_, _, err) = run(&folder, &["tasks", "list", "--owner", "rep@ours.com"]);
    assert!(err.contains("has the owner rep@ours.com; there are none"), "{err}");
}

#[test]
fn a_misspelt_outcome_or_guard_is_refused_before_anything_is_opened() {
    let folder = folder(FORMS);
    let key = "1427886c-0fa0-5c7c-8386-48ee554d1b0a";

    for (arguments, known) in [
        (&["tasks", "complete", key, "--outcome", "conected"][..], "connected"),
        (&["enroll", "ada@example.com", "--cadence", "trial", "--override", "reentyr"], "reentry"),
        (&["tasks", "show", "T-1"], "drumbeat tasks list"),
        (&["pause", "ada@example.com", "--until", "tomorrow"], "2026-03-06T14:00:00Z"),
    ] {
        let (code, _, err) = run(&folder, arguments);

        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.contains(known), "{arguments:?}: {err}");
    }
    assert!(!folder.path().join("drumbeat-data").exists());
}

#[test]
fn a_new_store_is_remarked_since_it_may_be_the_wrong_folder() {
    let folder = folder(FORMS);

    let (code, out, first) = run(&folder, &["tasks", "list"]);
    let (_, _, second) = run(&folder, &["tasks", "list"]);

    assert_eq!((code, out.as_str()), (0, "no such tasks\n"));
    assert!(first.contains("is new and empty"), "{first}");
    assert_eq!(second, "");
}

#[test]
fn lint_counts_and_refuses_to_check_nothing() {
    let folder = folder(FORMS);
    let template = "apiVersion: drumbeat/v1\nkind: Template\nmetadata: { name: t }\nspec: { channel: email, subject: s, text: t }\n";
    std::fs::write(folder.path().join("one.yaml"), template).unwrap();
    std::fs::write(folder.path().join("none.yaml"), "# nothing yet\n").unwrap();

    let (code, out, _) = run(&folder, &["lint", "one.yaml"]);
    assert_eq!((code, out.as_str()), (0, "1 document, 0 errors, 0 warnings\n"));

    let (code, _, err) = run(&folder, &["lint", "none.yaml"]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no document"), "{err}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let folder = folder(FORMS);

    for arguments in [&["completions", "bash"][..], &["schema"], &["config", "show"]] {
        let mut child =
            drumbeat(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());

        let (_, _, err) = told(&child.wait_with_output().unwrap());

        assert_eq!(err, "", "{arguments:?}");
    }
}

#[test]
fn health_tells_nobody_from_ready() {
    let (ingest, admin) = (free_address(), free_address());
    let folder = folder(&format!("[ingest]\nlisten = \"{ingest}\"\n[admin]\nlisten = \"{admin}\"\n"));

    let (code, _, err) = run(&folder, &["health"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains(&admin) && err.contains("drumbeat up"), "{err}");

    let up =
        Up(drumbeat(folder.path(), &["up"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let (code, out, err) = run(&folder, &["health", "--wait", "60"]);
    assert_eq!((code, out.as_str()), (0, "ready\n"), "{err}");
    let (code, out, _) = run(&folder, &["health", "--alive"]);
    assert_eq!((code, out.as_str()), (0, "alive\n"));

    drop(up);
    assert_eq!(run(&folder, &["health"]).0, 3);
}

#[test]
fn a_second_process_on_a_data_folder_and_a_port_in_use_say_which() {
    let (ingest, admin) = (free_address(), free_address());
    let folder = folder(&format!("[ingest]\nlisten = \"{ingest}\"\n[admin]\nlisten = \"{admin}\"\n"));
    let up =
        Up(drumbeat(folder.path(), &["up"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    assert_eq!(run(&folder, &["health", "--wait", "60"]).0, 0);

    let (code, _, err) = run(&folder, &["up"]);
    assert_eq!(code, 1);
    assert!(err.contains("in use by another process") && err.contains(&up.0.id().to_string()), "{err}");

    let (code, _, err) = run(&folder, &["up", "--set", "data=other"]);
    assert_eq!(code, 1);
    assert!(err.contains("admin.listen") && err.contains("is another process there?"), "{err}");

    let (code, _, err) = run(&folder, &["up", "--set", "data=other", "--set", "admin.listen=192.0.2.1:8085"]);
    assert_eq!(code, 1);
    assert!(err.contains("this machine has no such address") && !err.contains("another process"), "{err}");

    let free = format!("admin.listen={}", free_address());
    let (code, _, err) = run(&folder, &["up", "--set", "data=other", "--set", &free]);
    assert_eq!(code, 1);
    assert!(err.contains("ingest.listen") && err.contains("is another process there?"), "{err}");
}
