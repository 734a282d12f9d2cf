//! One mistake, one message: `mistakes.txt` holds what is written wrong, and below it what is said. `UPDATE=1 cargo test -p
//! manifest --test mistakes` writes the messages anew; read what changed before it is committed.

use std::fmt::Write as _;
use std::path::Path;

use domain::id::Workspace;
use manifest::{Kind, Known, Source, load, parse};

const RULE: &str = "----------------------------------------";

/// A case as the file holds it: a title, a file or the `spec` of a cadence, and the messages.
struct Case {
    title: String,
    input: String,
    messages: String,
}

fn cases(text: &str) -> Vec<Case> {
    let parts = text.split("\n=== ").skip(1);
    parts
        .map(|part| {
            let (title, rest) = part.split_once('\n').expect("a title");
            let (input, messages) = rest.split_once(&format!("\n{RULE}")).unwrap_or((rest, ""));
            Case {
                title: title.to_owned(),
                input: input.trim_end().to_owned(),
                messages: messages.trim().to_owned(),
            }
        })
        .collect()
}

/// What is no whole file is the `spec` of a cadence that lacks nothing but what the case is about.
fn file(input: &str) -> String {
    if input.contains("apiVersion:") || input.contains("kind:") || input.starts_with("raw") {
        return input.to_owned();
    }
    let mut spec: String = input.lines().fold(String::new(), |spec, line| spec + "  " + line + "\n");
    if !input.contains("goal:") && !input.contains("no_exit") {
        spec.push_str("  goal: meeting_booked\n");
    }
    if !input.contains("steps:") {
        spec.push_str("  steps: [ { id: hello, channel: email, cta: Answer } ]\n");
    }
    format!("apiVersion: drumbeat/v1\nkind: Cadence\nmetadata: {{ name: demo }}\nspec:\n{spec}")
}

fn known() -> Known {
    let stored = "apiVersion: drumbeat/v1\nkind: Template\nmetadata: { name: thanks }\nspec: { channel: email, text: x }\n---\n\
         apiVersion: drumbeat/v1\nkind: Template\nmetadata: { name: dial }\nspec: { channel: call, script: x }\n---\n\
         apiVersion: drumbeat/v1\nkind: Segment\nmetadata: { name: big }\nspec: { when: segment(\"small\") }\n";
    let mut known = Known::new().connectors(["crm"]);
    for document in parse(&Source::new("stored", stored)).documents {
        known.add(&document);
    }
    known.add_name(Workspace::main(), Kind::Calendar, "company-days");
    known
}

fn messages(input: &str) -> String {
    let loaded = load(&[Source::new("demo.yaml", file(input))], &known());
    let shown: Vec<_> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    // Editors strip blanks at the ends of lines.
    shown.join("\n\n").lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[expect(clippy::disallowed_methods, reason = "a switch of this test, no configuration")]
fn asked_to_update() -> bool {
    std::env::var_os("UPDATE").is_some()
}

#[test]
fn every_mistake_has_its_message() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes.txt");
    let text = std::fs::read_to_string(&path).expect("the table is there");
    let cases = cases(&text);
    assert!(cases.len() > 60, "{} cases", cases.len());

    if asked_to_update() {
        let head = text.split("\n=== ").next().unwrap_or_default();
        let mut anew = head.trim_end().to_owned() + "\n";
        for case in &cases {
            let said = messages(&case.input);
            write!(anew, "\n=== {}\n{}\n{RULE}\n{said}\n", case.title, case.input).expect("memory is enough");
        }
        std::fs::write(&path, anew).expect("the folder is writable");
        return;
    }

    for case in cases {
        let said = messages(&case.input);
        assert!(!said.is_empty(), "{}: nothing was found", case.title);
        assert_eq!(said, case.messages, "{}", case.title);
    }
}
