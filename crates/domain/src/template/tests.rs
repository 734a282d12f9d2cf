//! The rules of templates, as tables.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::expr::{Bindings, Declared, Position, Variable};

fn ada() -> Bindings {
    let now: Timestamp = "2026-03-06T17:25:00Z".parse().unwrap();
    Bindings::new(now)
        .with_json(
            Variable::Contact,
            &json!({
                "first_name": "Ada", "last_name": "", "title": "   ", "score": 70, "zone": "America/New_York",
                "lists": ["newsletter", "beta"], "buying_role": "champion <b>",
            }),
        )
        .with_json(Variable::Account, &json!({"name": "Smith & Sons"}))
        .with_json(
            Variable::Entry,
            &json!({"form": "demo", "utm": {"source": "ads", "medium": ""}, "starts_at": "2026-03-09T14:00:00Z", "on": "2026-03-09"}),
        )
        .with_step("call-now", "outcome", "no_answer")
}

fn template(source: &str) -> Template {
    Template::compile("test", source, Format::Text).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn render(source: &str) -> Result<String, RenderError> {
    template(source).render(&ada())
}

fn refused(source: &str) -> TemplateError {
    match Template::compile("test", source, Format::Text) {
        Ok(_) => panic!("{source} was taken"),
        Err(error) => error,
    }
}

#[test]
fn fields_are_put_in() {
    for (source, expected) in [
        ("Hi {{ contact.first_name }}!", "Hi Ada!"),
        ("Hi {{ contact['first_name'] }}!", "Hi Ada!"),
        ("{{ contact.first_name | first }}.", "A."),
        ("{{ contact.lists[1] }}", "beta"),
        ("{{ {'a': 1}['a'] }}", "1"),
        ("{{ contact.first_name | upper }} at {{ account.name }}", "ADA at Smith & Sons"),
        ("{{ contact.lists | join(', ') }}", "newsletter, beta"),
        ("{% for list in contact.lists %}[{{ list }}]{% endfor %}", "[newsletter][beta]"),
        ("{% if contact.score >= 70 %}hot{% else %}cold{% endif %}", "hot"),
        ("{{ 'hot' if contact.score > 80 else 'warm' }}", "warm"),
        ("{{ steps[\"call-now\"].outcome | replace('_', ' ') }}", "no answer"),
        ("{{ entry.form }} from {{ entry.utm.source }}", "demo from ads"),
        ("{{ contact.score + 5 }}", "75"),
        ("{% raw %}{{ not code }}{% endraw %}", "{{ not code }}"),
        ("{# a note #}plain { text }", "plain { text }"),
        ("{{ now }}", "2026-03-06T17:25:00Z"),
        ("{{ 'a long sentence' | truncate(7) }}", "a long…"),
    ] {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn what_is_absent_or_empty_takes_its_default() {
    for (source, expected) in [
        ("{{ contact.last_name | default('friend') }}", "friend"),
        ("{{ contact.title | default('friend') }}", "friend"),
        ("{{ contact.phone | d('none') }}", "none"),
        ("{{ entry.utm.medium | default('none') }}", "none"),
        ("{{ entry.none.at.all | default('none') }}", "none"),
        ("{{ steps[\"mail\"].outcome | default('not yet') }}", "not yet"),
        ("{{ account.industry | default(account.name) }}", "Smith & Sons"),
        ("{% if contact.phone %}{{ contact.phone }}{% else %}no phone{% endif %}", "no phone"),
        ("{% if contact.phone is defined %}yes{% endif %}no", "no"),
    ] {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn what_is_missing_without_a_default_is_named() {
    for (source, path) in [
        ("Hi {{ contact.last_name }}", "contact.last_name"),
        ("Hi {{ contact.title }}", "contact.title"),
        ("{{ contact.phone | default('x') }} {{ contact.email }}", "contact.email"),
        ("{{ contact.first_name ~ contact.email ~ contact.phone }}", "contact.email"),
        ("{{ contact.email | upper }}", "contact.email"),
        ("{{ contact.tags | length }}", "contact.tags"),
        ("{{ contact.tags | join(',') }}", "contact.tags"),
        ("{{ contact.email | replace('a', 'b') }}", "contact.email"),
        ("{{ contact.created_at | date }}", "contact.created_at"),
        ("{% for tag in contact.tags %}{{ tag }}{% endfor %}", "contact.tags"),
        ("{{ entry.utm.medium }}", "entry.utm.medium"),
        ("{{ entry.none.at }}", "entry.none.at"),
        ("{{ steps.mail.outcome }}", "steps[\"mail\"].outcome"),
        ("{{ [contact.first_name, contact.email] | join(' ') }}", "contact.email"),
        ("{{ contact.size + 1 }}", "contact.size"),
        ("{{ -contact.size }}", "contact.size"),
        ("{{ contact.email or contact.phone }}", "contact.email"),
        ("line\nline\n{{ contact['email'] }}", "contact.email"),
    ] {
        assert_eq!(render(source), Err(RenderError::MissingField(path.to_owned())), "{source}");
    }
}

#[test]
fn no_filter_but_default_hides_that_a_field_is_missing() {
    for filter in filters::NAMES.iter().filter(|name| **name != "default") {
        let arguments = if matches!(*filter, "replace") {
            "('a', 'b')"
        } else if *filter == "truncate" {
            "(3)"
        } else {
            ""
        };
        let source = format!("{{{{ contact.email | {filter}{arguments} }}}}");

        assert_eq!(render(&source), Err(RenderError::MissingField("contact.email".into())), "{filter}");
    }
}

#[test]
fn a_template_tells_the_fields_it_names_and_those_it_needs() {
    let template = template(
        "{{ contact.first_name | default('you') }} {{ contact.email }} {% if contact.phone %}{{ contact.phone }}{% endif %}
         {{ entry.utm.source }} {{ now | date('%Y') }} {{ contact.lists | length }} {{ contact.score + 1 }}",
    );

    let all: Vec<_> = template.fields().map(ToString::to_string).collect();
    let required: Vec<_> = template.required().map(ToString::to_string).collect();

    assert_eq!(
        all,
        [
            "contact.email",
            "contact.first_name",
            "contact.lists",
            "contact.phone",
            "contact.score",
            "entry.utm.source",
            "now"
        ]
    );
    assert_eq!(required, ["contact.email", "contact.lists", "contact.score", "entry.utm.source", "now"]);
}

#[test]
fn requires_are_judged_like_the_fields_of_the_text() {
    for (path, is_there) in [
        ("contact.first_name", true),
        ("contact.last_name", false),
        ("contact.company", false),
        ("entry.utm.source", true),
    ] {
        assert_eq!(FieldPath::parse(path).unwrap().value(&ada()).is_some(), is_there, "{path}");
    }
}

#[test]
fn html_escapes_values_and_text_does_not() {
    let render = |format| {
        Template::compile("t", "<p>{{ contact.buying_role }}</p>", format).unwrap().render(&ada()).unwrap()
    };

    assert_eq!(render(Format::Html), "<p>champion &lt;b&gt;</p>");
    assert_eq!(render(Format::Text), "<p>champion <b></p>");
}

#[test]
fn html_stays_escaped_through_filters() {
    for filter in ["upper", "replace('x', 'y')", "truncate(90)", "trim", "string", "default('x')"] {
        let source = format!("{{{{ contact.buying_role | {filter} }}}}");
        let shown = Template::compile("t", &source, Format::Html).unwrap().render(&ada()).unwrap();

        assert!(!shown.contains('<'), "{filter}: {shown}");
    }
    let joined = Template::compile("t", "{{ contact.lists | join('<br>') }}", Format::Html).unwrap();
    assert!(!joined.render(&ada().with(Variable::Contact, "lists", vec!["<i>"])).unwrap().contains("<i>"));
}

#[test]
fn a_line_stays_one_line_whatever_a_value_holds() {
    let subject = Template::compile("t", "Hi {{ contact.first_name }},\n your  demo", Format::Line).unwrap();
    let facts = ada().with(Variable::Contact, "first_name", "Ada\r\nBcc: all@ours.example\u{2028}\u{0}x");

    assert_eq!(subject.render(&facts).unwrap(), "Hi Ada Bcc: all@ours.example x, your demo");
}

#[test]
fn dates_are_written_in_the_zone_named_else_the_contacts() {
    for (source, expected) in [
        ("{{ entry.starts_at | date('%A, %-d %B, %H:%M') }}", "Monday, 9 March, 10:00"),
        ("{{ entry.starts_at | date('%H:%M', 'Europe/Berlin') }}", "15:00"),
        ("{{ entry.on | date('%-d.%-m.') }}", "9.3."),
        ("{{ now | date }}", "2026-03-06"),
    ] {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
    for source in [
        "{{ entry.form | date }}",
        "{{ now | date('%H', 'Mars/Base') }}",
        "{{ now | date('%') }}",
        "{{ contact.first_name + 1 }}",
        "{{ contact.lists }}",
    ] {
        assert!(
            matches!(render(source), Err(RenderError::Unsuitable { line: 1, .. })),
            "{source}: {:?}",
            render(source)
        );
    }
}

#[test]
fn what_cannot_be_is_refused_where_it_stands() {
    for (source, line, column, says) in [
        ("Hi\n {{ contact.first_name ", 2, 0, ""),
        ("Hi {{ contct.first_name }}", 1, 7, "did you mean `contact`?"),
        ("Hi\nä {{ first_name }}", 2, 6, "variables are contact"),
        ("{{ event.form }}", 1, 4, "the enrolling event is `entry`"),
        ("{{ contact }}", 1, 4, "name a field, such as contact.first_name"),
        ("{{ steps['a'] }}", 1, 4, "such as steps[\"call-now\"].outcome"),
        ("{{ contact.email | uper }}", 1, 20, "did you mean `upper`?"),
        ("{{ contact.email | safe }}", 1, 20, "filters are"),
        ("{% include 'x' %}", 1, 1, "templates have no `include`"),
        ("x\n{%- set a = 1 %}", 2, 1, "templates have no `set`"),
        ("{% autoescape false %}{% endautoescape %}", 1, 1, "templates have no `autoescape`"),
        ("{% macro f() %}{% endmacro %}", 1, 1, "templates have no `macro`"),
        ("{% if contact.email %}", 1, 0, ""),
        ("{{ range(10) }}", 1, 4, "unknown variable `range`"),
        ("{{ contact.email[:3] }}", 1, 17, "templates have no slices"),
        ("{{ 1 + }}", 1, 0, ""),
    ] {
        let error = refused(source);

        assert_eq!(error.line, line, "{source}: {error}");
        assert!(column == 0 || error.column == column, "{source}: {error}");
        assert!(error.to_string().contains(says), "{source}: {error}");
    }
    assert!(refused(&"x".repeat(MAX_SOURCE_BYTES + 1)).message.contains("longer than"));
}

#[test]
fn fields_are_checked_against_those_that_exist() {
    let declared: Declared = serde_json::from_value(json!({"contact": {"buying_role": "string"}})).unwrap();
    let scope = Scope::new(Position::Guard).declared(&declared).steps(&["call-now"]);
    let check = |source| template(source).check(&scope);

    assert_eq!(check("{{ contact.first_name }} {{ contact.buying_role }} {{ entry.anything }}"), Ok(vec![]));
    for (source, says) in [
        ("{{ contact.frist_name }}", "did you mean `contact.first_name`?"),
        ("{{ contact.buying_rol }}", "did you mean `contact.buying_role`?"),
        ("{{ enrollment.score }}", "it has day, variant"),
        ("{{ steps['call-nwo'].outcome }}", "did you mean `call-now`?"),
        ("{{ steps['call-now'].result }}", "it has outcome"),
    ] {
        let error = check(source).unwrap_err();
        assert!(error.to_string().contains(says), "{source}: {error}");
        assert_eq!(error.column, 4);
    }
    assert_eq!(check("{{ contact.shoe_size }}").unwrap()[0].message, "`contact.shoe_size` is not declared");
    assert_eq!(check("{{ entry.kindd }}").unwrap()[0].hint.as_deref(), Some("did you mean `entry.kind`?"));
}

#[test]
fn work_and_length_are_bounded() {
    let many: Vec<i64> = (0..2_000).collect();
    let facts = ada().with(Variable::Entry, "many", many).with(Variable::Entry, "long", "x".repeat(10_000));
    let work = "{% for a in entry.many %}{% for b in entry.many %}{% endfor %}{% endfor %}";
    let long = "{% for a in entry.many %}{{ entry.long }}{% endfor %}";
    let joined = "{{ entry.many | join(entry.long) }}";
    let grown = format!("{{{{ entry.form{} }}}}", " | replace('d', 'dddddddddd')".repeat(12));

    assert_eq!(template(work).render(&facts), Err(RenderError::TooMuchWork));
    assert_eq!(template(long).render(&facts), Err(RenderError::TooLong));
    for source in [joined, &grown] {
        assert!(matches!(template(source).render(&facts), Err(RenderError::Unsuitable { .. })), "{source}");
    }
}

#[test]
fn nesting_never_overflows_three_quarters_of_a_threads_stack() {
    let sources: Vec<String> = [15, 60, 120, 145, 4_000]
        .into_iter()
        .flat_map(|depth| {
            [
                format!("{{{{ {}1{} }}}}", "(".repeat(depth), ")".repeat(depth)),
                format!("{{{{ {}1{} }}}}", "[".repeat(depth), "]".repeat(depth)),
                format!("{{{{ {}1 }}}}", "not ".repeat(depth)),
                format!("{{{{ {}1 }}}}", "-".repeat(depth)),
                format!("{{{{ 1{} }}}}", " + 1".repeat(depth)),
                format!("{{{{ 'a'{} }}}}", " ~ 'a'".repeat(depth)),
                format!("{{{{ 'a'{} }}}}", " | upper".repeat(depth)),
                format!("{{{{ contact.a{} }}}}", ".a".repeat(depth)),
                format!("{{{{ {}1 }}}}", "1 if 1 else ".repeat(depth)),
                format!("{}{}", "{% if 1 %}".repeat(depth), "{% endif %}".repeat(depth)),
                format!("{}{}", "{% for a in [1] %}".repeat(depth), "{% endfor %}".repeat(depth)),
            ]
        })
        .collect();
    let rendered = std::thread::Builder::new()
        .stack_size(1_536 * 1_024)
        .spawn(move || {
            for source in sources {
                let _ =
                    Template::compile("deep", &source, Format::Html).map(|template| template.render(&ada()));
            }
        })
        .unwrap();

    assert!(rendered.join().is_ok());
    assert!(
        refused(&format!("{{{{ {}1{} }}}}", "(".repeat(20), ")".repeat(20))).message.contains("too deeply")
    );
    let countries = vec!["'US'"; 300].join(", ");
    assert_eq!(render(&format!("{{{{ 'yes' if 'US' in [{countries}] }}}}")).as_deref(), Ok("yes"));
}

#[test]
fn templates_are_equal_when_made_of_the_same() {
    assert_eq!(template("{{ contact.email }}"), template("{{ contact.email }}"));
    assert_ne!(template("{{ contact.email }}"), template("{{ contact.phone }}"));
    assert_ne!(template("x"), Template::compile("test", "x", Format::Html).unwrap());
}

proptest! {
    #[test]
    fn no_source_panics_and_what_is_taken_can_be_rendered(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "{{", "}}", "{%", "%}", "{#", "#}", " if ", " endif ", " for x in ", " endfor ", "contact.first_name",
                "contact", ".", "|", "default('x')", "upper", "'", "\"", "é", "\n", "x", "raw", "endraw", "[", "]", "-", "1",
                "contact.email", "~", "steps.a.outcome", "(", ")",
            ]),
            0..16,
        ),
    ) {
        let source = pieces.concat();
        if let Ok(template) = Template::compile("t", &source, Format::Text) {
            match template.render(&ada()) {
                Ok(_) | Err(RenderError::Unsuitable { .. }) => {}
                Err(RenderError::MissingField(path)) => {
                    prop_assert!(template.fields().any(|field| field.to_string() == path));
                }
                Err(other) => prop_assert!(false, "{source}: {other}"),
            }
        }
    }

    #[test]
    fn no_value_of_a_contact_is_ever_read_as_code(name in "\\PC{1,40}") {
        let facts = ada().with(Variable::Contact, "first_name", name.as_str());
        prop_assume!(!name.trim().is_empty());

        let braces = format!("{{{{ 1 }}}}{name}");
        let shown = template("{{ contact.first_name }}").render(&facts.clone()).unwrap();

        prop_assert_eq!(shown, name.clone());
        let shown = template("{{ contact.first_name }}").render(&facts.with(Variable::Contact, "first_name", braces.as_str()));
        prop_assert_eq!(shown, Ok(braces));
    }
}
