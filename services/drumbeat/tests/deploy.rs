//! What lies under `deploy/` is sound: its configurations pass the check of the binary that they are for, and fit to the
//! files beside them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Where secrets are in the containers of Compose.
const SECRETS: &str = "/run/secrets/";

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap()
}

/// The names of the secrets that a configuration asks for.
fn secrets_of(configuration: &str) -> Vec<String> {
    let asked = configuration.lines().filter(|line| !line.trim_start().starts_with('#'));
    let names = asked.flat_map(|line| line.split(SECRETS).skip(1));
    names.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The block of a service, or of anything else at that depth.
fn block<'t>(compose: &'t str, name: &str) -> &'t str {
    let begin =
        compose.find(&format!("\n  {name}:\n")).unwrap_or_else(|| panic!("compose.yaml has no {name}"));
    let rest = &compose[begin + 1..];
    let end = rest
        .match_indices("\n  ")
        .map(|(at, _)| at)
        .find(|at| !rest[at + 3..].starts_with([' ', '#', '-']))
        .unwrap_or(rest.len());
    &rest[..end]
}

/// Runs `drumbeat config check` on a copy of a configuration in a folder that has its secrets.
fn check(configuration: &str) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    for name in secrets_of(configuration) {
        let value = match name.as_str() {
            "store_url" => "postgres://drumbeat:secret@postgres/drumbeat",
            _ => "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        };
        std::fs::write(secrets.join(name), value).unwrap();
    }
    let here = format!("{}/", secrets.display());
    std::fs::write(folder.path().join("drumbeat.toml"), configuration.replace(SECRETS, &here)).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_drumbeat"))
        .args(["config", "check", "--config", "drumbeat.toml"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    (
        out.status.success(),
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr),
    )
}

#[test]
fn every_configuration_under_deploy_is_sound() {
    for path in ["docker/drumbeat.toml", "compose/drumbeat.toml", "systemd/drumbeat.toml"] {
        let (sound, said) = check(&text(path));

        assert!(sound, "{path}: {said}");
        assert_eq!(said, "the configuration is sound\n", "{path}");
    }
}

#[test]
fn what_an_example_leaves_to_uncomment_is_sound_too() {
    for path in ["compose/drumbeat.toml", "systemd/drumbeat.toml"] {
        let commented = text(path);
        let begin = commented.find("# [[").unwrap();
        let uncommented = commented[begin..].replace("\n# ", "\n");
        let whole = format!("{}{}", &commented[..begin], uncommented.strip_prefix("# ").unwrap())
            .replace("env:WEBSITE_FORMS_SECRET", "file:/run/secrets/website_forms");

        let (sound, said) = check(&whole);

        assert!(sound, "{path}: {said}");
    }
}

#[test]
fn compose_runs_every_role_and_hands_each_the_secrets_that_it_needs() {
    let compose = text("compose/compose.yaml");
    let all = secrets_of(&text("compose/drumbeat.toml"));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let needs = [
        ("ingest", &["website_forms"][..]),
        ("enrollment", &["store_url", "drumbeat_key"]),
        ("dispatcher", &["store_url", "drumbeat_key"]),
        ("migrate", &["store_url"]),
        ("topics", &[]),
        ("cli", &all),
    ];
    for (service, secrets) in needs {
        let block = block(&compose, service);
        for secret in secrets {
            assert!(block.contains(secret), "{service} lacks {secret}:\n{block}");
        }
        if service != "cli" {
            assert!(block.contains(&format!("command: [{service}]")), "{block}");
        }
    }
    assert!(!block(&compose, "ingest").contains("store_url"), "ingest has no database");
}

#[test]
fn every_secret_of_the_configuration_is_made_and_mounted() {
    let (compose, script) = (text("compose/compose.yaml"), text("compose/secrets.sh"));
    for name in secrets_of(&text("compose/drumbeat.toml")) {
        assert!(compose.contains(&format!("\n  {name}: {{ file: ./secrets/{name} }}\n")), "{name}");
        assert!(script.contains(&format!("\nmake {name} ")), "{name}");
    }
}

#[test]
fn units_and_containers_are_given_the_time_that_a_role_takes_to_end() {
    // 7 s to drain, 1 s after the hard stop, 1 s for the admin port (runtime::lifecycle).
    let budget = runtime::lifecycle::Budget::default();
    let needed = (budget.drain + budget.hard + budget.support).as_secs();
    let given = |text: &str, key: &str| -> u64 {
        let at = text.find(key).unwrap_or_else(|| panic!("{key}"));
        let digits: String = text[at + key.len()..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };

    assert!(given(&text("systemd/drumbeat.service"), "TimeoutStopSec=") > needed);
    assert!(given(&text("compose/compose.yaml"), "stop_grace_period: ") > needed);
}
