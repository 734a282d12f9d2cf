//! Configurations that load and are wrong as a whole.

use super::load;
use super::remarks;
use crate::config::Role;
use crate::config::Severity;

/// A source that is right.
const FORMS: &str = "[[sources]]\nname = \"forms\"\nprovider = \"typeform\"\nsecrets = [\"env:SECRET\"]\n";

/// A generic source that is right.
const PARTNER: &str = "[[sources]]\nname = \"partner\"\nprovider = \"generic\"\nsecrets = [\"env:SECRET\"]\nverify = { scheme = \"bearer\" }\nmap = { kind = \"/kind\", email = \"/email\" }\n";

/// A connector that is right.
const CRM: &str =
    "[[connectors]]\nname = \"crm\"\nkind = \"rest\"\nbase_url = \"https://crm.example.com/api\"\n";

/// PostgreSQL with a key.
const POSTGRES: &str =
    "[store]\nurl = \"postgres://drumbeat@db/drumbeat\"\n[security]\nkeys = [\"env:KEY\"]\n";

#[test]
fn what_is_right_has_no_findings() {
    for toml in [
        FORMS,
        PARTNER,
        CRM,
        POSTGRES,
        "",
        "[defaults]\nwindow = \"any\"",
        "[ingest]\nlisten = \"127.0.0.1:0\"",
    ] {
        assert_eq!(remarks(toml), [""; 0], "{toml}");
    }
}

/// What is appended to a right text, and the start of the one finding.
fn wrong() -> Vec<(String, &'static str)> {
    let add = |base: &str, line: &str| format!("{base}{line}\n");
    vec![
        // Ports.
        (
            add("", "[ingest]\nlisten = \"0.0.0.0:8099\""),
            "error: admin.listen (default): the port 8099 is ingest.listen's already",
        ),
        (
            add("", "[console]\nlisten = \"0.0.0.0:8090\""),
            "warning: console.listen (drumbeat.toml:2): the console is reachable from other machines",
        ),
        // Store, keys, clock.
        (
            add("", "[store]\nurl = \"postgres://drumbeat@db/drumbeat\""),
            "error: security.keys (default): with PostgreSQL a key is needed",
        ),
        (
            add(
                "",
                "[store]\nurl = \"postgres://drumbeat:hunter2@db/drumbeat\"\n[security]\nkeys = [\"env:KEY\"]",
            ),
            "error: store.url (drumbeat.toml:2): the URL holds a password; put the URL into a variable",
        ),
        (
            add("", "[store]\nurl = \"postgres://db\"\n[security]\nkeys = [\"env:KEY\"]"),
            "error: store.url (drumbeat.toml:2): it names no database",
        ),
        (
            add("", "[store]\nurl = \"postgres:///drumbeat\"\n[security]\nkeys = [\"env:KEY\"]"),
            "error: store.url (drumbeat.toml:2): it names no host",
        ),
        (
            add("", "[store]\nurl = \"sqlite://:memory:\""),
            "error: store.url (drumbeat.toml:2): an embedded store needs a file",
        ),
        (
            add("", "[store]\nurl = \"env:NOPE\""),
            "error: store.url (drumbeat.toml:2): the environment variable NOPE is not set",
        ),
        (
            add("", "[store]\nurl = \"env:SECRET\""),
            "error: store.url (drumbeat.toml:2): it names no store; it must begin with sqlite:// or postgres://",
        ),
        (
            add("", "[store]\nkeep = \"0s\""),
            "error: store.keep (drumbeat.toml:2): it must be longer than nothing",
        ),
        (
            add(POSTGRES, "[clock]\nspeed = 60"),
            "error: clock.speed (drumbeat.toml:6): only the embedded store can run on a fast clock",
        ),
        (
            add("", "[security]\nkeys = [\"env:SECRET\"]"),
            "error: security.keys[0] (drumbeat.toml:2): env:SECRET is not a key: write 32 bytes in base64 or hex",
        ),
        (
            add("", "[security]\nkeys = [\"env:KEY\", \"env:KEY\"]"),
            "error: security.keys[1] (drumbeat.toml:2): this key stands in the list twice",
        ),
        (
            add("", "[security]\nkeys = [\"env:NOPE\"]"),
            "error: security.keys[0] (drumbeat.toml:2): the environment variable NOPE is not set",
        ),
        // Bus.
        (
            add("", "[bus]\nkind = \"kafka\""),
            "error: bus.brokers (default): with kind = \"kafka\" brokers are needed",
        ),
        (
            add("", "[bus]\nkind = \"kafka\"\nbrokers = [\"kafka\"]"),
            "error: bus.brokers[0] (drumbeat.toml:3): \"kafka\" is no broker; write \"host:port\"",
        ),
        (
            add("", "[bus]\nretention = { events = \"0d\" }"),
            "error: bus.retention.events (drumbeat.toml:2): it must be longer than nothing",
        ),
        (
            add("", "[bus]\noptions = { \"enable.auto.commit\" = true }"),
            "error: bus.options.\"enable.auto.commit\" (drumbeat.toml:2): Drumbeat sets this itself",
        ),
        (
            add("", "[bus]\noptions = { \"message.max.bytes\" = 1000000 }"),
            "error: bus.options.\"message.max.bytes\" (drumbeat.toml:2): 1000000 is too small; it must be at least 2MiB",
        ),
        (
            add("", "[bus]\noptions = { \"sasl.password\" = \"env:NOPE\" }"),
            "error: bus.options.\"sasl.password\" (drumbeat.toml:2): the environment variable NOPE is not set",
        ),
        (
            add(FORMS, "max_body = \"10MiB\""),
            "error: bus.topics.max_message (default): 4MiB is too small; it must be at least 20MiB, twice sources[0].max_body (10MiB), so that every accepted body fits",
        ),
        (
            add("", "[ingest]\nmax_body = \"3MiB\""),
            "error: bus.topics.max_message (default): 4MiB is too small; it must be at least 6MiB, twice ingest.max_body",
        ),
        // Telemetry, dispatch.
        (
            add("", "[telemetry]\nfilter = \"loud=verbose=x\""),
            "error: telemetry.filter (drumbeat.toml:2): this is not a filter",
        ),
        (
            add("", "[telemetry]\nsample = 1.5"),
            "error: telemetry.sample (drumbeat.toml:2): the share must lie between 0.0 and 1.0",
        ),
        (
            add("", "[telemetry]\notlp_endpoint = \"collector:4318\""),
            "error: telemetry.otlp_endpoint (drumbeat.toml:2): the scheme must be https or http",
        ),
        (
            add("", "[dispatch]\nenabled = false"),
            "warning: dispatch.enabled (drumbeat.toml:2): nothing is sent until this is true again",
        ),
        (
            add("", "[dispatch]\npoll = \"0s\""),
            "error: dispatch.poll (drumbeat.toml:2): it must be longer than nothing",
        ),
        (
            add("", "[dispatch]\nconnect_timeout = \"1m\""),
            "error: dispatch.connect_timeout (drumbeat.toml:2): it must not be longer than dispatch.timeout",
        ),
        // Limits, defaults.
        (
            add("", "[limits]\nper_contact = [{ max = 3, per = \"week\" }]"),
            "error: limits.per_contact[0].per (drumbeat.toml:2): \"week\" is not a period",
        ),
        (
            add("", "[limits]\nper_contact = [{ max = 3, per = \"7d\", channel = \"emial\" }]"),
            "error: limits.per_contact[0].channel (drumbeat.toml:2): there is no channel \"emial\"; did you mean \"email\"?",
        ),
        (
            add("", "[defaults]\nzone = \"Europe/Berlim\""),
            "error: defaults.zone (drumbeat.toml:2): there is no time zone \"Europe/Berlim\"; did you mean \"Europe/Berlin\"?",
        ),
        (
            add("", "[defaults]\nzone = \"Mars/Olympus\""),
            "error: defaults.zone (drumbeat.toml:2): there is no time zone \"Mars/Olympus\"",
        ),
        (
            add("", "[defaults]\nwindow = { days = [\"monday\"], from = \"09:00\", to = \"17:00\" }"),
            "error: defaults.window.days (drumbeat.toml:2): \"monday\" is no day",
        ),
        (
            add("", "[defaults]\nwindow = { days = [], from = \"09:00\", to = \"17:00\" }"),
            "error: defaults.window.days (drumbeat.toml:2): no day is named",
        ),
        (
            add("", "[defaults]\nwindow = { from = \"9\" }"),
            "error: defaults.window.from (drumbeat.toml:2): \"9\" is no time of day",
        ),
        (
            add("", "[defaults]\nwindow = { from = \"18:00\" }"),
            "error: defaults.window (drumbeat.toml:2): it opens at 18:00 and closes at 17:30",
        ),
        (
            add("", "[defaults]\nwindow = []"),
            "error: defaults.window (drumbeat.toml:2): no touch could ever fall due",
        ),
        // Sources.
        (
            format!("{FORMS}{FORMS}"),
            "error: sources[1].name (drumbeat.toml:6): sources[0] is called \"forms\" already",
        ),
        (
            FORMS.replace("typeform", "typefrom"),
            "error: sources[0].provider (drumbeat.toml:3): there is no provider \"typefrom\"; did you mean \"typeform\"?",
        ),
        (
            FORMS.replace("typeform", "hotdog"),
            "error: sources[0].provider (drumbeat.toml:3): there is no provider \"hotdog\"; known are generic,",
        ),
        (
            FORMS.replace("\"env:SECRET\"", ""),
            "error: sources[0].secrets (drumbeat.toml:4): there is no secret to verify deliveries with",
        ),
        (
            FORMS.replace("env:SECRET", "env:NOPE"),
            "error: sources[0].secrets[0] (drumbeat.toml:4): the environment variable NOPE is not set",
        ),
        (
            FORMS.replace("env:SECRET", "file:nope"),
            "error: sources[0].secrets[0] (drumbeat.toml:4): the file ",
        ),
        (
            add(FORMS, "allow_unsigned = true"),
            "error: sources[0].allow_unsigned (drumbeat.toml:5): there are secrets and deliveries are taken without them",
        ),
        (
            add(&FORMS.replace("secrets = [\"env:SECRET\"]\n", ""), "allow_unsigned = true"),
            "warning: sources[0].allow_unsigned (drumbeat.toml:4): anybody who knows the URL can enroll and stop contacts",
        ),
        (
            add(FORMS, "tolerance = \"off\""),
            "warning: sources[0].tolerance (drumbeat.toml:5): there is no replay window",
        ),
        (
            add(FORMS, "tolerance = \"0s\""),
            "error: sources[0].tolerance (drumbeat.toml:5): no delivery could be in time",
        ),
        (
            add("", "[ingest]\nmax_body = 0"),
            "error: ingest.max_body (drumbeat.toml:2): no delivery could be taken",
        ),
        (
            add(FORMS, "max_body = 0"),
            "error: sources[0].max_body (drumbeat.toml:5): no delivery could be taken",
        ),
        (
            add(FORMS, "rate = { requests = 1, per = \"0s\" }"),
            "error: sources[0].rate.per (drumbeat.toml:5): it must be longer than nothing",
        ),
        (
            add(FORMS, "public_url = \"hooks.example.com\""),
            "error: sources[0].public_url (drumbeat.toml:5): this is not a URL",
        ),
        (
            add(FORMS, "public_url = \"https://hooks.example.com/x\""),
            "warning: sources[0].public_url (drumbeat.toml:5): it does not end in /hooks/forms",
        ),
        (
            FORMS.replace("typeform", "cloudevents"),
            "error: sources[0].verify (drumbeat.toml:1): a cloudevents source says how it is verified",
        ),
        (
            PARTNER.replace("verify = { scheme = \"bearer\" }\n", ""),
            "error: sources[0].verify (drumbeat.toml:1): a generic source says how it is verified",
        ),
        (
            PARTNER.replace("map = ", "# "),
            "error: sources[0].map (drumbeat.toml:1): a generic source needs a mapping",
        ),
        // Connectors.
        (
            format!("{CRM}{CRM}"),
            "error: connectors[1].name (drumbeat.toml:6): connectors[0] is called \"crm\" already",
        ),
        (
            CRM.replace("rest", "soap"),
            "error: connectors[0].kind (drumbeat.toml:3): there is no connector kind \"soap\"; known are rest, inbox",
        ),
        (
            CRM.replace("base_url", "# base_url"),
            "error: connectors[0].base_url (drumbeat.toml:1): it is missing",
        ),
        (CRM.replace("https://", ""), "error: connectors[0].base_url (drumbeat.toml:4): this is not a URL"),
        (
            CRM.replace("https://", "https://me:hunter2@"),
            "error: connectors[0].base_url (drumbeat.toml:4): it carries credentials",
        ),
        (
            CRM.replace("/api", "/api?v=1"),
            "error: connectors[0].base_url (drumbeat.toml:4): paths are added to it",
        ),
        (
            CRM.replace("https://crm.example.com", "http://127.0.0.1:9000"),
            "error: connectors[0].base_url (drumbeat.toml:4): this is an address of a private network",
        ),
        (
            add(&CRM.replace("https", "http"), "auth = { bearer = \"env:SECRET\" }"),
            "warning: connectors[0].base_url (drumbeat.toml:4): credentials would travel unencrypted",
        ),
        (
            add(CRM, "auth = { bearer = \"env:NOPE\" }"),
            "error: connectors[0].auth (drumbeat.toml:5): the environment variable NOPE is not set",
        ),
        (
            add(CRM, "auth = { header = { name = \"X Key\", value = \"env:SECRET\" } }"),
            "error: connectors[0].auth.header.name (drumbeat.toml:5): \"X Key\" is no header name",
        ),
        (
            add(CRM, "delivers = [\"fax\"]"),
            "error: connectors[0].delivers (drumbeat.toml:5): there is no channel \"fax\"",
        ),
        (
            add(CRM, "idempotency = \"lookup\""),
            "error: connectors[0].lookup (drumbeat.toml:1): idempotency = \"lookup\" needs the request",
        ),
        (
            add(CRM, "lookup = { path = \"/t\", id = \"/id\" }"),
            "warning: connectors[0].lookup (drumbeat.toml:5): it is used only with",
        ),
        (
            add(CRM, "idempotency = \"lookup\"\nlookup = { path = \"t\", id = \"/id\" }"),
            "error: connectors[0].lookup.path (drumbeat.toml:6): it is added to base_url and begins with /",
        ),
        (
            add(CRM, "idempotency = \"lookup\"\nlookup = { path = \"/t\", id = \"id\" }"),
            "error: connectors[0].lookup.id (drumbeat.toml:6): \"id\" is no JSON pointer",
        ),
        (
            add(CRM, "create = { method = \"SEND\" }"),
            "error: connectors[0].create.method (drumbeat.toml:5): \"SEND\" is no method",
        ),
        (
            add(CRM, "create = { headers = { Authorization = \"x\" } }"),
            "error: connectors[0].create.headers.Authorization (drumbeat.toml:5): credentials belong into auth",
        ),
        (
            add(CRM, "create = { headers = { Host = \"x\" } }"),
            "error: connectors[0].create.headers.Host (drumbeat.toml:5): this header is set by the client",
        ),
        (
            add(CRM, "create = { id = \"data.id\" }"),
            "error: connectors[0].create.id (drumbeat.toml:5): \"data.id\" is no JSON pointer",
        ),
        (
            add(CRM, "already_exists = { equals = \"dup\" }"),
            "error: connectors[0].already_exists.at (drumbeat.toml:5): it says where the value of equals stands",
        ),
        (
            add(CRM, "already_exists = { status = 99 }"),
            "error: connectors[0].already_exists.status (drumbeat.toml:5): this is no status of an answer",
        ),
        (
            add(CRM, "timeout = \"1s\"\nconnect_timeout = \"0s\""),
            "error: connectors[0].connect_timeout (drumbeat.toml:6): it must be longer than nothing",
        ),
        (
            add(CRM, "timeout = \"1s\""),
            "error: connectors[0].connect_timeout (default): it must not be longer than timeout",
        ),
        (
            add(CRM, "rate = { requests = 1, per = \"0s\" }"),
            "error: connectors[0].rate.per (drumbeat.toml:5): it must be longer than nothing",
        ),
        (
            "[[connectors]]\nname = \"inbox\"\nkind = \"rest\"\nbase_url = \"https://x.example\"\n"
                .to_owned(),
            "error: connectors[0].name (drumbeat.toml:2): \"inbox\" is the built-in connector",
        ),
        (
            "[[connectors]]\nname = \"desk\"\nkind = \"inbox\"\nbase_url = \"https://x.example\"\n"
                .to_owned(),
            "error: connectors[0].base_url (drumbeat.toml:4): the inbox calls nobody",
        ),
    ]
}

#[test]
fn each_wrong_combination_has_one_finding_that_says_what_to_do() {
    let mut unexpected = String::new();
    for (toml, expected) in wrong() {
        let found = remarks(&toml);

        if found.len() != 1 || !found[0].starts_with(expected) {
            unexpected += &format!("\n{toml}\n  expected {expected:?}\n  found    {found:?}\n");
        }
        assert!(found.iter().all(|line| !line.contains("hunter2") && !line.contains("s3cret")), "{found:?}");
    }
    assert!(unexpected.is_empty(), "{unexpected}");
}

#[test]
fn errors_come_before_warnings() {
    let found = remarks(&format!("{FORMS}tolerance = \"off\"\n{CRM}auth = {{ bearer = \"env:NOPE\" }}\n"));

    assert!(found[0].starts_with("error") && found[1].starts_with("warning"), "{found:?}");
}

#[test]
fn the_same_connector_name_in_two_workspaces_is_no_clash() {
    assert_eq!(remarks(&format!("{CRM}{CRM}workspace = \"emea\"\n")), [""; 0]);
}

#[test]
fn a_role_does_not_miss_the_secrets_of_others() {
    let toml = "[store]\nurl = \"env:NO_STORE\"\n[security]\nkeys = [\"env:NO_KEY\"]\n[bus]\noptions = { \"sasl.password\" = \"env:NO_BUS\" }\n[[sources]]\nname = \"forms\"\nprovider = \"typeform\"\nsecrets = [\"env:NO_SOURCE\"]\n[[connectors]]\nname = \"crm\"\nkind = \"rest\"\nbase_url = \"https://crm.example.com\"\nauth = { bearer = \"env:NO_CRM\" }\n";
    let config = load(toml).expect("it loads");
    let missed = |role: Role| -> Vec<String> {
        let findings = config.check_for(&[role]);
        assert!(findings.iter().all(|finding| finding.severity == Severity::Error));
        findings
            .iter()
            .map(|finding| finding.message.split(' ').nth(3).unwrap_or_default().to_owned())
            .collect()
    };

    assert_eq!(missed(Role::Ingest), ["NO_BUS", "NO_SOURCE"]);
    assert_eq!(missed(Role::Enrollment), ["NO_STORE", "NO_KEY", "NO_BUS"]);
    assert_eq!(missed(Role::Dispatcher), ["NO_STORE", "NO_KEY", "NO_BUS", "NO_CRM"]);
    assert_eq!(missed(Role::Console), ["NO_STORE", "NO_KEY"]);
    assert_eq!(config.check_for(&Role::ALL), config.check());
}
