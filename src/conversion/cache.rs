//! A bounded map that forgets what was used longest ago.

use std::collections::HashMap;
use std::hash::Hash;

/// At most `capacity` entries. Finding the oldest looks at all of them: made for hundreds, not for millions.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    entries: HashMap<K, (u64, V)>,
    capacity: usize,
    uses: u64,
}

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            capacity: capacity.max(1),
            uses: 0,
        }
    }

    /// The value under `key`, made where there is none.
    pub(super) fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> V {
        self.uses += 1;
        let now = self.uses;
        if let Some((used, value)) = self.entries.get_mut(key) {
            *used = now;
            return value.clone();
        }
        if self.entries.len() >= self.capacity
            && let Some(oldest) = self
                .entries
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(key, _)| key.clone())
        {
            self.entries.remove(&oldest);
        }
        let value = make();
        self.entries.insert(key.clone(), (now, value.clone()));
        value
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        self.uses += 1;
        let (used, value) = self.entries.get_mut(key)?;
        *used = self.uses;
        Some(value.clone())
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_used_longest_ago() {
        let mut cache = Cache::new(2);
        cache.get_or_insert_with(&"a", || 1);
        cache.get_or_insert_with(&"b", || 2);
        assert_eq!(cache.get(&"a"), Some(1));
        cache.get_or_insert_with(&"c", || 3);
        assert_eq!(
            (cache.get(&"a"), cache.get(&"b"), cache.get(&"c")),
            (Some(1), None, Some(3))
        );
        assert_eq!(cache.get_or_insert_with(&"a", || 9), 1);
        cache.remove(&"a");
        assert_eq!(cache.get(&"a"), None);
    }
}
