//! Whatever is written, it ends, and says so.

use proptest::prelude::*;

use super::*;

#[test]
fn work_is_bounded() {
    let many: Vec<i64> = (0..2_000).collect();
    let facts = Bindings::new(now()).with(Variable::Event, "many", many).with(
        Variable::Event,
        "long",
        "x".repeat(10_000),
    );
    for source in [
        "event.many.all(a, event.many.all(b, a + b >= 0))",
        "size(event.many.map(a, event.many.map(b, a + b))) == 1",
        "event.many.map(a, event.long + event.long).size() == 1",
    ] {
        let verdict = condition(source).evaluate(&facts);
        assert_eq!(verdict.why().map(|why| why.kind), Some(NoteKind::Cost), "{source}");
    }
    assert!(condition("event.many.exists(a, a == 1999)").evaluate(&facts).is_true());
    let doubling = format!("[\"xxxxxxxx\"]{}.size() == 1", ".map(x, x + x + x + x)".repeat(30));
    assert_eq!(condition(&doubling).evaluate(&facts).why().map(|why| why.kind), Some(NoteKind::Cost));
}

#[test]
fn arithmetic_out_of_range_is_told_not_panicked() {
    for source in [
        "9223372036854775807 + 1 > 0",
        "-9223372036854775807 - 2 < 0",
        "1 / 0 == 1",
        "1 % 0 == 1",
        "1.0 / 0.0 > 1.0",
        "now + duration(\"99999999999h\") > now",
        "int(\"x\") == 1",
        "double(\"x\") == 1.0",
        "int(1e300) == 1",
        "timestamp(99999999999999) > now",
    ] {
        let verdict = condition(source).evaluate(&ada());
        assert_eq!(verdict.why().map(|why| why.kind), Some(NoteKind::Value), "{source}");
    }
}

#[test]
fn too_long_a_source_is_refused() {
    let source = format!("contact.country in [{}]", vec!["\"US\""; 1_000].join(","));

    assert!(refused(&source, Position::Guard).message.contains("longer than 4096 bytes"));
}

proptest! {
    #[test]
    fn no_source_panics(source in "\\PC{0,60}") {
        let _ = Expression::compile(&source, &Scope::new(Position::OnEvent));
    }

    #[test]
    fn no_source_of_likely_pieces_panics_and_what_is_taken_can_be_judged(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "contact", ".", "score", "event.form", "&&", "||", "!", "(", ")", "[", "]", "==", "in", "\"US\"", "70", "1.5",
                "?", ":", ",", "has(contact.score)", ".exists(x, x == 1)", "contact.lists", "now", "duration(\"1h\")", "-", "+",
                "steps.a.opened", "segment(\"s\")", "{", "}", "size", "é", "'", "true", "null", "`", "\\",
            ]),
            0..14,
        ),
    ) {
        let source = pieces.concat();
        if let Ok(expression) = Expression::compile(&source, &Scope::new(Position::OnEvent)) {
            let verdict = expression.evaluate(&ada());
            let clauses = expression.clauses(&ada());
            // A condition holds exactly when all of its clauses do.
            prop_assert_eq!(verdict.is_true(), clauses.iter().all(|clause| clause.verdict.is_true()));
            prop_assert!(clauses.iter().all(|clause| source.contains(&clause.text)));
        }
    }

    #[test]
    fn numbers_compare_as_numbers(one in -1_000_000_i64..1_000_000, two in -1e6_f64..1e6) {
        let facts = Bindings::new(now()).with(Variable::Contact, "score", one).with(Variable::Account, "size", two);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let less = (one as f64) < two;

        prop_assert_eq!(condition("contact.score < account.size").evaluate(&facts).is_true(), less);
        prop_assert_eq!(condition("account.size > contact.score").evaluate(&facts).is_true(), less);
    }
}
