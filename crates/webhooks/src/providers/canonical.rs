//! Data whose names are our mapping targets: what `standard-webhooks` and `cloudevents` need no map for.

use serde_json::Value;

use crate::fields::{Fields, Group, Target};
use crate::item::Untranslatable;

/// Reads an object of target names. `contact`, `account`, `deal` and `data` are objects; a name that is no target is
/// data of the event, unless `data` itself names it.
pub(super) fn read(data: Option<&Value>, fields: &mut Fields) -> Result<(), Untranslatable> {
    let members = match data {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(members)) => members,
        Some(_) => {
            return Err(Untranslatable::wrong_shape(
                "data: expected an object with the names of targets, or a map",
            ));
        }
    };
    let mut groups = Vec::new();
    for (name, value) in members {
        // The kind is the envelope's to say.
        let target = Target::parse(name).filter(|target| *target != Target::Kind);
        match (target, Group::parse(name)) {
            (Some(target), _) => fields.set(target, value.clone()),
            (None, Some(group)) => groups.push((group, value)),
            (None, None) => fields.put(Group::Data, name, value.clone()),
        }
    }
    for (group, value) in groups {
        match value {
            Value::Null => {}
            Value::Object(members) => {
                for (name, value) in members {
                    fields.put(group, name, value.clone());
                }
            }
            _ => {
                return Err(Untranslatable::wrong_shape(format!(
                    "data.{}: expected an object",
                    group.as_str()
                )));
            }
        }
    }
    Ok(())
}
