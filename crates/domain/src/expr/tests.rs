//! The rules of expressions, as tables.

mod bounds;

use jiff::Timestamp;
use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-03-06T17:25:00Z".parse().unwrap()
}

/// Ada of Acme, who has filled a form; with a score unless a test takes it.
fn ada() -> Bindings {
    Bindings::new(now())
        .with_json(
            Variable::Contact,
            &json!({
                "email": "ada@acme.example", "first_name": "Ada", "country": "US", "title": "VP of Sales",
                "score": 70, "scores": {"fit": 12.5}, "lists": ["newsletter", "beta"], "created_at": "2026-01-01T00:00:00Z",
                "buying_role": "champion",
            }),
        )
        .with_json(Variable::Account, &json!({"size": 1200, "name": "Acme", "customer": false}))
        .with_json(
            Variable::Event,
            &json!({
                "kind": "form_submitted", "form": "demo-request", "classification": "positive",
                "utm": {"source": "ads"}, "seats": "25", "page": "/pricing",
            }),
        )
        .with(Variable::Enrollment, "variant", "fast")
        .with(Variable::Enrollment, "day", 3_u32)
        .with_step("call-now", "outcome", "no_answer")
        .with_step("call-now", "opened", true)
}

fn condition(source: &str) -> Expression {
    Expression::compile(source, &Scope::new(Position::OnEvent))
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn judge(source: &str) -> Verdict {
    condition(source).evaluate(&ada())
}

fn refused(source: &str, position: Position) -> ExprError {
    match Expression::compile(source, &Scope::new(position)) {
        Ok(_) => panic!("{source} was taken"),
        Err(error) => error,
    }
}

#[test]
fn conditions_of_the_language_are_judged() {
    for (source, expected) in [
        (r#"event.form == "demo-request""#, true),
        (r#"event.data.form == "demo-request""#, true),
        ("contact.score >= 70", true),
        ("contact.score > 70", false),
        ("contact.score >= 69.5", true),
        ("contact.score == 70.0", true),
        (r#"contact.country in ["US", "CA"] && !contact.customer"#, true),
        (r#"contact["country"] == "US""#, true),
        (r#"account.size >= 1000 && contact.country in ["US", "CA"]"#, true),
        (r#"event.classification == "positive""#, true),
        (r#"event.kind == "webinar_missed""#, false),
        (r#"contact.phone != """#, false),
        (r#"enrollment.variant == "fast" && enrollment.day < 5"#, true),
        (r#"steps["call-now"].outcome == "no_answer""#, true),
        (r#"steps["call-now"].opened || steps["mail"].replied"#, true),
        (r#"steps.mail.outcome == """#, true),
        (r#""beta" in contact.lists"#, true),
        (r#"contact.lists.exists(l, l.startsWith("news"))"#, true),
        (r#"contact.lists.all(l, l.contains("e"))"#, true),
        (r#"contact.lists.exists_one(l, l == "beta")"#, true),
        (r#"contact.lists.filter(l, l != "beta").size() == 1"#, true),
        (r#"size(contact.lists.map(l, l + "!")) == 2 && "beta!" in contact.lists.map(l, l + "!")"#, true),
        ("contact.scores.fit > 12", true),
        (r#"contact.scores["fit"] > 13"#, false),
        (r#"contact.scores.fit in [12.5]"#, true),
        (r#"has(contact.scores.fit) && !has(contact.scores.intent)"#, true),
        (r#"contact.title.matches("(?i)\\bvp\\b")"#, true),
        (r#"contact.title.lowerAscii().contains("sales")"#, true),
        (r#"event.utm.source == "ads""#, true),
        (r#"has(event.utm.medium) || has(event.none.at.all)"#, false),
        (r#"now - contact.created_at > duration("1440h")"#, true),
        (r#"contact.created_at < timestamp("2026-01-02")"#, true),
        (r#"contact.created_at + duration("24h") == timestamp("2026-01-02T00:00:00Z")"#, true),
        (r#"now.getDayOfWeek("America/New_York") == 5 && now.getHours("America/New_York") == 12"#, true),
        (r#"int(event.seats) >= 20"#, true),
        (r#"contact.score > 50 ? event.page == "/pricing" : false"#, true),
        (r#"!(contact.score < 50 || contact.customer)"#, true),
        ("-contact.score < 0 && contact.score % 7 == 0 && contact.score / 2 == 35", true),
        ("1 + 2 * 3 - 4 == 3", true),
        (r#"{"US": 1, "CA": 2}[contact.country] == 1"#, true),
        (r#"[1, 2.5, 3][1] == 2.5"#, true),
        (r#"[[1, 2], [3]].all(xs, xs.exists(x, x > 1))"#, true),
        ("true", true),
    ] {
        assert_eq!(judge(source), Verdict::of(Ok(expected)), "{source}");
    }
}

#[test]
fn what_is_absent_has_the_meaning_of_its_type() {
    let nobody = Bindings::new(now());
    for (source, expected) in [
        ("contact.customer", false),
        ("!contact.customer", true),
        (r#"contact.country == """#, true),
        (r#"contact.country == "US""#, false),
        (r#"contact.title.contains("VP")"#, false),
        ("size(contact.lists) == 0", true),
        (r#""beta" in contact.lists"#, false),
        ("size(contact.scores) == 0", true),
        ("has(contact.score)", false),
        ("has(contact.first_name)", false),
        ("!has(contact.created_at)", true),
        ("has(event.form)", false),
        ("steps.call.opened", false),
    ] {
        assert_eq!(condition(source).evaluate(&nobody), Verdict::of(Ok(expected)), "{source}");
    }
}

#[test]
fn an_absent_number_or_time_makes_the_whole_false_unless_the_other_side_decides() {
    let nobody = Bindings::new(now());
    for (source, expected) in [
        ("contact.score >= 70", None),
        ("contact.score < 70", None),
        ("!(contact.score >= 70)", None),
        ("contact.score != 70", None),
        ("contact.last_touch_at < now", None),
        (r#"event.form == "demo-request""#, None),
        (r#"event.form != "demo-request""#, None),
        ("contact.score >= 70 || !contact.customer", Some(true)),
        ("!contact.customer || contact.score >= 70", Some(true)),
        ("contact.score >= 70 && contact.customer", Some(false)),
        ("contact.customer && contact.score >= 70", Some(false)),
        ("contact.score >= 70 && !contact.customer", None),
        ("contact.score >= 70 || contact.customer", None),
        ("has(contact.score) && contact.score >= 70", Some(false)),
        ("[1, 2].exists(x, contact.score > x)", None),
        ("[1, 2].exists(x, x == 2 || contact.score > x)", Some(true)),
        ("[1, 2].all(x, x == 1 && contact.score > x)", Some(false)),
    ] {
        let verdict = condition(source).evaluate(&nobody);

        match expected {
            Some(expected) => assert_eq!(verdict, Verdict::of(Ok(expected)), "{source}"),
            None => {
                assert!(!verdict.is_true(), "{source}");
                assert_eq!(verdict.why().map(|why| why.kind), Some(NoteKind::Absent), "{source}");
            }
        }
    }
}

#[test]
fn a_note_names_what_is_absent() {
    let verdict = condition("contact.score >= 70").evaluate(&Bindings::new(now()));

    assert_eq!(verdict.why().unwrap().text, "contact.score is absent");
    assert_eq!(
        serde_json::to_value(&verdict).unwrap(),
        json!({"false": {"why": {"kind": "absent", "text": "contact.score is absent"}}}),
    );
}

#[test]
fn values_of_sources_are_read_as_what_the_field_holds() {
    let facts = Bindings::new(now())
        .with(Variable::Contact, "score", "70.5")
        .with(Variable::Contact, "created_at", "2026-01-01")
        .with(Variable::Contact, "customer", "true")
        .with(Variable::Contact, "crm_id", 101_i64)
        .with(Variable::Contact, "lists", "beta");
    for source in [
        "contact.score > 70",
        "contact.created_at < now",
        "contact.customer",
        r#"contact.crm_id == "101""#,
        r#""beta" in contact.lists"#,
    ] {
        assert!(condition(source).evaluate(&facts).is_true(), "{source}");
    }

    let nonsense = facts.with(Variable::Contact, "score", "high").with(Variable::Contact, "tags", true);
    for source in ["contact.score > 70", "contact.score < 70", "size(contact.tags) == 0"] {
        let verdict = condition(source).evaluate(&nonsense);
        assert_eq!(verdict.why().map(|why| why.kind), Some(NoteKind::Type), "{source}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_where_it_stands() {
    for (source, at, says) in [
        ("contact.contry == \"US\"", "contry", "did you mean `contact.country`?"),
        ("contact.country == 5", "==", "text is never equal to a number"),
        ("contact.country > 5", ">", "does not take text and a number"),
        ("contact.score > \"70\"", ">", "does not take a number and text"),
        ("contact.score", "score", "a condition is a number, not true or false"),
        ("contact.country && true", "country", "a side of `&&` is text"),
        ("contact == \"x\"", "contact", "such as contact.email"),
        ("contct.score > 1", "contct", "did you mean `contact`?"),
        ("Germany == contact.country", "Germany", "text is written in quotes"),
        ("enrollment.varaint == \"a\"", "varaint", "did you mean `variant`?"),
        ("steps.call.sent == \"a\"", "sent", "it has outcome, sent_at"),
        ("steps[\"call-now\"] == \"a\"", "[", "a field of the step is missing"),
        ("contact.score = 70", "=", "write =="),
        ("contact.customer and true", "and", "write &&"),
        ("not contact.customer", "not", "write !"),
        ("contact.phone == null", "null", "ask with has("),
        ("contact.title.toLowerCase() == \"x\"", "(", "did you mean `lowerAscii`?"),
        ("contact.title.contain(\"x\")", "(", "did you mean `contains`?"),
        ("contact.title.startsWith(5)", "5", "what startsWith takes is a number"),
        ("contact.title.matches(\"(\")", "\"(\"", "the pattern cannot be read: unclosed group"),
        ("\"x\" in contact.title", "in", "write text.contains"),
        ("5 in contact.lists", "in", "does not take a number and a list"),
        ("now > \"2026-01-01\"", ">", "write timestamp("),
        ("now > timestamp(\"soon\")", "\"soon\"", "`soon` is no time"),
        ("now - contact.created_at > duration(\"90d\")", "\"90d\"", "write 2160h"),
        ("now.getHours(\"Mars/Base\") == 1", "\"Mars/Base\"", "no IANA time zone"),
        ("contact.score >", "", "ends too early"),
        ("contact.country == \"US", "\"", "cannot read"),
        ("", "", "the expression is empty"),
        ("contact.lists.all(a, contact.tags.all(b, contact.tags.all(c, true)))", "(", "at most two deep"),
        ("segment(contact.name)", "name", "written out"),
        ("contact.score[0] == 1", "[", "a number has no elements"),
        ("contact.scores.fit == \"x\"", "==", "a number is never equal to text"),
    ] {
        let error = refused(source, Position::OnEvent);

        let shown = error.to_string();
        assert!(shown.contains(says), "{source}: {shown}");
        let marked = &source[error.at.clone()];
        assert!(marked.contains(at), "{source}: marked `{marked}`, not `{at}`: {shown}");
    }
}

#[test]
fn places_are_told_in_bytes_behind_other_alphabets() {
    let source = "contact.city == \"Zürich — 東京\" && contact.contry == \"CH\"";

    let error = refused(source, Position::OnEvent);

    assert_eq!(&source[error.at], "contry");

    let source = "contact.city == \"Zürich — 東京\" && )";
    let error = refused(source, Position::OnEvent);
    assert_eq!(&source[error.at.clone()], ")", "{error}");
}

#[test]
fn a_place_decides_what_may_be_named() {
    use Position::{Audience, Guard, OnEvent, Segment, Trigger};
    for (source, taken, refused) in [
        ("contact.customer", vec![Trigger, Audience, OnEvent, Guard, Segment], vec![]),
        ("now > contact.created_at", vec![Trigger, Audience, OnEvent, Guard, Segment], vec![]),
        ("segment(\"enterprise\")", vec![Trigger, Audience, OnEvent, Guard, Segment], vec![]),
        ("event.kind == \"replied\"", vec![Trigger, OnEvent], vec![Audience, Guard, Segment]),
        ("entry.kind == \"replied\"", vec![Audience, OnEvent, Guard], vec![Trigger, Segment]),
        ("enrollment.opened", vec![OnEvent, Guard], vec![Trigger, Audience, Segment]),
        ("steps.call.opened", vec![OnEvent, Guard], vec![Trigger, Audience, Segment]),
    ] {
        for position in taken {
            assert!(Expression::compile(source, &Scope::new(position)).is_ok(), "{source} in {position:?}");
        }
        for position in refused {
            assert!(Expression::compile(source, &Scope::new(position)).is_err(), "{source} in {position:?}");
        }
    }
}

#[test]
fn an_undeclared_attribute_is_dynamic_and_warned_about() {
    let expression = condition(r#"contact.buying_role == "champion""#);

    assert!(expression.evaluate(&ada()).is_true());
    assert_eq!(expression.warnings()[0].message, "`contact.buying_role` is not declared");
}

#[test]
fn a_declared_attribute_has_its_type_and_exists() {
    let declared: Declared = serde_json::from_value(json!({
        "contact": {"buying_role": "string", "trial_ends": "timestamp", "state": "string", "plan": "map"},
        "account": {"tier": "int"},
        "event": {"form_submitted": {"form": "string"}},
    }))
    .unwrap();
    let scope = Scope::new(Position::Trigger).declared(&declared).event_kind("form_submitted");

    let role = Expression::compile(r#"contact.buying_role == "" && contact.state == """#, &scope).unwrap();
    assert!(role.evaluate(&Bindings::new(now())).is_true());
    assert!(role.warnings().is_empty());
    assert!(Expression::compile("account.tier > 1", &scope).is_ok());
    assert!(Expression::compile("contact.trial_ends > 1", &scope).is_err());
    assert!(Expression::compile("event.form > 1", &scope).is_err());
    assert!(Expression::compile("contact.plan.name == \"pro\"", &scope).is_ok());
    assert!(Expression::compile("event.form != \"\"", &scope).unwrap().warnings().is_empty());
    let near = Expression::compile("contact.buying_rol == \"\"", &scope).unwrap_err();
    assert!(near.to_string().contains("did you mean `contact.buying_role`?"), "{near}");
}

#[test]
fn slips_that_may_be_meant_are_warned_about() {
    for (source, says) in [
        (r#"event.classification == "positve""#, "did you mean `positive`?"),
        (r#"event.classification in ["positive", "angry"]"#, "it is one of positive"),
        (r#"event.clasification == "positive""#, "did you mean `event.classification`?"),
        ("1 == 1 || true", ""),
    ] {
        let warnings = condition(source).warnings().to_vec();
        assert_eq!(warnings.is_empty(), says.is_empty(), "{source}");
        assert!(says.is_empty() || warnings[0].to_string().contains(says), "{source}: {warnings:?}");
    }
    assert_eq!(condition("true").warnings()[0].message, "the condition is always the same");
}

#[test]
fn steps_and_segments_are_known_when_they_are_given() {
    let scope = Scope::new(Position::Guard).steps(&["call-now", "confirm"]).segments(&["enterprise"]);

    assert!(Expression::compile("steps[\"call-now\"].opened && segment(\"enterprise\")", &scope).is_ok());
    let step = Expression::compile("steps[\"call-nwo\"].opened", &scope).unwrap_err();
    assert!(step.to_string().contains("did you mean `call-now`?"), "{step}");
    let segment = Expression::compile("segment(\"enterprize\")", &scope).unwrap_err();
    assert!(segment.to_string().contains("did you mean `enterprise`?"), "{segment}");
}

#[test]
fn segments_are_expressions_of_their_own() {
    let segment = |source| Expression::compile(source, &Scope::new(Position::Segment)).unwrap();
    let facts = ada()
        .with_segment("enterprise", segment("account.size >= 1000 && segment(\"north-america\")"))
        .with_segment("north-america", segment(r#"contact.country in ["US", "CA"]"#))
        .with_segment("loop", segment("segment(\"pool\")"))
        .with_segment("pool", segment("segment(\"loop\")"));

    assert!(condition("segment(\"enterprise\") && contact.score > 1").evaluate(&facts).is_true());
    for name in ["loop", "nowhere"] {
        let verdict = condition(&format!("segment(\"{name}\")")).evaluate(&facts);
        assert_eq!(verdict.why().map(|why| why.kind), Some(NoteKind::Segment), "{name}");
    }
    assert_eq!(condition("segment(\"a\") || segment(\"b\")").segments().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn segments_made_of_themselves_are_found() {
    let segment = |source| Expression::compile(source, &Scope::new(Position::Segment)).unwrap();
    let (a, b, c, d) = (
        segment("segment(\"b\")"),
        segment("segment(\"a\") || segment(\"d\")"),
        segment("segment(\"a\")"),
        segment("true"),
    );

    assert_eq!(segment_cycles([("a", &a), ("b", &b), ("c", &c), ("d", &d)]), ["a", "b"]);
}

#[test]
fn clauses_show_what_was_demanded_and_what_was_seen() {
    let expression =
        condition(r#"contact.score >= 80 && contact.country in ["US"] && contact.last_touch_at < now"#);

    let clauses = expression.clauses(&ada());

    let shown: Vec<_> = clauses
        .iter()
        .map(|clause| (clause.text.as_str(), clause.verdict.is_true(), clause.seen.clone()))
        .collect();
    assert_eq!(
        shown,
        [
            ("contact.score >= 80", false, vec![("contact.score".to_owned(), Some(Value::Int(70)))]),
            (
                r#"contact.country in ["US"]"#,
                true,
                vec![("contact.country".to_owned(), Some(Value::from("US")))]
            ),
            ("contact.last_touch_at < now", false, vec![("contact.last_touch_at".to_owned(), None)]),
        ]
    );
    assert_eq!(clauses[2].verdict.why().unwrap().text, "contact.last_touch_at is absent");
}

#[test]
fn an_expression_tells_what_it_names() {
    let expression = condition(r#"contact.score > 1 && steps["call-now"].opened && now > account.created"#);

    let fields: Vec<_> = expression.variables().map(ToString::to_string).collect();

    assert_eq!(fields, ["contact.score", "account.created", "steps[\"call-now\"].opened"]);
}

#[test]
fn values_are_given_for_dates_and_keys() {
    let scope = Scope::new(Position::OnEvent);
    let facts =
        ada().with(Variable::Event, "until", "2026-04-01T00:00:00Z").with(Variable::Event, "session", 12_i64);
    let value = |source| ValueExpression::compile(source, &scope).unwrap().evaluate(&facts);

    assert_eq!(value("event.until").unwrap().as_time(), Some("2026-04-01T00:00:00Z".parse().unwrap()));
    assert_eq!(value("event.session"), Ok(Value::Int(12)));
    assert_eq!(
        value("event.until + duration(\"24h\")").unwrap().as_time(),
        "2026-04-02T00:00:00Z".parse().ok()
    );
    assert_eq!(value("event.nothing").unwrap_err().kind, NoteKind::Absent);
    assert!(ValueExpression::compile_time("contact.score", &scope).is_err());
    assert!(ValueExpression::compile_time("entry.starts_at", &scope).is_ok());
}

#[test]
fn expressions_are_equal_when_written_alike_in_the_same_kind_of_place() {
    let compile = |source, position| Expression::compile(source, &Scope::new(position)).unwrap();

    assert_eq!(compile("contact.customer", Position::Guard), compile("contact.customer", Position::Guard));
    assert_ne!(compile("contact.customer", Position::Guard), compile("contact.customer", Position::Trigger));
    assert_ne!(compile("contact.customer", Position::Guard), compile("contact.open_deal", Position::Guard));
    assert_eq!(
        serde_json::to_value(compile("contact.customer", Position::Guard)).unwrap(),
        "contact.customer"
    );
}
