//! One kind's part of the world, kept as its list and watch say. Whoever else has to hear of each change (reconcilers,
//! say) is told from here: every change passes [`Mirror::take`] or [`Mirror::forget`].

use crate::api::Kind;
use crate::cluster::defects;
use crate::cluster::intake::Misfit;
use crate::cluster::read::{self, HeadMeta, Raw};
use crate::telemetry::cluster::{ByKind, Following};
use crate::telemetry::judging::Judging;
use crate::world::{Object, Shared, World};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// So many objects of a list are read before others get their turn: a millisecond, and few that are read and not
/// packed yet.
const AT_ONCE: usize = 32;

/// Brings one kind's objects into the world.
#[derive(Debug)]
pub(super) struct Mirror {
    kind: Kind,
    world: Arc<Shared>,
    following: Following,
    judging: Judging,
    /// Who was named by the list that is under way.
    listed: HashSet<String>,
    /// The versions of the unreadable objects, by name: each is told once.
    unreadable: HashMap<String, String>,
}

/// An object that was sent, as far as it could be read.
#[derive(Debug)]
struct Sent {
    head: HeadMeta,
    object: Result<Object, Misfit>,
}

impl Mirror {
    pub(super) fn new(kind: Kind, world: Arc<Shared>, following: Following, judging: Judging) -> Self {
        let mirror = Self {
            kind,
            world,
            following,
            judging,
            listed: HashSet::new(),
            unreadable: HashMap::new(),
        };
        mirror.count();
        mirror
    }

    /// A list begins; what is known stays known until it ends.
    pub(super) fn list_begins(&mut self) {
        self.listed.clear();
    }

    /// A part of the list. Its objects are newer than what is known, so they are taken in at once; those that are
    /// known as they are, are not even read.
    pub(super) async fn listed(&mut self, items: Vec<Raw>) {
        let mut new = Vec::new();
        for raw in items {
            let Some(head) = self.head(&raw) else {
                continue;
            };
            self.listed.insert(head.name.clone());
            if !self.is_known(&self.world.read(), &head) {
                new.push((head, raw));
            }
            if new.len() == AT_ONCE {
                self.take(std::mem::take(&mut new)).await;
                tokio::task::yield_now().await;
            }
        }
        self.take(new).await;
    }

    /// The list is complete: what it did not name is gone.
    pub(super) fn list_ends(&mut self) {
        let known = self.world.read().names(self.kind);
        let gone: Vec<String> = known
            .into_iter()
            .filter(|name| !self.listed.contains(name))
            .collect();
        self.listed = HashSet::new();
        self.forget(&gone);
    }

    /// An object is new or has changed. Answers its version, up to which everything is known now.
    pub(super) async fn changed(&mut self, raw: Raw) -> Option<String> {
        let head = self.head(&raw)?;
        let version = head.resource_version.clone();
        self.take(vec![(head, raw)]).await;
        Some(version)
    }

    /// An object is gone. Answers the version at which it went.
    pub(super) fn deleted(&mut self, raw: &RawValue) -> Option<String> {
        let head = self.head(raw)?;
        self.forget(&[head.name]);
        Some(head.resource_version)
    }

    async fn take(&mut self, new: Vec<(HeadMeta, Raw)>) {
        if new.is_empty() {
            return;
        }
        let kind = self.kind;
        let read = move |new: Vec<(HeadMeta, Raw)>| -> Vec<Sent> {
            let sent = new.into_iter().map(|(head, raw)| Sent {
                head,
                object: read::object(kind, &raw),
            });
            sent.collect()
        };
        let sent = if kind == Kind::ModuleSettingsDefinition {
            // Their schemas are compiled, which takes milliseconds each.
            match tokio::task::spawn_blocking(move || read(new)).await {
                Ok(sent) => sent,
                Err(error) => {
                    // Nobody panics here; and who did would again.
                    tracing::error!(%kind, %error, "objects could not be read: a bug");
                    return;
                }
            }
        } else {
            read(new)
        };
        for sent in &sent {
            self.tell(sent);
        }
        self.world.update(|world| {
            for Sent { head, object } in sent {
                match object {
                    Ok(object) => world.insert(object),
                    Err(misfit) => world.insert_unreadable(kind, &head.name, read::why(&misfit)),
                }
            }
        });
        self.count();
    }

    fn forget(&mut self, names: &[String]) {
        for name in names {
            self.unreadable.remove(name);
        }
        if !names.is_empty() {
            self.world.update(|world| {
                for name in names {
                    world.remove(self.kind, name);
                }
            });
            self.count();
        }
    }

    /// What people have to know of an object: that it cannot be read, or can be again, or which defects it has.
    fn tell(&mut self, Sent { head, object }: &Sent) {
        let (kind, name) = (self.kind, &head.name);
        match object {
            Ok(object) => {
                if self.unreadable.remove(name).is_some() {
                    tracing::info!(%kind, name, "the object can be read again");
                }
                if let Object::ModuleSettingsDefinition(definition) = object {
                    defects::tell(definition, None, &self.judging);
                }
            }
            Err(misfit) => {
                let version = head.resource_version.clone();
                if self.unreadable.insert(name.clone(), version.clone()) != Some(version) {
                    let why = read::why(misfit);
                    tracing::warn!(%kind, name, why, "the object exists and cannot be read; the others go on");
                }
            }
        }
    }

    fn head(&self, raw: &RawValue) -> Option<HeadMeta> {
        let head = read::head(raw);
        if head.is_none() {
            tracing::error!(kind = %self.kind, "the API server sent something without a name");
        }
        head
    }

    fn is_known(&self, world: &World, head: &HeadMeta) -> bool {
        let version = match world.object(self.kind, &head.name) {
            Some(object) => object.metadata().resource_version.clone(),
            None => self.unreadable.get(&head.name).cloned(),
        };
        version.is_some_and(|version| !version.is_empty() && version == head.resource_version)
    }

    fn count(&self) {
        let (all, unreadable) = self.world.read().count(self.kind);
        let label = ByKind {
            kind: self.kind.name(),
        };
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.following.objects.get_or_create(&label).set(number(all));
        self.following
            .unreadable
            .get_or_create(&label)
            .set(number(unreadable));
    }
}
