//! The one place where a change of an object becomes part of the world, with the bookkeeping that an API server does:
//! uid, creation time, resource version, generation, and deletion that waits for finalizers.

use crate::api::Kind;
use crate::world::{Object, Shared};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes objects into a world. Nothing is judged here. Cheap to share; writers that saw an older object than there
/// is are turned away, as by an API server.
#[derive(Debug)]
pub struct Store {
    world: Arc<Shared>,
    /// The resource version of the last write.
    version: AtomicU64,
}

/// Why an object was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// One of that name is there already.
    #[error("the object already exists")]
    Exists,
    /// There is none of that name.
    #[error("the object does not exist")]
    Missing,
    /// It was changed since it was read: read it again.
    #[error("the object has been changed meanwhile")]
    Conflict,
    /// What the bookkeeping made of it is no object of its kind.
    #[error("the object has not the shape of its kind")]
    Shape,
}

impl Store {
    /// A store that writes into `world`.
    pub fn new(world: Arc<Shared>) -> Self {
        Self {
            world,
            version: AtomicU64::new(0),
        }
    }

    /// The world that is written to.
    pub fn world(&self) -> &Arc<Shared> {
        &self.world
    }

    /// Adds an object, which gets its uid, its creation time and generation 1.
    ///
    /// # Errors
    /// [`WriteError::Exists`]
    pub fn create(&self, object: &Object, now: Timestamp) -> Result<(), WriteError> {
        let (kind, name) = (object.kind(), object.name());
        self.write(kind, name, |present, version| {
            if present.is_some() {
                return Err(WriteError::Exists);
            }
            let mut value = object.to_value();
            let created = whole_seconds(now);
            let metadata = metadata(&mut value)?;
            metadata.retain(|key, _| !SERVER_FIELDS.contains(&key.as_str()));
            metadata.insert("uid".into(), uid(kind, name, &created, version).into());
            metadata.insert("creationTimestamp".into(), created.into());
            metadata.insert("generation".into(), 1.into());
            Ok(Change::Put(value))
        })
    }

    /// Puts an object in the place of the one that it was made from, which its resource version names. The
    /// generation grows when anything but metadata and status changed; an object that says nothing new is not
    /// written; one that is being deleted goes with its last finalizer.
    ///
    /// # Errors
    /// [`WriteError::Missing`], or [`WriteError::Conflict`] when the resource version is not the present one.
    pub fn update(&self, object: &Object) -> Result<(), WriteError> {
        self.write(object.kind(), object.name(), |present, _| {
            let present = present.ok_or(WriteError::Missing)?;
            if object.metadata().resource_version != present.metadata().resource_version {
                return Err(WriteError::Conflict);
            }
            let old = present.to_value();
            let mut value = object.to_value();
            let mut generation = present.metadata().generation.unwrap_or(1);
            if desired(&old) != desired(&value) {
                generation += 1;
            }
            let metadata = metadata(&mut value)?;
            for key in SERVER_FIELDS {
                match old["metadata"].get(key) {
                    Some(kept) => drop(metadata.insert(key.into(), kept.clone())),
                    None => drop(metadata.remove(key)),
                }
            }
            metadata.insert("generation".into(), generation.into());
            if is_being_deleted(&value) && !has_finalizers(&value) {
                return Ok(Change::Take);
            }
            Ok(if value == old {
                Change::Nothing
            } else {
                Change::Put(value)
            })
        })
    }

    /// Removes an object; while it has finalizers it stays and is marked with the time of its deletion.
    ///
    /// # Errors
    /// [`WriteError::Missing`]
    pub fn delete(&self, kind: Kind, name: &str, now: Timestamp) -> Result<(), WriteError> {
        self.write(kind, name, |present, _| {
            let present = present.ok_or(WriteError::Missing)?;
            let mut value = present.to_value();
            if !has_finalizers(&value) {
                return Ok(Change::Take);
            }
            if is_being_deleted(&value) {
                return Ok(Change::Nothing);
            }
            let generation = present.metadata().generation.unwrap_or(1) + 1;
            let metadata = metadata(&mut value)?;
            metadata.insert("deletionTimestamp".into(), whole_seconds(now).into());
            metadata.insert("deletionGracePeriodSeconds".into(), 0.into());
            metadata.insert("generation".into(), generation.into());
            Ok(Change::Put(value))
        })
    }

    /// Decides on a change with the world locked, and makes it: one write, one resource version.
    fn write(
        &self,
        kind: Kind,
        name: &str,
        decide: impl Fn(Option<&Object>, u64) -> Result<Change, WriteError>,
    ) -> Result<(), WriteError> {
        // What changes nothing wakes nobody: that is found out before the lock for writing is taken.
        let present = self.world.read().object(kind, name);
        if let Change::Nothing = decide(present.as_ref(), 0)? {
            return Ok(());
        }
        self.world.update(|world| {
            let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
            let present = world.object(kind, name);
            match decide(present.as_ref(), version)? {
                Change::Nothing => {}
                Change::Take => drop(world.remove(kind, name)),
                Change::Put(mut value) => {
                    metadata(&mut value)?.insert("resourceVersion".into(), version.to_string().into());
                    world.insert(Object::from_value(value).map_err(|_| WriteError::Shape)?);
                }
            }
            Ok(())
        })
    }
}

/// What a write comes to.
enum Change {
    Nothing,
    Put(Value),
    Take,
}

/// The metadata that only the store writes.
pub(super) const SERVER_FIELDS: [&str; 9] = [
    "uid",
    "creationTimestamp",
    "resourceVersion",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "generateName",
];

fn metadata(object: &mut Value) -> Result<&mut Map<String, Value>, WriteError> {
    object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .ok_or(WriteError::Shape)
}

/// What a generation counts the changes of: everything that is neither metadata nor status.
fn desired(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status"))
        .collect()
}

fn is_being_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|finalizers| !finalizers.is_empty())
}

/// Kubernetes keeps whole seconds.
fn whole_seconds(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// A UUID of version 8 (RFC 9562), made from what no two objects of a world's life have in common.
fn uid(kind: Kind, name: &str, created: &str, version: u64) -> String {
    let digest = Sha256::digest(format!("{kind}/{name}/{created}/{version}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let bits = u128::from_be_bytes(bytes);
    let bits = bits & !(0xf << 76) | 0x8 << 76;
    let bits = bits & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(metadata: &Value, enabled: bool) -> Object {
        let mut value = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig",
            "metadata": metadata, "spec": {"enabled": enabled},
        });
        value["metadata"]["name"] = json!("echo");
        Object::from_value(value).unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    /// A store with the object, and the object as it is stored.
    fn store(metadata: &Value) -> (Store, Value) {
        let store = Store::new(Arc::default());
        store.create(&config(metadata, true), now()).unwrap();
        let value = present(&store).unwrap();
        (store, value)
    }

    fn present(store: &Store) -> Option<Value> {
        let world = store.world().read();
        world
            .object(Kind::ModuleConfig, "echo")
            .map(|object| object.to_value())
    }

    fn edited(mut value: Value, pointer: &str, to: Value) -> Object {
        *value.pointer_mut(pointer).unwrap() = to;
        Object::from_value(value).unwrap()
    }

    #[test]
    fn a_new_object_gets_the_metadata_of_the_server_whatever_it_says() {
        let (store, mut value) = store(&json!({
            "uid": "mine", "generation": 7, "resourceVersion": "9", "deletionTimestamp": "2020-01-01T00:00:00Z",
            "labels": {"a": "b"},
        }));
        let uid = value["metadata"]["uid"].take();
        assert_eq!(uid.as_str().unwrap().len(), 36);
        assert_eq!(&uid.as_str().unwrap()[14..15], "8");
        assert_eq!(
            value["metadata"],
            json!({
                "name": "echo", "labels": {"a": "b"}, "uid": null, "generation": 1, "resourceVersion": "1",
                "creationTimestamp": "2026-01-02T03:04:05Z",
            })
        );
        assert_eq!(
            store.create(&config(&json!({}), true), now()),
            Err(WriteError::Exists)
        );
    }

    #[test]
    fn the_generation_counts_what_people_write_and_the_resource_version_everything() {
        let (store, first) = store(&json!({"labels": {"a": "b"}}));
        store
            .update(&edited(first.clone(), "/spec/enabled", json!(false)))
            .unwrap();
        let second = present(&store).unwrap();
        assert_eq!(second["metadata"]["generation"], 2);
        assert_eq!(second["metadata"]["resourceVersion"], "2");
        store
            .update(&edited(second, "/metadata/labels/a", json!("c")))
            .unwrap();
        let third = present(&store).unwrap();
        assert_eq!(third["metadata"]["generation"], 2);
        assert_eq!(third["metadata"]["resourceVersion"], "3");
        assert_eq!(third["metadata"]["uid"], first["metadata"]["uid"]);
    }

    #[test]
    fn a_writer_that_saw_an_older_object_is_turned_away() {
        let (store, first) = store(&json!({}));
        let change = edited(first, "/spec/enabled", json!(false));
        store.update(&change).unwrap();
        assert_eq!(store.update(&change), Err(WriteError::Conflict));
        store.delete(Kind::ModuleConfig, "echo", now()).unwrap();
        assert_eq!(store.update(&change), Err(WriteError::Missing));
        assert_eq!(
            store.delete(Kind::ModuleConfig, "echo", now()),
            Err(WriteError::Missing)
        );
    }

    #[test]
    fn a_write_that_changes_nothing_wakes_nobody() {
        let (store, first) = store(&json!({}));
        let changes = store.world().changes();
        store.update(&Object::from_value(first.clone()).unwrap()).unwrap();
        assert!(!changes.has_changed().unwrap());
        assert_eq!(present(&store), Some(first));
    }

    #[test]
    fn a_deletion_waits_for_the_last_finalizer() {
        let (store, _) = store(&json!({"finalizers": ["example.com/a", "example.com/b"]}));
        store.delete(Kind::ModuleConfig, "echo", now()).unwrap();
        let marked = present(&store).unwrap();
        assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-01-02T03:04:05Z");
        assert_eq!(marked["metadata"]["generation"], 2);
        store.delete(Kind::ModuleConfig, "echo", now()).unwrap();
        assert_eq!(
            present(&store).as_ref(),
            Some(&marked),
            "a second request is none"
        );
        let one_left = edited(marked, "/metadata/finalizers", json!(["example.com/b"]));
        store.update(&one_left).unwrap();
        let value = present(&store).unwrap();
        assert!(!value["metadata"]["deletionTimestamp"].is_null());
        store
            .update(&edited(value, "/metadata/finalizers", json!([])))
            .unwrap();
        assert_eq!(present(&store), None);
    }

    #[test]
    fn an_object_that_comes_again_is_another_one() {
        let (store, first) = store(&json!({}));
        store.delete(Kind::ModuleConfig, "echo", now()).unwrap();
        store.create(&config(&json!({}), true), now()).unwrap();
        assert_ne!(
            present(&store).unwrap()["metadata"]["uid"],
            first["metadata"]["uid"]
        );
    }
}
