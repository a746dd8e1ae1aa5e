//! A world that several tasks share: many read, one writes, and who waits for a change is woken.

use super::World;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::watch;

/// A world under a lock, with a count of its changes that can be waited on.
#[derive(Debug)]
pub struct Shared {
    world: RwLock<World>,
    changes: watch::Sender<u64>,
}

/// A view of the world; held for the microseconds of a verdict, never across an `await`.
pub type Reading<'a> = RwLockReadGuard<'a, World>;

impl Shared {
    /// Shares a world.
    pub fn new(world: World) -> Self {
        Self {
            world: RwLock::new(world),
            changes: watch::Sender::new(0),
        }
    }

    /// Looks at the world as it is now.
    pub fn read(&self) -> Reading<'_> {
        // A writer that panicked left whole objects: each is inserted by one call.
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world and wakes those who wait.
    pub fn update<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.world.write().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Counts the changes from now on; `changed()` waits for the next.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(World::new())
    }
}
