use super::*;
use crate::source::{Source, Text};

fn first(text: &str) -> RawDocument {
    read(&Source::new("a.yaml", text)).0.into_iter().next().expect("a document")
}

#[test]
fn words_of_older_yaml_stay_words() {
    let document = first("on: yes\nno: off\ntime: 17:30\nsexagesimal: 1_000\n");

    for key in ["on", "no", "time", "sexagesimal"] {
        let entry = document.root.get(key).expect(key);
        let NodeKind::Scalar(scalar) = &entry.value.kind else { panic!("{key}") };
        assert!(matches!(scalar.value(), Value::Text(_)), "{key}");
    }
}

#[test]
fn the_core_schema_knows_numbers_booleans_and_nothing() {
    let read = |text: &str| -> String {
        let scalar = Scalar { text: text.to_owned(), style: Style::Plain };
        format!("{:?}", scalar.value()).split('(').next().unwrap_or_default().to_owned()
    };

    for (text, kind) in [
        ("12", "Int"),
        ("-3", "Int"),
        ("0x1F", "Int"),
        ("0o17", "Int"),
        ("1.5", "Float"),
        (".5", "Float"),
        ("1e3", "Float"),
        (".inf", "Float"),
        ("true", "Bool"),
        ("yes", "Text"),
        ("~", "Nothing"),
        ("", "Nothing"),
        ("1.2.3", "Text"),
        ("-", "Text"),
        ("5m", "Text"),
        ("e3", "Text"),
        ("inf", "Text"),
    ] {
        assert_eq!(read(text), kind, "{text}");
    }
}

#[test]
fn documents_are_cut_at_their_markers_and_together_are_the_file() {
    let text = "# top\na: 1\n---\n# second\nb: 2\n...\n---\nc: 3\n";

    let (documents, error) = read(&Source::new("a.yaml", text));

    let cut: Vec<_> = documents.iter().map(|one| &text[one.extent.start..one.extent.end]).collect();
    assert_eq!(cut, ["# top\na: 1\n", "---\n# second\nb: 2\n...\n", "---\nc: 3\n"]);
    assert!(error.is_none());
}

#[test]
fn a_syntax_error_keeps_the_documents_before_it() {
    let (documents, error) = read(&Source::new("a.yaml", "a: 1\n---\nb: [1\n---\nc: 3\n"));

    assert_eq!(documents.len(), 1);
    assert!(error.is_some());
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, two) in ["ab", "bc", "cd", "de", "ef"].map(|pair| pair.split_at(1)) {
        let ten = vec![format!("*{one}"); 10].join(", ");
        text.push_str(&format!("{two}: &{two} [{ten}]\n"));
    }

    let (_, error) = read(&Source::new("a.yaml", text));

    assert!(error.is_some_and(|error| error.message.contains("at most")));
}

#[test]
fn a_place_in_a_value_is_found_in_the_file_however_it_is_written() {
    for text in [
        "when: contact.size >= WRONG && true\n",
        "when: 'contact.name == ''x'' && WRONG'\n",
        "when: \"contact.name == \\\"x\\\" \\u0026 WRONG\"\n",
        "when: |\n  contact.size > 1\n    && WRONG\n  || true\n",
        "when: >-\n  contact.size > 1\n  && WRONG\n",
        "when: contact.size > 1\n  && WRONG\n  && x\n",
        "{ when: contact.size > WRONG }\n",
    ] {
        let document = first(text);
        let entry = document.root.get("when").expect("when");
        let value = entry.value.text().expect("text");
        let at = value.find("WRONG").expect("WRONG");

        let found = inner(&Text::new(&Source::new("a.yaml", text)), entry.value.at, value, at, at + 5);

        assert_eq!(&text[found.start..found.end], "WRONG", "{text}");
    }
}

#[test]
fn an_alias_that_repeats_itself_is_refused() {
    let document = first("a: &a\n  b: *a\n");

    let findings = document.log.placed(&Text::new(&Source::new("a.yaml", "a: &a\n  b: *a\n")));
    assert_eq!(findings.len(), 1);
}
