//! Each mistake in a file, the environment or a flag, and what is said about it.

use super::errors;
use super::lines;
use super::load;
use super::remarks;
use crate::config::Config;
use crate::config::LoadOptions;

/// A file, and the one line that it is refused with.
const REFUSED: &[(&str, &str)] = &[
    // Not TOML at all.
    ("[ingest\nlisten = 1", "error: (drumbeat.toml:1): not TOML: unclosed table, expected `]`"),
    ("data = \"a\"\ndata = \"b\"", "error: (drumbeat.toml:2): not TOML: duplicate key"),
    // Keys that do not exist.
    (
        "[ingset]\nlisten = \"127.0.0.1:1\"",
        "error: ingset (drumbeat.toml:2): there is no such key; did you mean ingest?",
    ),
    (
        "[ingest]\nlistn = \"127.0.0.1:1\"",
        "error: ingest.listn (drumbeat.toml:2): there is no such key; did you mean ingest.listen?",
    ),
    (
        "otlp_endpoint = \"http://x\"",
        "error: otlp_endpoint (drumbeat.toml:1): there is no such key; did you mean telemetry.otlp_endpoint?",
    ),
    ("[clock]\nzzz = 1", "error: clock.zzz (drumbeat.toml:2): there is no such key; known here are speed"),
    (
        "[bus]\ntopics = { partition = 1 }",
        "error: bus.topics.partition (drumbeat.toml:2): there is no such key; did you mean bus.topics.partitions?",
    ),
    (
        "[[sources]]\nname = \"a\"\nprovider = \"typeform\"\nsecret = [\"env:SECRET\"]",
        "error: sources[0].secret (drumbeat.toml:4): there is no such key; did you mean sources[0].secrets?",
    ),
    (
        "[[sources]]\nname = \"a\"\nprovider = \"generic\"\nsecrets = [\"env:SECRET\"]\nverify = { sheme = \"bearer\" }\nmap = { kind = \"/k\" }",
        "error: sources[0].verify.sheme (drumbeat.toml:5): there is no such key; did you mean sources[0].verify.scheme?",
    ),
    (
        "[[sources]]\nname = \"a\"\nprovider = \"generic\"\nsecrets = [\"env:SECRET\"]\nverify = { scheme = \"bearer\" }\n[sources.map]\nkind = \"/k\"\nemial = \"/e\"",
        "error: sources[0].map.emial (drumbeat.toml:8): there is no such key; did you mean sources[0].map.email?",
    ),
    (
        "[[connectors]]\nname = \"crm\"\nkind = \"rest\"\nbase_url = \"https://x.example\"\n[connectors.create]\nurl = \"/x\"",
        "error: connectors[0].create.url (drumbeat.toml:6): there is no such key; did you mean store.url?",
    ),
    (
        "[[connectors]]\nname = \"crm\"\nkind = \"rest\"\nbase_url = \"https://x.example\"\nauth = { barer = \"env:SECRET\" }",
        "error: connectors[0].auth.barer (drumbeat.toml:5): there is no such key; did you mean connectors[0].auth.bearer?",
    ),
    // Values of the wrong form.
    ("data = 5", "error: data (drumbeat.toml:1): expected a path, saw integer 5"),
    (
        "[ingest]\nlisten = \"localhost\"",
        "error: ingest.listen (drumbeat.toml:2): \"localhost\" is no IP address with a port (names are not looked up, ports end at 65535); write one such as \"127.0.0.1:8080\"",
    ),
    (
        "[ingest]\nmax_body = \"lots\"",
        "error: ingest.max_body (drumbeat.toml:2): \"lots\" is not a size; write a number and a unit, such as \"64KiB\" or \"1MiB\"",
    ),
    (
        "[ingest]\nmax_body = true",
        "error: ingest.max_body (drumbeat.toml:2): expected a size such as \"1MiB\" or a number of bytes",
    ),
    (
        "[[sources]]\nname = \"a\"\nprovider = \"typeform\"\nsecrets = [\"env:SECRET\"]\ntolerance = \"never\"",
        "error: sources[0].tolerance (drumbeat.toml:5): \"never\" is not a duration; write a number and a unit, such as \"30s\", \"5m\" or \"14d\", or \"off\"",
    ),
    (
        "[bus]\nretention = { events = \"14 days\" }",
        "error: bus.retention.events (drumbeat.toml:2): \"14 days\" is not a duration; write a number and a unit, such as \"30s\", \"5m\" or \"14d\"",
    ),
    (
        "[bus]\nkind = \"rabbit\"",
        "error: bus.kind (drumbeat.toml:2): unknown variant `rabbit`, expected `embedded` or `kafka`",
    ),
    (
        "[bus]\ntopics = { partitions = 0 }",
        "error: bus.topics.partitions (drumbeat.toml:2): expected a whole number from 1 on, saw integer 0",
    ),
    (
        "[bus]\ngroup = \"My Group\"",
        "error: bus.group (drumbeat.toml:2): \"My Group\" is not a name; use 1 to 63 lower-case letters, digits, \"-\" and \"_\", beginning with a letter or digit",
    ),
    (
        "[clock]\nspeed = -1",
        "error: clock.speed (drumbeat.toml:2): expected a whole number from 1 on, saw integer -1",
    ),
    (
        "[store]\nurl = \"mysql://x\"",
        "error: store.url (drumbeat.toml:2): it names no store; write sqlite://PATH, postgres://USER@HOST/DATABASE, or env:NAME",
    ),
    (
        "[telemetry]\nlog = \"xml\"",
        "error: telemetry.log (drumbeat.toml:2): unknown variant `xml`, expected `human` or `json`",
    ),
    (
        "[limits]\nper_contact = \"3 per week\"",
        "error: limits.per_contact (drumbeat.toml:2): expected a cap such as { max = 3, per = \"7d\", channel = \"email\" }, or a list of them",
    ),
    (
        "[defaults]\nwindow = \"always\"",
        "error: defaults.window (drumbeat.toml:2): expected \"any\", or { days = [\"mon\", …], from = \"09:00\", to = \"17:30\" }, or a list of such",
    ),
    (
        "[sources]\nname = \"a\"",
        "error: sources (drumbeat.toml:2): this is a list of tables; write [[sources]]",
    ),
    ("[[sources]]\nprovider = \"typeform\"", "error: sources[0] (drumbeat.toml:1): the key name is missing"),
    (
        "[[sources]]\nname = \"a\"\nprovider = \"typeform\"\nsecrets = [\"env:SECRET\"]\nrate = { requests = 5 }",
        "error: sources[0].rate (drumbeat.toml:5): the key per is missing",
    ),
    (
        "[[connectors]]\nname = \"crm\"\nkind = \"rest\"\nbase_url = \"https://x.example\"\nidempotency = \"hope\"",
        "error: connectors[0].idempotency (drumbeat.toml:5): unknown variant `hope`, expected one of `key`, `lookup`, `none`",
    ),
    (
        "[[connectors]]\nname = \"crm\"\nkind = \"rest\"\nbase_url = \"https://x.example\"\nwithdraw = \"yes\"",
        "error: connectors[0].withdraw (drumbeat.toml:5): expected true, false or a request such as { method = \"POST\", path = \"/tasks/{{ id }}/close\" }",
    ),
    // Secrets written out are refused and not repeated.
    (
        "[security]\nkeys = [\"hunter2\"]",
        "error: security.keys[0] (drumbeat.toml:2): a secret is written out here; put it into an environment variable and write \"env:NAME\", or into a file and write \"file:PATH\"",
    ),
    (
        "[security]\nkeys = \"hunter2\"",
        "error: security.keys (drumbeat.toml:2): expected a list, such as [\"one\", \"two\"]",
    ),
    (
        "[[sources]]\nname = \"a\"\nprovider = \"typeform\"\nsecrets = [\"hunter2\"]",
        "error: sources[0].secrets[0] (drumbeat.toml:4): a secret is written out here; put it into an environment variable and write \"env:NAME\", or into a file and write \"file:PATH\"",
    ),
    (
        "[[connectors]]\nname = \"crm\"\nkind = \"rest\"\nbase_url = \"https://x.example\"\nauth = \"hunter2\"",
        "error: connectors[0].auth (drumbeat.toml:5): expected one of `bearer`, `basic`, `header`",
    ),
    (
        "[[connectors]]\nname = \"crm\"\nkind = \"rest\"\nbase_url = \"https://x.example\"\nauth = { bearer = \"hunter2\" }",
        "error: connectors[0].auth.bearer (drumbeat.toml:5): a secret is written out here; put it into an environment variable and write \"env:NAME\", or into a file and write \"file:PATH\"",
    ),
    (
        "[bus]\noptions = { \"sasl.password\" = \"hunter2\" }",
        "error: bus.options (drumbeat.toml:2): sasl.password: a secret is written out here; put it into an environment variable and write \"env:NAME\", or into a file and write \"file:PATH\"",
    ),
    ("[bus]\noptions = [\"hunter2\"]", "error: bus.options (drumbeat.toml:2): expected a table of keys"),
    ("sources = [\"hunter2\"]", "error: sources[0] (drumbeat.toml:1): expected a table of keys"),
];

#[test]
fn each_mistake_in_a_file_has_its_place_and_its_remedy() {
    let mut wrong = String::new();
    for (toml, expected) in REFUSED {
        let found = load(toml).map(|_| ()).map_err(|findings| lines(&findings));

        if found != Err(vec![(*expected).to_owned()]) {
            wrong += &format!("\n{toml}\n  expected {expected:?}\n  found    {found:?}\n");
        }
        assert!(!expected.contains("hunter2"));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let found = remarks(
        "[ingest]\nlistn = \"x\"\nmax_body = \"x\"\n[bus]\nkind = \"x\"\n[[sources]]\nname = \"A\"\n[[sources]]\nname = \"B\"",
    );

    let keys: Vec<&str> = found.iter().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect();
    assert_eq!(keys, ["ingest.listn", "ingest.max_body", "bus.kind", "sources[0].name", "sources[1].name"]);
}

#[test]
fn variables_that_are_no_key_are_refused_with_the_name_that_was_meant() {
    for (name, expected) in [
        (
            "DRUMBEAT__INGEST__LISTN",
            "error: ingest.listn (DRUMBEAT__INGEST__LISTN): there is no such key; did you mean DRUMBEAT__INGEST__LISTEN?",
        ),
        (
            "DRUMBEAT__STORE_URL",
            "error: store_url (DRUMBEAT__STORE_URL): there is no such key; did you mean DRUMBEAT__STORE__URL?",
        ),
        ("DRUMBEAT__XYZZY", "error: xyzzy (DRUMBEAT__XYZZY): there is no such key"),
        (
            "DRUMBEAT__SOURCES__0__NAME",
            "error: sources.0.name (DRUMBEAT__SOURCES__0__NAME): what is in the list sources can only be written in the file",
        ),
    ] {
        let findings = Config::load(&LoadOptions::bare("/").env(name, "x")).expect_err(name);

        assert_eq!(lines(&findings.0), [expected]);
    }
}

#[test]
fn a_variable_with_single_underscores_is_remarked() {
    let config =
        Config::load(&LoadOptions::bare("/").env("DRUMBEAT_INGEST_LISTEN", "0.0.0.0:1")).expect("it loads");

    assert_eq!(
        lines(&config.check()),
        [
            "warning: (DRUMBEAT_INGEST_LISTEN): this variable is not read; did you mean DRUMBEAT__INGEST__LISTEN?"
        ]
    );
    assert_eq!(errors(&config), []);
}

#[test]
fn flags_that_are_no_key_or_no_value_are_refused() {
    for (key, value, expected) in [
        (
            "ingest.listn",
            "x",
            "error: ingest.listn (flag): there is no such key; did you mean ingest.listen?",
        ),
        (
            "admin.listen",
            "x",
            "error: admin.listen (flag): \"x\" is no IP address with a port (names are not looked up, ports end at 65535); write one such as \"127.0.0.1:8080\"",
        ),
        (
            "dispatch.enabled",
            "maybe",
            "error: dispatch.enabled (flag): expected true or false, saw string \"maybe\"",
        ),
    ] {
        let findings = Config::load(&LoadOptions::bare("/").set(key, value)).expect_err(key);

        assert_eq!(lines(&findings.0), [expected]);
    }
}
