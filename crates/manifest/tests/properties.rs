//! Whatever bytes come in, nothing panics, and what comes out adds up.

use domain::catalog::Standing;
use domain::id::{VersionId, Workspace};
use manifest::{Kind, Known, Source, Stored, Version, content, load, parse};
use proptest::prelude::*;

/// A cadence with most of the language in it, to be bent.
const WHOLE: &str = include_str!("../../../examples/cadences/content-download.yaml");

/// Pieces that meet in files, in every order but the right one.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("apiVersion: drumbeat/v1\n"),
        Just("kind: Cadence\n"),
        Just("kind: Template\n"),
        Just("kind: Segment\n"),
        Just("kind: Calendar\n"),
        Just("metadata: { name: a }\n"),
        Just("spec:\n"),
        Just("spec: {}\n"),
        Just("  "),
        Just("- "),
        Just("steps:"),
        Just("id: a"),
        Just("channel: email"),
        Just("when: contact.score > 1"),
        Just("when: '"),
        Just("|\n"),
        Just(">-\n"),
        Just("\n"),
        Just("---\n"),
        Just("..."),
        Just("&a "),
        Just("*a"),
        Just("{ "),
        Just(" }"),
        Just("["),
        Just("]"),
        Just(", "),
        Just(": "),
        Just("\""),
        Just("ü"),
        Just("\t"),
        Just("branch: [ { when: true, goto: a } ]"),
        Just("text: \"{{ contact.name"),
        Just("!!str "),
        Just("? "),
        Just("# x"),
        Just("window: { days: [mon], from: \"09:00\", to: 1050 }"),
        Just("0x1F"),
        Just("\r\n"),
        Just("\u{feff}"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn judge(text: &str) {
    let source = Source::new("any.yaml", text);

    let parsed = parse(&source);
    let loaded = load(std::slice::from_ref(&source), &Known::new());

    assert_eq!(parsed.documents, loaded.documents);
    for found in &loaded.diagnostics {
        assert!(found.line >= 1 && found.column >= 1);
        assert!(found.line <= text.split('\n').count());
        assert!(!found.to_string().is_empty());
    }
    for document in &parsed.documents {
        assert!(text.contains(&document.text));
        let stored = Stored {
            workspace: Workspace::main(),
            kind: document.kind,
            name: document.name.clone(),
            text: document.text.clone(),
            version: Version { id: VersionId(1), number: 1 },
            standing: Standing::Active,
        };
        let contents = content(&[stored]);
        assert!(!loaded.is_sound() || contents.diagnostics.is_empty(), "{:?}", contents.diagnostics);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        judge(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        judge(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_order_of_pieces_makes_it_panic(text in pieces()) {
        judge(&text);
    }

    #[test]
    fn no_slip_of_the_keyboard_makes_it_panic(at in 0..WHOLE.len(), cut in 0_usize..12, put in "[ -~\n]{0,4}") {
        let start = (0..=at).rev().find(|byte| WHOLE.is_char_boundary(*byte)).unwrap_or(0);
        let end = (start + cut..=WHOLE.len()).find(|byte| WHOLE.is_char_boundary(*byte)).unwrap_or(WHOLE.len());
        judge(&format!("{}{put}{}", &WHOLE[..start], &WHOLE[end..]));
    }

    #[test]
    fn what_is_written_comes_back_to_the_byte(
        notes in proptest::collection::vec("[ a-z#]{0,20}", 1..6),
        ends in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let mut text = String::new();
        for (index, note) in notes.iter().enumerate() {
            if index > 0 {
                text.push_str(&format!("---{ends}"));
            }
            text.push_str(&format!(
                "# {note}{ends}apiVersion: drumbeat/v1{ends}kind: Segment   # {note}{ends}metadata: {{ name: s{index} }}{ends}\
                 spec:{ends}{ends}  when: contact.customer{ends}# end of {note}{ends}"
            ));
        }

        let parsed = parse(&Source::new("any.yaml", text.as_str()));

        prop_assert!(parsed.diagnostics.is_empty());
        prop_assert_eq!(parsed.documents.len(), notes.len());
        prop_assert!(parsed.documents.iter().all(|one| one.kind == Kind::Segment));
        let exported: String = parsed.documents.iter().map(|one| one.text.as_str()).collect();
        prop_assert_eq!(exported, text);
    }
}
