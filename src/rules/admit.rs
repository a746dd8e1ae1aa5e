//! A whole object on its way in, as on the wire: defaults are filled in, then it is judged. For documents that do not
//! come in a review (`check`, the files of `serve --standalone`).

use super::{Operation, Parts, Subject, User, Verdict, convert, mutate, validate};
use crate::api::{GROUP, Kind};
use crate::world::World;
use jiff::Timestamp;
use serde_json::Value;

/// What became of a document.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The object with its defaults, in the version that it was written in.
    pub object: Value,
    /// The verdict on it.
    pub verdict: Verdict,
}

/// Why a document cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// Its kind is none of ours; such documents are passed over.
    #[error("kind '{kind}' of '{api_version}' is none of Hatchway's")]
    NotOurs {
        /// What it says.
        api_version: String,
        /// What it says.
        kind: String,
    },
    /// Its version is not served.
    #[error("{kind} has no version '{api_version}', write {}", served(*kind))]
    Version {
        /// The kind.
        kind: Kind,
        /// What it says.
        api_version: String,
    },
    /// It has no name.
    #[error("metadata.name is missing: give the {0} a name")]
    NoName(Kind),
}

fn served(kind: Kind) -> String {
    let versions: Vec<String> = kind
        .served()
        .iter()
        .map(|served| format!("{GROUP}/{}", served.version))
        .collect();
    versions.join(" or ")
}

/// Kind, version and name of a document.
///
/// # Errors
/// [`AdmitError`]
pub fn identify(object: &Value) -> Result<(Kind, &'static str, &str), AdmitError> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let known = Kind::from_name(kind).filter(|_| group == GROUP);
    let kind = known.ok_or_else(|| AdmitError::NotOurs {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
    })?;
    let version = api_version
        .rsplit('/')
        .next()
        .and_then(|version| kind.version(version));
    let version = version.ok_or_else(|| AdmitError::Version {
        kind,
        api_version: api_version.to_owned(),
    })?;
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    Ok((kind, version, name.ok_or(AdmitError::NoName(kind))?))
}

/// Judges an object that is made, or changed where `old` (in its storage version) is what it was.
///
/// # Errors
/// [`AdmitError`]
pub fn admit(
    mut object: Value,
    old: Option<&Value>,
    user: User<'_>,
    world: &World,
    now: Timestamp,
) -> Result<Admitted, AdmitError> {
    let (kind, version, name) = identify(&object)?;
    let name = name.to_owned();
    as_go_writes(&mut object);
    let patch = mutate::patch(kind, version, object.get("spec").unwrap_or(&Value::Null));
    // A patch made from an object fits that object.
    let _fits = json_patch::patch(&mut object, &patch);
    let old = old.map(|old| {
        let mut old = old.clone();
        // As the API server does before it sends both: an object of the world can be converted, or is compared as it is.
        let _converted = convert::convert(&mut old, &format!("{GROUP}/{version}"));
        Parts::from_value(kind, version, &old)
    });
    let new = Parts::from_value(kind, version, &object);
    let subject = subject(kind, version, name, Some(new), old);
    let verdict = validate(&subject, user, world, now);
    Ok(Admitted { object, verdict })
}

/// 1.0 is an integer, and comes back from an API server as 1: Go writes whole numbers so.
fn as_go_writes(value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
            if let Some(whole) = whole {
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "whole and small enough to be exact"
                )]
                let whole = whole as i64;
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_go_writes),
        Value::Object(fields) => fields.values_mut().for_each(as_go_writes),
        _ => {}
    }
}

/// Judges the removal of an object of the world.
///
/// # Errors
/// [`AdmitError`]
pub fn remove(old: &Value, user: User<'_>, world: &World, now: Timestamp) -> Result<Verdict, AdmitError> {
    let (kind, version, name) = identify(old)?;
    let parts = Parts::from_value(kind, version, old);
    Ok(validate(
        &subject(kind, version, name.to_owned(), None, Some(parts)),
        user,
        world,
        now,
    ))
}

/// What is done to an object, by its parts before and after.
pub(super) fn subject(
    kind: Kind,
    version: &'static str,
    name: String,
    new: Option<Parts>,
    old: Option<Parts>,
) -> Subject {
    let operation = match (&new, &old) {
        (Some(_), None) => Operation::Create,
        (Some(_), Some(_)) => Operation::Update,
        (None, _) => Operation::Delete,
    };
    let pair = new.as_ref().zip(old.as_ref());
    let body_changed = pair.is_none_or(|(new, old)| new.body != old.body);
    let metadata_changed =
        pair.is_none_or(|(new, old)| (&new.labels, &new.annotations) != (&old.labels, &old.annotations));
    Subject {
        kind,
        version,
        operation,
        name,
        new,
        old,
        body_changed,
        metadata_changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_come_out_as_an_api_server_writes_them() {
        let object = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "global"},
            "spec": {"version": 1.0, "settings": {"a": [2.0, 2.5, 1e300]}},
        });
        let user = User::default();
        let admitted = admit(object, None, user, &World::new(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(admitted.verdict.refusals, []);
        let spec = &admitted.object["spec"];
        assert_eq!(*spec, json!({"version": 1, "settings": {"a": [2, 2.5, 1e300]}}));
    }
}
