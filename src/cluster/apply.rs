//! `kubectl apply` without a cluster: three-way, then mutated and judged as on the wire. What a file says wins, what
//! it does not say stays, what it said before and says no more goes. Pure: world and time are arguments.

use super::intake::{self, Misfit};
use super::metadata;
use crate::api::Kind;
use crate::review::Enforcement;
use crate::rules::admit::{self, Admitted};
use crate::rules::convert;
use crate::rules::{Finding, User, Verdict};
use crate::world::{Object, World};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The metadata that files may say; all other is the server's.
const METADATA: [&str; 5] = ["name", "labels", "annotations", "finalizers", "ownerReferences"];
/// Where kubectl remembers what it applied; an exported file has it, credentials and all, and it is never stored.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who applies, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct By<'a> {
    pub(super) user: User<'a>,
    pub(super) now: Timestamp,
}

/// What a document comes to when nothing speaks against it.
#[derive(Debug)]
pub(super) struct Applied {
    /// The object as it shall be stored.
    pub(super) object: Object,
    pub(super) warnings: Vec<Finding>,
}

/// What a document says of its object: what the server alone writes is left out.
pub(super) fn said(kind: Kind, document: &Value) -> Value {
    let mut said = Map::new();
    for key in ["apiVersion", "kind", "metadata", kind.body(), "status"] {
        if let Some(value) = document.get(key) {
            said.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(metadata) = said.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, value| METADATA.contains(&key.as_str()) && !value.is_null());
        for key in ["labels", "annotations"] {
            let Some(pairs) = metadata.get_mut(key).and_then(Value::as_object_mut) else {
                continue;
            };
            // A null says that there shall be none.
            pairs.retain(|key, value| key != LAST_APPLIED && !value.is_null());
            if pairs.is_empty() {
                metadata.remove(key);
            }
        }
    }
    Value::Object(said)
}

/// An object that a file asks for, judged but for its settings.
#[derive(Debug)]
pub(super) struct Judged {
    kind: Kind,
    misfits: Vec<Misfit>,
    admitted: Admitted,
}

/// Applies what a file says to the object as it is (`live`); `before` is what the file said when it was last
/// applied. Everything that speaks against it is told at once, when the verdict is settled.
pub(super) fn judge(
    kind: Kind,
    said: &Value,
    before: Option<&Value>,
    live: Option<&Object>,
    by: By<'_>,
    world: &World,
) -> Result<Judged, Vec<Misfit>> {
    let old = live.map(Object::to_value);
    let wanted = match &old {
        None => said.clone(),
        Some(old) => merged(said, before, old),
    };
    let mut misfits = metadata::check(&wanted["metadata"]);
    match admit::admit(wanted, old.as_ref(), by.user, world, by.now) {
        Ok(admitted) => Ok(Judged {
            kind,
            misfits,
            admitted,
        }),
        Err(error) => {
            misfits.insert(0, intake::misfit(&error));
            Err(misfits)
        }
    }
}

impl Judged {
    /// What it comes to, once `settle` has judged the settings too: that takes its time, and needs no world.
    pub(super) fn conclude(self, settle: impl FnOnce(Verdict) -> Verdict) -> Result<Applied, Vec<Misfit>> {
        let Self {
            kind,
            mut misfits,
            admitted,
        } = self;
        let Verdict {
            refusals, warnings, ..
        } = settle(admitted.verdict);
        // A rule knows better than the API server what a name has to be.
        misfits.retain(|misfit| refusals.iter().all(|refusal| refusal.field != misfit.field));
        misfits.extend(refusals.into_iter().map(from_finding));
        if !misfits.is_empty() {
            return Err(misfits);
        }
        let object = intake::to_stored(kind, admitted.object).map_err(|misfit| vec![misfit])?;
        Ok(Applied { object, warnings })
    }
}

/// What speaks against the removal of an object; nothing does when it is on its way out already.
pub(super) fn removal(live: &Object, by: By<'_>, world: &World, enforcement: &Enforcement) -> Vec<Misfit> {
    match admit::remove(&live.to_value(), by.user, world, by.now) {
        Ok(verdict) => {
            let refusals = enforcement.soften(verdict).refusals;
            refusals.into_iter().map(from_finding).collect()
        }
        Err(error) => vec![intake::misfit(&error)],
    }
}

fn from_finding(finding: Finding) -> Misfit {
    Misfit::new(finding.field, finding.message)
}

/// The object as it is, in the version that the file is written in, with what the file says.
fn merged(said: &Value, before: Option<&Value>, old: &Value) -> Value {
    let version = said["apiVersion"].as_str().unwrap_or_default();
    let mut wanted = old.clone();
    // An object of the world can be converted to every served version; another one is refused by its name later on.
    let _converted = convert::convert(&mut wanted, version);
    let mut said = said.clone();
    let mut before = before.cloned().unwrap_or_default();
    for value in [&mut said, &mut before] {
        if let Some(fields) = value.as_object_mut() {
            // Status counts when the object first appears.
            fields.remove("status");
        }
    }
    // A file that moved on to v1alpha2 no longer says what v1alpha1 had in a field: it has become an annotation.
    let mut moved = before.clone();
    if convert::convert(&mut moved, version).is_ok() {
        before["metadata"] = moved["metadata"].take();
    }
    merge(&mut wanted, &said, &before);
    wanted
}

/// Objects are merged key by key; everything else, lists too, is taken whole. A null unsets its field.
fn merge(live: &mut Value, said: &Value, before: &Value) {
    let (Some(fields), Some(said)) = (live.as_object_mut(), said.as_object()) else {
        live.clone_from(said);
        return;
    };
    for (key, before) in before.as_object().into_iter().flatten() {
        if !said.contains_key(key) {
            forget(fields, key, before);
        }
    }
    for (key, value) in said {
        match (value, fields.get_mut(key)) {
            (Value::Null, _) => drop(fields.remove(key)),
            (Value::Object(_), Some(here @ Value::Object(_))) => merge(here, value, &before[key.as_str()]),
            _ => drop(fields.insert(key.clone(), value.clone())),
        }
    }
}

/// Takes back what was said under a key: of an object only its own keys, since others may have added theirs.
fn forget(fields: &mut Map<String, Value>, key: &str, before: &Value) {
    if let (Some(Value::Object(here)), Value::Object(before)) = (fields.get_mut(key), before) {
        for (key, before) in before {
            forget(here, key, before);
        }
        if !here.is_empty() {
            return;
        }
    }
    fields.remove(key);
}
