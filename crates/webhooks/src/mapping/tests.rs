use serde_json::json;

use super::*;

fn mapped(table: &Value, item: &Value) -> Fields {
    let mut fields = Fields::new();
    Mapping::parse(table).unwrap().apply(item, &mut fields).unwrap();
    fields
}

#[test]
fn each_form_of_source_fills_its_target() {
    let table = json!({
        "email": "/person/email",
        "bounce": { "const": "hard" },
        "phone": { "first": ["/person/mobile", "/person/phone"] },
        "kind": { "table": { "signup": "form_submitted" }, "at": "/type" },
        "name": { "template": "{/person/first} {/person/last} {{x}}" },
        "record": { "type": { "const": "deal" }, "id": "/deal" },
    });
    let item = json!({
        "type": "signup", "deal": 7,
        "person": { "email": "a@b.c", "mobile": " ", "phone": "+1555", "first": "Ada", "last": "L" },
    });

    let fields = mapped(&table, &item);

    assert_eq!(fields.get(Target::Email), Some(&json!("a@b.c")));
    assert_eq!(fields.get(Target::Bounce), Some(&json!("hard")));
    assert_eq!(fields.get(Target::Phone), Some(&json!("+1555")));
    assert_eq!(fields.get(Target::Kind), Some(&json!("form_submitted")));
    assert_eq!(fields.get(Target::Name), Some(&json!("Ada L {x}")));
    assert_eq!(fields.get(Target::Record), Some(&json!({ "type": "deal", "id": 7 })));
}

#[test]
fn a_group_is_filled_by_name_or_from_an_object() {
    let table = json!({
        "contact": { "first": "/first", "country": { "const": "DE" }, "title": "/title" },
        "data": "/custom",
    });
    let item = json!({ "first": "Ada", "title": "CTO", "custom": { "form": "demo", "none": null } });

    let mut fields = mapped(&table, &item);

    let contact = fields.take_group(Group::Contact);
    assert_eq!(contact.text("first"), Some("Ada"));
    assert_eq!(contact.text("country"), Some("DE"));
    assert_eq!(contact.text("title"), Some("CTO"));
    assert_eq!(fields.take_group(Group::Data), domain::attributes::Attributes::new().with("form", "demo"));
}

#[test]
fn a_group_that_points_at_no_object_is_said() {
    let mapping = Mapping::parse(&json!({ "data": "/custom" })).unwrap();

    assert_eq!(mapping.apply(&json!({ "custom": [1] }), &mut Fields::new()), Err(Group::Data));
}

#[test]
fn a_table_takes_its_default_or_tells_what_it_does_not_list() {
    let item = json!({ "type": "weird", "flag": true });

    let with_default = json!({ "kind": { "table": { "a": "replied" }, "at": "/type", "default": "custom" } });
    assert_eq!(mapped(&with_default, &item).get(Target::Kind), Some(&json!("custom")));

    let without = json!({ "kind": { "table": { "a": "replied" }, "at": "/type" } });
    let fields = mapped(&without, &item);
    assert_eq!(fields.get(Target::Kind), None);
    assert_eq!(fields.unlisted_kind.as_deref(), Some("weird"));

    let of_boolean = json!({ "bounce": { "table": { "true": "hard", "false": "soft" }, "at": "/flag" } });
    assert_eq!(mapped(&of_boolean, &item).get(Target::Bounce), Some(&json!("hard")));
}

#[test]
fn what_is_not_there_leaves_a_field_as_it_was() {
    let mut fields = Fields::new();
    fields.set(Target::Kind, "replied");

    Mapping::parse(&json!({ "kind": "/none", "email": "/none" }))
        .unwrap()
        .apply(&json!({}), &mut fields)
        .unwrap();

    assert_eq!(fields.get(Target::Kind), Some(&json!("replied")));
    assert_eq!(fields.get(Target::Email), None);
}

#[test]
fn a_template_without_any_value_is_absent() {
    let table = json!({ "name": { "template": "{/a}-{/b}" } });

    assert_eq!(mapped(&table, &json!({})).get(Target::Name), None);
    assert_eq!(mapped(&table, &json!({ "b": 1 })).get(Target::Name), Some(&json!("-1")));
}

#[test]
fn mistakes_are_refused_with_their_place_and_a_near_name() {
    let refused = |table: Value| Mapping::parse(&table).unwrap_err().to_string();

    assert_eq!(
        refused(json!({ "emial": "/a" })),
        r#"map.emial: unknown target "emial": did you mean "email"?"#
    );
    assert_eq!(
        refused(json!({ "occured_at": "/a" })),
        r#"map.occured_at: unknown target "occured_at": did you mean "occurred_at"?"#
    );
    assert!(
        refused(json!({ "email": "person/email" }))
            .starts_with("map.email: \"person/email\" is not a JSON pointer")
    );
    assert!(refused(json!({ "email": 5 })).starts_with("map.email: expected a JSON pointer"));
    assert!(refused(json!({ "email": { "table": { "a": "b" } } })).contains("needs `at`"));
    assert!(refused(json!({ "email": { "frist": [] } })).contains("did you mean \"first\""));
    assert!(refused(json!({ "contact": { "x": { "first": [] } } })).starts_with("map.contact.x: `first`"));
    assert!(refused(json!({ "name": { "template": "fixed" } })).contains("names no value"));
    assert!(refused(json!({ "record": { "type": "/t" } })).contains("`id` is missing"));
    assert!(refused(json!({ "each": 3 })).starts_with("map.each:"));
    assert!(refused(json!([])).starts_with("map: expected a table"));
}

#[test]
fn a_kind_that_is_written_out_must_be_one_that_can_be_sent() {
    let refused = |kind: Value| Mapping::parse(&json!({ "kind": kind })).unwrap_err().to_string();
    let near = r#"map.kind: unknown kind "form_submited": did you mean "form_submitted"?"#;

    assert_eq!(refused(json!({ "const": "form_submited" })), near);
    assert_eq!(refused(json!({ "table": { "signup": "form_submited" }, "at": "/type" })), near);
    assert_eq!(
        refused(json!({ "table": { "signup": "replied" }, "at": "/type", "default": "form_submited" })),
        near
    );
    assert_eq!(refused(json!({ "first": ["/kind", { "const": "form_submited" }] })), near);
    assert!(
        refused(json!({ "const": "manual_enroll" })).starts_with("map.kind: unknown kind"),
        "not from outside"
    );
    assert!(refused(json!({ "const": 5 })).starts_with("map.kind: a kind is a text"));
    assert!(
        Mapping::parse(&json!({ "kind": "/anything" })).is_ok(),
        "what is read of a body is judged with it"
    );
}
