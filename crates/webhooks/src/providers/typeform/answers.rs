//! Answers by the reference of their field, and what they say of the person.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::fields::{Fields, Group, Target, is_blank};

/// Names of fields, in lower-case letters only, that are attributes of the person or company.
const ATTRIBUTES: [(&str, Group, &str); 20] = [
    ("firstname", Group::Contact, "first_name"),
    ("givenname", Group::Contact, "first_name"),
    ("whatisyourfirstname", Group::Contact, "first_name"),
    ("lastname", Group::Contact, "last_name"),
    ("surname", Group::Contact, "last_name"),
    ("familyname", Group::Contact, "last_name"),
    ("name", Group::Contact, "name"),
    ("fullname", Group::Contact, "name"),
    ("yourname", Group::Contact, "name"),
    ("whatisyourname", Group::Contact, "name"),
    ("jobtitle", Group::Contact, "title"),
    ("department", Group::Contact, "department"),
    ("country", Group::Contact, "country"),
    ("city", Group::Contact, "city"),
    ("company", Group::Account, "name"),
    ("companyname", Group::Account, "name"),
    ("organization", Group::Account, "name"),
    ("companywebsite", Group::Account, "domain"),
    ("industry", Group::Account, "industry"),
    ("companysize", Group::Account, "size"),
];

/// Reads all answers into `data.answers`, and those that say who answered into their targets. An answer counts more
/// than a hidden field of the same meaning: the person wrote it.
pub(super) fn read(response: &Value, fields: &mut Fields) {
    let questions = questions(response);
    let mut by_reference = Map::new();
    let (mut email, mut phone) = (None, None);
    for answer in response.get("answers").and_then(Value::as_array).into_iter().flatten() {
        let Some(value) = value(answer) else { continue };
        let field = answer.get("field");
        let text_of = |name: &str| field.and_then(|field| field.get(name)).and_then(Value::as_str);
        match answer.get("type").and_then(Value::as_str) {
            Some("email") => email = email.or_else(|| Some(value.clone())),
            Some("phone_number") => phone = phone.or_else(|| Some(value.clone())),
            _ => {
                let question = text_of("id").and_then(|id| questions.get(id)).copied();
                let of_question =
                    |name: &str| question.and_then(|question| question.get(name)).and_then(Value::as_str);
                let names = [of_question("subfield_key"), text_of("ref"), of_question("title")];
                if let Some((group, name)) = names.into_iter().flatten().find_map(attribute) {
                    fields.put(group, name, value.clone());
                }
            }
        }
        if let Some(reference) = text_of("ref").or_else(|| text_of("id")) {
            by_reference.insert(reference.to_owned(), value);
        }
    }
    fields.copy(Target::Email, email.as_ref());
    fields.copy(Target::Phone, phone.as_ref());
    if !by_reference.is_empty() {
        fields.put(Group::Data, "answers", Value::Object(by_reference));
    }
}

/// What was answered, without the wrapping that its type has.
fn value(answer: &Value) -> Option<Value> {
    let of_type = answer.get(answer.get("type")?.as_str()?)?;
    let value = match of_type {
        // One choice, several, or a free text beside them.
        Value::Object(choice) => {
            let labels = choice.get("label").or_else(|| choice.get("labels")).or_else(|| choice.get("other"));
            labels.cloned().unwrap_or_else(|| of_type.clone())
        }
        plain => plain.clone(),
    };
    (!is_blank(&value)).then_some(value)
}

/// The form's fields by id, those of groups and contact blocks too.
fn questions(response: &Value) -> HashMap<&str, &Value> {
    let mut found = HashMap::new();
    let top = response.pointer("/definition/fields").and_then(Value::as_array);
    let mut open: Vec<&Value> = top.into_iter().flatten().collect();
    while let Some(question) = open.pop() {
        if let Some(id) = question.get("id").and_then(Value::as_str) {
            found.insert(id, question);
        }
        open.extend(question.pointer("/properties/fields").and_then(Value::as_array).into_iter().flatten());
    }
    found
}

fn attribute(name: &str) -> Option<(Group, &'static str)> {
    let letters: String =
        name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    ATTRIBUTES.into_iter().find(|(known, ..)| *known == letters).map(|(_, group, name)| (group, name))
}
